# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel doctor``: what is installed, what would really run, and what stands in the way."""

from ffe_otel.cli.doctor.examine import command

__all__ = ["command"]
