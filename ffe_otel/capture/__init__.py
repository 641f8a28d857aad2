# SPDX-License-Identifier: Apache-2.0
"""In the engine's process: the manual API, the hooks, logs, and how they are installed."""
