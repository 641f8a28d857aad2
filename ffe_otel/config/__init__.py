# SPDX-License-Identifier: Apache-2.0
"""Configuration: one typed model; defaults < file < environment < argument."""

from ffe_otel.config.model import Config

__all__ = ["Config"]
