# SPDX-License-Identifier: Apache-2.0
"""The agent behind a small web interface."""
