# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's packages with other private parts, for processes of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

_COPIED = ("sdk", "exporter", "context")
ENGINE = Path(__file__).with_name("engine.py")


class Altered:
    """A copy of the packages in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _COPIED:
            spec = util.find_spec(f"opentelemetry.{name}")
            assert spec is not None
            for found in spec.submodule_search_locations or ():
                shutil.copytree(
                    found,
                    folder / "opentelemetry" / name,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("__pycache__"),
                )

    def rename(self, *names: str) -> None:
        """Give private names other ones, wherever they are used."""
        # Modules of the same name stay.
        imports = r"^(?:from|import) .*$"
        pattern = re.compile(rf"{imports}|\b({'|'.join(map(re.escape, names))})\b", re.MULTILINE)
        for file, text in self._files():
            changed = pattern.sub(lambda m: f"{m[1]}_renamed" if m[1] else m[0], text)
            if changed != text:
                file.write_text(changed)

    def change(self, part: str, old: str, new: str) -> None:
        """Change what the file whose path ends in ``part`` says."""
        changed = 0
        for file, text in self._files():
            if file.as_posix().endswith(part) and old in text:
                file.write_text(text.replace(old, new))
                changed += 1
        assert changed, f"{old!r} is not in {part}"

    def run(self, what: str = "ours") -> dict[str, Any]:
        """What an engine in a process of its own sees with these packages."""
        done = subprocess.run(
            [sys.executable, str(ENGINE), what],
            env=os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        return {**seen, "stderr": done.stderr}

    def _files(self) -> list[tuple[Path, str]]:
        return [(file, file.read_text()) for file in self.folder.rglob("*.py")]
