#!/usr/bin/env bash
# Prints the path of a docker-compose binary, building it the first time.
#
# `docker-compose config` reads a compose file the way `docker compose` will, and needs no daemon,
# so a machine without Docker can tell whether ours is right. It is Docker's own program, built
# from the Go module proxy: two minutes once, nothing after. It lies outside the checkout because a
# fresh clone must not pay again, and under a key, so that another version does not meet this one.
set -euo pipefail

version=v2.40.3
module="module compose_validator

go 1.24

require github.com/docker/compose/v2 $version"

key=$(printf '%s\n%s' "$module" "$(go version)" | sha256sum | cut -c 1-12)
place="${XDG_CACHE_HOME:-$HOME/.cache}/ffe_otel/compose-$version-$key"
binary="$place/docker-compose"

if [ ! -x "$binary" ]; then
  mkdir -p "$place"
  # Two test runs may come here at once; the second waits and finds the binary.
  exec 9>"$place/lock"
  flock 9
  if [ ! -x "$binary" ]; then
    printf '%s\n' "$module" >"$place/go.mod"
    # -mod=mod: the sums of 200 modules are resolved (and checked) here and not kept in our tree.
    (cd "$place" && GOFLAGS='-mod=mod -buildvcs=false' CGO_ENABLED=0 GOWORK=off \
      nice -n 10 go build -trimpath -ldflags '-s -w' -o docker-compose.new \
      github.com/docker/compose/v2/cmd) >"$place/build.log" 2>&1 || {
      tail -20 "$place/build.log" >&2
      echo "could not build docker-compose $version; the whole output is in $place/build.log" >&2
      exit 1
    }
    mv "$place/docker-compose.new" "$binary"
  fi
fi
printf '%s\n' "$binary"
