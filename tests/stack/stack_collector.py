# SPDX-License-Identifier: Apache-2.0
"""The real Collector with the configuration of this repository."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from loopback import free_ports
from stack_server import ROOT, Server, get

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CONFIGS = ROOT / "collector"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0"
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*?)\})? (\S+)", re.MULTILINE)


class Collector(Server):
    """A Collector on free ports; its state is in ``folder`` and survives a restart."""

    def __init__(
        self,
        binary: str,
        folder: Path,
        overlays: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        grpc, http, page, own, health = free_ports(5)
        self.state = folder / "state"
        self.otlp_http = f"http://127.0.0.1:{http}"
        self.otlp_grpc = f"127.0.0.1:{grpc}"
        self.page = f"http://127.0.0.1:{page}/metrics"
        self.own_page = f"http://127.0.0.1:{own}/metrics"
        self.health = f"http://127.0.0.1:{health}"
        settings = {
            "FFE_COLLECTOR_STATE": str(self.state),
            "FFE_COLLECTOR_OTLP_GRPC": self.otlp_grpc,
            "FFE_COLLECTOR_OTLP_HTTP": f"127.0.0.1:{http}",
            "FFE_COLLECTOR_METRICS": f"127.0.0.1:{page}",
            "FFE_COLLECTOR_SELF_PORT": str(own),
            "FFE_COLLECTOR_HEALTH": f"127.0.0.1:{health}",
            "FFE_COLLECTOR_RETRY_MAX": "1s",
            # Nobody is there unless a test says so.
            "FFE_SERVE_OTLP": "http://127.0.0.1:9",
            "FFE_TEMPO_OTLP": "127.0.0.1:9",
            **(env or {}),
        }
        configs = [f"--config={CONFIGS / name}.yaml" for name in ("config", *overlays)]
        super().__init__(
            [binary, *configs, *arguments],
            folder / "collector.log",
            env=settings,
            ready=lambda: get(self.health),
        )

    def messages(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        lines = (line for line in self.log().splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]

    def scrape(self, url: str | None = None) -> str:
        """Its page as Prometheus asks for it."""
        return get(url or self.page, {"Accept": OPEN_METRICS}).decode()

    def own_metric(self, name: str, **labels: str) -> float:
        """Sum of a metric about itself over the series with these labels."""
        return sum(
            float(value)
            for found, text, value in _SAMPLE.findall(self.scrape(self.own_page))
            if found == name and all(f'{key}="{want}"' in text for key, want in labels.items())
        )
