#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Puts the jars of Apache Kafka into a cache folder, unless they are there, and prints its path.
set -eu

pom=$(cd "$(dirname "$0")" && pwd)/pom.xml
hash=$(cksum <"$pom" | tr ' ' '-')
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ffe_otel/kafka-$hash

if [ ! -f "$cache/complete" ]; then
  for tool in java mvn; do
    if ! command -v "$tool" >/dev/null; then
      echo "$0: no $tool on PATH; install a JDK of version 17 or newer, and Maven" >&2
      exit 1
    fi
  done
  mkdir -p "$cache"
  # In a folder of its own: Maven writes beside the pom.
  cp "$pom" "$cache/pom.xml"
  mvn --quiet --batch-mode -f "$cache/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$cache/lib" >&2
  touch "$cache/complete"
fi
echo "$cache"
