#!/bin/sh
# Makes the random secrets that docker-compose.yml mounts. Never touches one that is there.
#
# The folder is closed to other users of this machine and the files in it are readable: Compose
# mounts them as they are, and each container reads them as a user of its own.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-secrets}

umask 077
mkdir -p "$folder"
chmod 0700 "$folder"
sed -n 's|^  [a-z_]*: {file: \./secrets/\(.*\)}$|\1|p' docker-compose.yml | while read -r name; do
  if [ -s "$folder/$name" ]; then
    echo "$folder/$name is there"
    continue
  fi
  # Hexadecimal: no character that YAML, a shell, a URL or Grafana's expansion would read.
  od -An -tx1 -N32 /dev/urandom | tr -d ' \n' >"$folder/$name"
  chmod 0444 "$folder/$name"
  echo "$folder/$name made"
done
