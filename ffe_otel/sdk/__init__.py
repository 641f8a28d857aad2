# SPDX-License-Identifier: Apache-2.0
"""What knows the private parts of OpenTelemetry's SDK, checks them, and does without."""
