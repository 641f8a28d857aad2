# SPDX-License-Identifier: Apache-2.0
"""What runs beside the engine: OTLP in, an embedded store, an API and a page."""
