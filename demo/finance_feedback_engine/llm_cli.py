# SPDX-License-Identifier: Apache-2.0
"""A command that decides: a prompt on standard input, one JSON object on standard output."""

from __future__ import annotations

import argparse
import json
import sys
import time

from finance_feedback_engine.simulation import rules

MODEL = "demo-cli-1"
_CHARACTERS_PER_TOKEN = 4


def main(argv: list[str] | None = None) -> int:
    """Answer one prompt; 1 when asked to fail."""
    parser = argparse.ArgumentParser(prog="python -m finance_feedback_engine.llm_cli")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to think")
    parser.add_argument("--prose", action="store_true", help="answer in prose instead of JSON")
    parser.add_argument("--fail", action="store_true", help="fail with exit code 1")
    options = parser.parse_args(argv)
    prompt = sys.stdin.read()
    time.sleep(options.latency)
    if options.fail:
        print("the model could not be reached", file=sys.stderr)
        return 1
    if options.prose:
        print("Buy low, sell high.")
        return 0
    answer = rules.decide(rules.read_prompt(prompt), MODEL, options.seed)
    text = json.dumps(answer)
    answer["model"] = MODEL
    answer["usage"] = {
        "input_tokens": len(prompt) // _CHARACTERS_PER_TOKEN,
        "output_tokens": len(text) // _CHARACTERS_PER_TOKEN,
    }
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
