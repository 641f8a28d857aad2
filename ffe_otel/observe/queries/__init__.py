# SPDX-License-Identifier: Apache-2.0
"""What the API asks the store."""
