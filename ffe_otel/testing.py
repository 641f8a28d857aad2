# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: telemetry of a test, in memory, behind the real redaction."""
