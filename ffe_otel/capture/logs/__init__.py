# SPDX-License-Identifier: Apache-2.0
"""Log capture: every record of the process once, as JSON line, console line and over OTLP."""

from ffe_otel.capture.logs.capture import LogCapture, install_log_capture
from ffe_otel.capture.logs.formatter import CorrelationIDFilter, JSONFormatter

__all__ = ["CorrelationIDFilter", "JSONFormatter", "LogCapture", "install_log_capture"]
