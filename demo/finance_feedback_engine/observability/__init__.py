# SPDX-License-Identifier: Apache-2.0
"""The engine's own OpenTelemetry spans and instruments."""
