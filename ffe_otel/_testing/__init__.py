# SPDX-License-Identifier: Apache-2.0
"""What stands behind the fixtures of `ffe_otel.testing`."""
