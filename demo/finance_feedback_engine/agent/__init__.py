# SPDX-License-Identifier: Apache-2.0
"""The trading loop and what it decides with."""
