# SPDX-License-Identifier: Apache-2.0
"""What was exported and is not delivered yet: files on disk, and senders that empty them."""

from ffe_otel.export.spool.outbox import Outbox
from ffe_otel.export.spool.sender import Desk

__all__ = ["Desk", "Outbox"]
