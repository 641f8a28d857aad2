# SPDX-License-Identifier: Apache-2.0
"""``python -m ffe_otel.cli``, for places where the script is not on the path."""

from ffe_otel.cli.main import main

main(prog_name="ffe-otel")
