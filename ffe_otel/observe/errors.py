# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with the backend as a whole."""

from __future__ import annotations


class ServeError(OSError):
    """The backend cannot start, or cannot go on; the text says why and what to do."""


class FullError(OSError):
    """Data cannot be taken now; the sender should try again later."""


class CorruptStoreError(Exception):
    """The store file is damaged."""


class ForeignStoreError(Exception):
    """The store file is well, but of a version that this program cannot use."""
