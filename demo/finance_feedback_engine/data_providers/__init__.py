# SPDX-License-Identifier: Apache-2.0
"""Where prices and news come from."""
