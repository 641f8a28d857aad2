#!/bin/sh
# Reads secrets from files before it starts the program: for every NAME_FILE that names a file under
# $SECRETS_DIR, NAME is what the file holds. Other variables that end in _FILE are none of its
# business (redaction.rules_file is a setting of ours, SSL_CERT_FILE one of OpenSSL's).
set -eu

secrets=${SECRETS_DIR:-/run/secrets}
for name in $(env | sed -n "s|^\([A-Za-z_][A-Za-z0-9_]*\)_FILE=$secrets/.*|\1|p"); do
  eval "path=\$${name}_FILE"
  if [ ! -r "$path" ]; then
    echo "$path, which ${name}_FILE names, is not there or cannot be read; run 'make secrets'" >&2
    exit 78
  fi
  value=$(cat "$path")
  if [ -z "$value" ]; then
    echo "$path, which ${name}_FILE names, is empty; delete it and run 'make secrets'" >&2
    exit 78
  fi
  export "$name=$value"
  unset "${name}_FILE"
done
exec "$@"
