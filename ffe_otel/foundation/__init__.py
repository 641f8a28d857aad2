# SPDX-License-Identifier: Apache-2.0
"""Leaves that any room may use; they import nothing of this project."""
