# SPDX-License-Identifier: Apache-2.0
"""The seams of ``finance_feedback_engine``, one file each."""

from ffe_otel.capture.hooks.catalogue import all_hooks

__all__ = ["all_hooks"]
