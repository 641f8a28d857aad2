#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Collector of builder.yaml, unless that was done before, and prints its path.
#
# The result goes to a cache folder named after the manifest's content, outside of the checkout:
# the build takes minutes and gigabytes, and clones of the repository share it. COLLECTOR_CACHE
# names another folder.
set -eu

manifest=$(cd "$(dirname "$0")" && pwd)/builder.yaml
version=$(sed -n 's/^  version: *//p' "$manifest")
hash=$(cksum <"$manifest" | tr ' ' '-')
if command -v sha256sum >/dev/null; then
  hash=$(sha256sum <"$manifest" | cut -c1-16)
fi
cache=${COLLECTOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ffe_otel/collector-$hash}
binary=$cache/ffe-otelcol

if [ -x "$binary" ]; then
  echo "$binary"
  exit
fi
if ! command -v go >/dev/null; then
  cat >&2 <<END
collector/build.sh: no Go toolchain on PATH, and the Collector has not been built on this machine.
Install Go 1.25 or newer, or use the image otel/opentelemetry-collector-contrib:$version instead:
collector/config.yaml runs on both.
END
  exit 1
fi

mkdir -p "$cache"
# Two builds at once would only be slower; the second one finds the binary of the first.
exec 9>"$cache/lock"
command -v flock >/dev/null && flock 9
if [ ! -x "$binary" ]; then
  echo "building the Collector $version: some 10 minutes of processor time, once" >&2
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  if ! (
    cd "$work"
    GOBIN=$work/bin go install "go.opentelemetry.io/collector/cmd/builder@v$version"
    CGO_ENABLED=0 bin/builder --config "$manifest"
  ) >"$cache/build.log" 2>&1; then
    tail -n 20 "$cache/build.log" >&2
    echo "collector/build.sh: the build failed; the whole log is $cache/build.log" >&2
    exit 1
  fi
  # In one step, so that nobody finds half a binary.
  mv "$work/build/ffe-otelcol" "$binary"
fi
echo "$binary"
