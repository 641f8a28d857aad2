# SPDX-License-Identifier: Apache-2.0
"""OTLP requests in, journal rows out."""

from ffe_otel.observe.decode.batch import Batch, Decoder, Known
from ffe_otel.observe.decode.envelope import MalformedError, Signal, parse, response, to_json

__all__ = ["Batch", "Decoder", "Known", "MalformedError", "Signal", "parse", "response", "to_json"]
