# SPDX-License-Identifier: Apache-2.0
"""The way out: redaction in front of every exporter, OTLP, the page for Prometheus."""
