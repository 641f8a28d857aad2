# SPDX-License-Identifier: Apache-2.0
"""A small paper-trading agent: perceive, reason, check the risk, execute, learn."""

__version__ = "0.1.0"
