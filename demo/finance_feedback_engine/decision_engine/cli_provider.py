# SPDX-License-Identifier: Apache-2.0
"""A model behind a command: the prompt goes to its standard input, a decision comes back."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

from .local_llm_provider import fallback_decision, parse_decision

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


async def query_cli(prompt: str, arguments: Sequence[str], timeout_s: float) -> dict[str, Any]:
    """Run the command once and return its decision, with ``model_name`` and ``usage``.

    Args:
        prompt: Written to the command's standard input.
        arguments: Given to the command.
        timeout_s: Seconds after which the command is killed.

    Raises:
        RuntimeError: The command failed.
        TimeoutError: The command took too long.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "finance_feedback_engine.llm_cli",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(prompt.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(
            f"CLI provider failed with exit code {process.returncode}: {err.decode().strip()}"
        )
    text = out.decode()
    decision = parse_decision(text)
    if decision is None:
        logger.warning("CLI response is not a decision: %r", text[:200])
        return fallback_decision("Malformed answer.", "MALFORMED_PROVIDER_RESPONSE")
    answer = json.loads(text)
    return {**decision, "model_name": answer.get("model"), "usage": answer.get("usage", {})}
