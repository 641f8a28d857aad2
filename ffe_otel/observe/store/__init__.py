# SPDX-License-Identifier: Apache-2.0
"""The columnar store: a DuckDB file, its loader, its queries and its retention."""
