#!/bin/sh
# Whether serve answers. `ffe-otel status` ends with 1 when the agent is not well, which is no
# reason to restart serve, and with 2 when no server answers.
code=0
ffe-otel status >/dev/null 2>&1 || code=$?
[ "$code" -le 1 ]
