# SPDX-License-Identifier: Apache-2.0
"""The command line: thin, calls the other rooms."""
