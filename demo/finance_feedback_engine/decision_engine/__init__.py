# SPDX-License-Identifier: Apache-2.0
"""From market data to a decision, by way of language models."""
