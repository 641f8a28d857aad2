# SPDX-License-Identifier: Apache-2.0
"""What the manual API measures: one file a part of the OODA loop."""
