#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the servers that the tests of the stack start, from Debian's packages, where they are
# missing. None of them is left running: the tests start their own, on free ports.
set -euo pipefail

missing=()
for pair in prometheus:prometheus influxd:influxdb influx:influxdb-client amtool:prometheus-alertmanager \
  redis-server:redis-server busybox:busybox mvn:maven java:default-jre-headless; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "make test-stack: these Debian packages are missing: ${missing[*]}; install them, or run it as root" >&2
  exit 1
fi

# A policy that answers 101 keeps packages from starting their service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
echo "installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
