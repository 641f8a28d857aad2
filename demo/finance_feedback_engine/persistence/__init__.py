# SPDX-License-Identifier: Apache-2.0
"""What outlives one cycle."""
