# SPDX-License-Identifier: Apache-2.0
"""Loopback stand-ins for the outside world: prices, news, language models."""
