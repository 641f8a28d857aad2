# SPDX-License-Identifier: Apache-2.0
"""What is known about positions, trades and errors while the agent runs."""
