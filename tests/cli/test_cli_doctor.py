# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel doctor`: what it looks at, and that it says so loudly when it matters."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from loopback import Endpoint, Reply, free_ports

from ffe_otel.cli.doctor import installation, places, selection, trial
from ffe_otel.cli.doctor.hooks import hooks
from ffe_otel.cli.doctor.machine import clock
from ffe_otel.cli.doctor.pipeline import collector
from ffe_otel.cli.doctor.rules import rules
from ffe_otel.cli.extras import Requirement
from ffe_otel.config import load_config
from ffe_otel.export.spool import segment


def config(**keys):
    return load_config(overrides={name.replace("__", "."): value for name, value in keys.items()})


def by_name(checks):
    return {check.name: check for check in checks}


def spooled(state, url, size):
    """Put a request of about so many bytes into a spool; the folder of its endpoint."""
    folder = state / "spool/traces-0"
    (folder / "1-1-a").mkdir(parents=True)
    (folder / "endpoint").write_text(f"{url}\n")
    descriptor = segment.create(folder / "1-1-a/000001000001.spool", 1)
    segment.append(
        descriptor, segment.HEADER_SIZE, b"x" * (size - segment.OVERHEAD), 1, time.time_ns()
    )
    descriptor.close()
    return folder


class TestSelection:
    """Which distribution wins decides whether anything is redacted."""

    @pytest.fixture
    def installed(self, monkeypatch):
        def _installed(*names: str) -> None:
            def points(*, group: str):
                return [EntryPoint(name, f"{name}.module:Class", group) for name in names]

            monkeypatch.setattr(selection, "entry_points", points)

        return _installed

    def test_ours_alone(self, installed):
        installed("ffe_otel")

        found = by_name(selection.selection({}))

        assert {found[name].state for name in ("distro", "configurator", "instrumentor")} == {"ok"}

    @pytest.mark.parametrize("order", [("distro", "ffe_otel"), ("ffe_otel", "distro")])
    def test_another_one_beside_ours_is_wrong_whichever_comes_first(self, installed, order):
        installed(*order)

        found = by_name(selection.selection({}))

        assert found["distro"].state == found["configurator"].state == "fail"
        assert "OTEL_PYTHON_DISTRO=ffe_otel" in found["distro"].remedy
        assert "OTEL_PYTHON_CONFIGURATOR=ffe_otel" in found["distro"].remedy

    def test_both_variables_make_it_right_and_one_alone_does_not(self, installed):
        installed("distro", "ffe_otel")
        one = {"OTEL_PYTHON_DISTRO": "ffe_otel"}

        assert by_name(selection.selection(one))["distro"].state == "ok"
        assert by_name(selection.selection(one))["configurator"].state == "fail"
        both = {**one, "OTEL_PYTHON_CONFIGURATOR": "ffe_otel"}
        assert by_name(selection.selection(both))["configurator"].state == "ok"

    def test_a_chosen_one_that_is_not_there(self, installed):
        installed("ffe_otel")

        found = by_name(selection.selection({"OTEL_PYTHON_DISTRO": "gone"}))

        assert found["distro"].state == "fail"
        assert "OTEL_PYTHON_DISTRO=gone names none of" in found["distro"].detail

    @pytest.mark.parametrize("value", ["ffe_otel", "requests, ffe_otel", "*"])
    def test_hooks_that_are_switched_off(self, installed, value):
        installed("ffe_otel")
        environ = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": value}

        assert by_name(selection.selection(environ))["instrumentor"].state == "fail"

    def test_switches(self, installed, tmp_path):
        installed("ffe_otel")
        environ = {
            "OTEL_SDK_DISABLED": "TRUE",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_CONFIG_FILE": str(tmp_path / "gone.yaml"),
        }

        found = by_name(selection.selection(environ))

        assert found["OTEL_SDK_DISABLED"].state == "warn"
        assert found["OTEL_TRACES_EXPORTER"].state == "warn"
        assert found["OTEL_CONFIG_FILE"].state == "fail"


class TestTrial:
    """A program is really started."""

    def test_it_is_captured(self, home):
        found = trial.trial(os.environ)

        assert (found.state, found.detail) == (
            "ok",
            "a Python program is captured by ffe_otel.sdk.provider.FfeTracerProvider",
        )

    def test_it_is_not(self, home):
        found = trial.trial({**os.environ, "OTEL_PYTHON_CONFIGURATOR": "nobody"})

        assert found.state == "fail"
        assert "not captured" in found.detail
        assert "ffe-otel run" in found.remedy


class TestPackages:
    """Versions against the ranges of the package's own metadata."""

    @pytest.mark.parametrize(
        ("installed", "wanted", "fits"),
        [
            ("1.45.1", ">=1.44,<2", True),
            ("1.43.9", ">=1.44,<2", False),
            ("2.0.0", ">=1.44,<2", False),
            ("0.66b1", ">=0.65b0,<1", True),
            ("3", ">=1.17,<3", False),
            ("1.17", ">=1.17.0,<3", True),
            ("5", "", True),
        ],
    )
    def test_ranges(self, installed, wanted, fits):
        assert Requirement("x", wanted, "", installed).fits is fits

    def test_what_is_missing_or_too_old(self, monkeypatch):
        needs = [
            Requirement("opentelemetry-sdk", ">=1.44,<2", "", "1.30"),
            Requirement("wrapt", ">=1.17,<3", "", ""),
            Requirement("click", ">=8", "", "8.2"),
            Requirement("duckdb", ">=1", "serve", ""),
            Requirement("starlette", ">=1", "serve", "1.1"),
            Requirement("grpcio", ">=1", "grpc", ""),
        ]
        monkeypatch.setattr(installation, "requirements", lambda: needs)

        found = by_name(installation.installation())

        assert found["opentelemetry-sdk"].state == found["wrapt"].state == "fail"
        assert found["opentelemetry-sdk"].remedy == "pip install 'opentelemetry-sdk>=1.44,<2'"
        assert found["packages"].detail.startswith("1 of 3 fit")
        assert (found["[serve]"].state, found["[grpc]"].state) == ("warn", "unknown")
        assert found["[serve]"].remedy == "pip install 'ffe-otel[serve]'"

    def test_this_environment_is_complete(self):
        found = by_name(installation.installation())

        assert {found[name].state for name in ("python", "ffe-otel", "packages", "[serve]")} == {
            "ok"
        }


class TestPlaces:
    """Endpoints, ports and folders."""

    def test_nothing_listens(self, home):
        loaded = config(telemetry__otlp_endpoint="http://127.0.0.1:1")

        found = by_name(places.places(loaded.config))

        assert found["OTLP"].state == "warn"
        assert "http://127.0.0.1:1/v1/traces cannot be reached" in found["OTLP"].detail
        assert found["serve"].state == "unknown"

    def test_an_endpoint_that_takes_traces(self, home, fake_serve):
        loaded = config(telemetry__otlp_endpoint=fake_serve.page)

        found = by_name(places.places(loaded.config))

        assert found["OTLP"].state == "ok"
        assert (found["serve"].state, found["serve"].detail) == (
            "ok",
            f"{fake_serve.page}, process {os.getpid()}",
        )

    def test_a_metrics_port_that_somebody_has(self, home):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]

            check = by_name(places.places(config(metrics__prometheus__port=port).config))[
                "metrics page"
            ]

        assert check.state == "warn"
        assert f"127.0.0.1:{port}: Address already in use" in check.detail
        assert f"by process {os.getpid()}" in check.detail

    def test_a_state_folder_others_can_read(self, home):
        folder = home / "state" / "ffe_otel"
        folder.mkdir(parents=True, mode=0o755)
        folder.chmod(0o755)

        check = by_name(places.places(config().config))["state folder"]

        assert (check.state, check.remedy) == ("warn", f"chmod 700 {folder}")
        folder.chmod(0o700)
        assert by_name(places.places(config().config))["state folder"].state == "ok"

    def test_a_state_folder_that_cannot_be_made(self, home):
        (home / "file").touch()

        check = by_name(places.places(config(state_dir=str(home / "file" / "x")).config))[
            "state folder"
        ]

        assert check.state == "fail"
        assert "is not writable" in check.detail

    def test_a_spool_that_is_not_there_yet(self, home):
        check = by_name(places.places(config().config))["spool"]

        assert check.state == "ok"
        assert "0 B wait" in check.detail

    def test_a_spool_with_something_in_it(self, home):
        loaded = config().config
        url = f"{loaded.telemetry.otlp_endpoint}/v1/traces"
        folder = spooled(Path(loaded.state_dir), url, 5000)
        assert by_name(places.places(loaded))["spool"].state == "ok"
        assert "5.0 kB wait" in by_name(places.places(loaded))["spool"].detail
        (folder / "quarantine").mkdir()
        (folder / "quarantine/1.spool").touch()

        check = by_name(places.places(loaded))["spool"]

        assert check.state == "warn"
        assert "1 refused requests" in check.detail

    def test_a_spool_that_nobody_empties_any_more(self, home):
        loaded = config().config
        spooled(Path(loaded.state_dir), "http://gone.example/v1/traces", 100)

        check = by_name(places.places(loaded))["spool"]

        assert check.state == "warn"
        assert "http://gone.example/v1/traces" in check.detail

    def test_no_spool(self, home):
        check = by_name(places.places(config(spool__enabled=False).config))["spool"]

        assert check.state == "warn"

    def test_a_full_disk(self, home, monkeypatch):
        usage = type("Usage", (), {"free": 10_000_000})
        monkeypatch.setattr(places.shutil, "disk_usage", lambda _: usage)

        assert by_name(places.places(config().config))["disk"].state == "fail"


class TestClock:
    """The wall clock against the monotonic one."""

    def test_of_this_machine(self):
        assert clock().state == "ok"

    def test_that_jumps(self):
        times = iter([1.8e9, 1.8e9 + 3600])

        found = clock(wall=lambda: next(times))

        assert found.state == "warn"
        assert "drift +3599" in found.detail

    def test_that_was_never_set(self):
        assert clock(wall=lambda: 1000.0).state == "fail"


class TestHooks:
    """Targets in a package that looks like the engine."""

    @pytest.fixture
    def engine(self, tmp_path, monkeypatch):
        """A package with one target of two, that must not be imported."""
        from ffe_otel.capture.hooking import Hook
        from ffe_otel.cli.doctor import hooks as module

        package = tmp_path / "someengine"
        package.mkdir()
        (package / "__init__.py").write_text("print('imported')\nfrom json import JSONDecoder\n")
        (package / "core.py").write_text("class Engine:\n    async def run(self): ...\n")
        monkeypatch.syspath_prepend(tmp_path)

        def hook(name, module, target, **options):
            return Hook(name, module, target, lambda call: iter(()), **options)

        wanted = (
            hook("run", "someengine.core", "Engine.run"),
            hook("stop", "someengine.core", "Engine.stop"),
            hook("old", "someengine.old", "Gone.method", optional=True),
            hook("decode", "someengine", "JSONDecoder.decode"),
            hook("away", "no_such_package.x", "f"),
        )
        monkeypatch.setattr(module, "all_hooks", lambda: wanted)
        yield
        for name in [name for name in sys.modules if name.startswith("someengine")]:
            del sys.modules[name]

    def test_without_importing(self, engine, capsys):
        found = by_name(hooks(really_import=False))

        assert found["hooks on someengine"].detail == "2 of 4 found in its source"
        assert found["hook stop"].state == "warn"
        assert "someengine.core:Engine.stop is not in the source" in found["hook stop"].detail
        assert "hook old" not in found
        assert found["hooks on no_such_package"].state == "unknown"
        assert "someengine" not in sys.modules
        assert capsys.readouterr().out == ""

    def test_by_importing(self, engine, capsys):
        found = by_name(hooks(really_import=True))

        assert found["hooks on someengine"].detail == "2 of 4 patched"
        assert found["hook stop"].detail == "someengine.core:Engine.stop is missing"
        assert "import" not in found
        assert capsys.readouterr().out == ""
        import someengine.core

        assert "_Hooked" not in type(someengine.core.Engine.run).__name__

    def test_an_engine_that_cannot_be_imported(self, engine, tmp_path):
        (tmp_path / "someengine" / "core.py").write_text("raise SystemExit('no config')")

        found = by_name(hooks(really_import=True))

        assert found["import"].detail == "someengine.core: SystemExit: no config"


class TestRules:
    def test_what_is_in_force(self):
        (check,) = rules(config(redaction__enabled_rules=["client-ip"]).config)
        assert check.state == "ok"
        assert check.detail.endswith(" rules, with client-ip")

    def test_what_cannot_be_used(self):
        (check,) = rules(config(redaction__classes=["x"]).config)
        assert check.state == "fail"
        assert "redaction.classes: nothing is called x" in check.detail

    def test_plugins(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        good = "from ffe_otel.redaction import Contribution\nrules = Contribution('rules: []')"
        for name, source in (("desk_good", good), ("desk_bad", "1 / 0")):
            (tmp_path / f"{name}.py").write_text(source)
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(
                f"[ffe_otel.redaction_rules]\n{name} = {name}:rules\n"
            )
        _, good_check, bad_check = rules(config().config)
        assert (good_check.state, good_check.detail) == ("ok", "desk_good (desk_good)")
        assert bad_check.state == "fail"
        assert bad_check.detail == "desk_bad (desk_bad): ZeroDivisionError: division by zero"


class TestCommand:
    """Output and exit code of the whole."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch):
        from ffe_otel.cli.doctor import examine
        from ffe_otel.cli.doctor.check import Check

        monkeypatch.setattr(examine, "trial", lambda _: Check("trial start", "ok", "fine"))

    def test_all_well(self, cli):
        result = cli("doctor")

        assert result.exit_code == 0
        for section in ("installation", "what OpenTelemetry loads", "surroundings", "hooks"):
            assert section in result.output.splitlines()
        assert "wrong" not in result.output.splitlines()[-1]

    def test_a_wrong_configuration_does_not_stop_the_rest(self, cli, home):
        (home / "work" / "ffe_otel.yaml").write_text("logging: {levle: x}\nserve: {port: x}\n")

        result = cli("doctor", "--json")

        assert result.exit_code == 1
        found = json.loads(result.output)
        assert found["ok"] is False
        wrong = [check["detail"] for check in found["checks"] if check["state"] == "fail"]
        assert len(wrong) == 2
        assert "ffe_otel.yaml:1: logging.levle: unknown key" in wrong[0]
        assert {check["section"] for check in found["checks"]} >= {"surroundings", "hooks"}


class TestCollector:
    """Its own metrics; tests/stack asks a real one."""

    @staticmethod
    def ask(*pages):
        """The checks where the Collector shows these pages, one after the other."""
        left = list(pages)

        def reply(_):
            return Reply(200, (left.pop(0) if len(left) > 1 else left[0]).encode())

        with Endpoint(reply) as endpoint:
            environ = {"FFE_COLLECTOR_SELF_PORT": str(endpoint.port)}
            return list(collector(environ, window=0.0))

    @staticmethod
    def page(exporter="otlp_grpc/tempo", waiting=0, sent=5, failed=0, refused=0):
        label = f'exporter="{exporter}"'
        return (
            f"otelcol_exporter_queue_size{{{label}}} {waiting}\n"
            f"otelcol_exporter_queue_capacity{{{label}}} 1000000\n"
            f"otelcol_exporter_sent_spans_total{{{label}}} {sent}\n"
            f"otelcol_exporter_send_failed_spans_total{{{label}}} {failed}\n"
            f"otelcol_exporter_enqueue_failed_spans_total{{{label}}} {refused}\n"
        )

    def test_none_is_worth_knowing_only(self):
        environ = {"FFE_COLLECTOR_SELF_PORT": str(free_ports(1)[0])}
        (check,) = collector(environ)
        assert (check.name, check.state) == ("Collector", "unknown")

    def test_all_is_well(self):
        (check,) = self.ask(self.page())
        assert (check.name, check.state) == ("Collector", "ok")

    def test_a_queue_that_moves_is_well(self):
        (check,) = self.ask(self.page(waiting=9, sent=5), self.page(waiting=9, sent=6))
        assert check.state == "ok"

    def test_a_queue_that_stands_names_its_backend(self):
        (check,) = self.ask(self.page(waiting=250_000))
        assert (check.name, check.state) == ("Collector, otlp_grpc/tempo", "warn")
        assert check.detail == "250.0 kB wait, its queue is 25.0% full, and nothing leaves it"
        assert "bring Tempo at FFE_TEMPO_OTLP back" in check.remedy

    def test_a_full_queue_says_who_has_the_rest(self):
        (check,) = self.ask(self.page("my/exporter", waiting=1_000_000, refused=7))
        assert "some was refused for want of room, and senders keep that" in check.detail
        assert "bring its backend back" in check.remedy

    def test_what_is_refused_for_good_is_told(self):
        (check,) = self.ask(self.page(failed=3))
        assert check.state == "warn"
        assert "3 records were refused for good" in check.detail
