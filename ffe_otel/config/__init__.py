# SPDX-License-Identifier: Apache-2.0
"""Configuration: one typed model; defaults < file < environment < argument."""

from ffe_otel.config.loader import LoadedConfig, load_config, load_usable
from ffe_otel.config.model import Config
from ffe_otel.config.problems import ConfigError, Origin, Problem

__all__ = [
    "Config",
    "ConfigError",
    "LoadedConfig",
    "Origin",
    "Problem",
    "load_config",
    "load_usable",
]
