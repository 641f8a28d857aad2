# SPDX-License-Identifier: Apache-2.0
"""Retries, limits, breakers and checks shared by all parts."""
