# SPDX-License-Identifier: Apache-2.0
"""What lies in the static folder: size, vendored files, names, no way out."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from ffe_otel import semconv
from ffe_otel.observe.viewer import CONTENT_SECURITY_POLICY, STATIC_DIR

VENDOR = STATIC_DIR / "vendor"
OWN = sorted(
    f
    for f in STATIC_DIR.rglob("*")
    if f.suffix in {".js", ".css", ".html"} and VENDOR not in f.parents
)


def test_all_static_files_stay_under_300_kilobytes() -> None:
    sizes = {f: f.stat().st_size for f in STATIC_DIR.rglob("*") if f.is_file()}
    assert sum(sizes.values()) < 300_000, sizes


def test_vendored_files_are_those_of_their_packages() -> None:
    packages = json.loads((VENDOR / "vendor.json").read_text())["packages"]
    listed = {name: digest for p in packages for name, digest in p["files"].items()}
    found = {
        str(f.relative_to(VENDOR)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in VENDOR.rglob("*")
        if f.is_file() and f.name != "vendor.json"
    }
    assert found == listed


def test_vendored_packages_name_version_source_and_licence() -> None:
    for package in json.loads((VENDOR / "vendor.json").read_text())["packages"]:
        assert package["version"] in package["source"]
        folders = {name.split("/")[0] for name in package["files"]}
        assert len(folders) == 1
        text = (VENDOR / folders.pop() / "LICENSE").read_text()
        assert {"BSD-3-Clause": "Redistribution and use", "MIT": "MIT License"}[
            package["license"]
        ] in text


@pytest.mark.parametrize("file", OWN, ids=lambda f: str(f.relative_to(STATIC_DIR)))
def test_own_files_are_small_local_and_free_of_markup_from_data(file) -> None:
    text = file.read_text()
    assert "SPDX-License-Identifier: Apache-2.0" in text[:200]
    assert len(text.splitlines()) < 300
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|unsafeHTML", text
    )
    addresses = re.findall(r"""["'(](https?://[^"')]*|//[^"'\s)]+)""", text)
    assert addresses == []


def test_page_needs_no_inline_script_or_style() -> None:
    text = (STATIC_DIR / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    assert "'unsafe" not in CONTENT_SECURITY_POLICY


def test_every_file_the_page_links_is_there() -> None:
    links = re.findall(r'(?:href|src)="([^"]+)"', (STATIC_DIR / "index.html").read_text())
    assert links
    assert [
        link for link in links if not (STATIC_DIR / link.removeprefix("static/")).is_file()
    ] == []


def _block(text: str, name: str) -> list[str]:
    body = re.search(rf"export const {name} = [\[{{](.*?)[\]}}];", text, re.DOTALL)
    assert body
    return re.findall(r'"([^"]+)"', body[1])


def test_names_the_page_looks_for_are_the_names_on_the_wire() -> None:
    text = (STATIC_DIR / "core" / "names.js").read_text()
    constants = {v for v in vars(semconv).values() if isinstance(v, str)}
    assert set(_block(text, "ATTRIBUTE")) <= constants
    assert set(_block(text, "SPAN")) <= constants
    assert set(_block(text, "METRIC")) <= semconv.METRIC_NAMES
    assert tuple(_block(text, "PHASES")) == semconv.PHASES
    assert f'STATE_EVENT = "{semconv.EVENT_AGENT_STATE}"' in text
    states = dict(re.findall(r"(\d): \"(\w+)\"", text))
    assert states == {
        str(n): name.lower()
        for name, n in semconv.AGENT_STATES.items()
        if name.lower() in semconv.PHASES
    }


def test_every_module_is_preloaded() -> None:
    text = (STATIC_DIR / "index.html").read_text()
    preloaded = set(re.findall(r'rel="modulepreload" href="static/([^"]+)"', text))
    modules = {str(f.relative_to(STATIC_DIR)) for f in STATIC_DIR.rglob("*.js")}
    assert preloaded == modules - {"app.js", "vendor/uplot/uPlot.iife.min.js"}
