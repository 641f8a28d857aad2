# SPDX-License-Identifier: Apache-2.0
"""What may stop a trade."""
