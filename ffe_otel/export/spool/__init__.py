# SPDX-License-Identifier: Apache-2.0
"""What was exported and is not delivered yet: files on disk, and senders that empty them."""
