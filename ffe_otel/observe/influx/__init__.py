# SPDX-License-Identifier: Apache-2.0
"""Event measurements in InfluxDB."""

from ffe_otel.observe.influx.client import InfluxClient, InfluxError
from ffe_otel.observe.influx.points import BadPointError, Point, to_point
from ffe_otel.observe.influx.writer import InfluxWriter

__all__ = ["BadPointError", "InfluxClient", "InfluxError", "InfluxWriter", "Point", "to_point"]
