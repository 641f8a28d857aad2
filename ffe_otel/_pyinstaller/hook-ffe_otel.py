# SPDX-License-Identifier: Apache-2.0
"""What PyInstaller does not see in ffe_otel: its data, and what is found by name only."""

from PyInstaller.utils.hooks import (
    collect_data_files,
    collect_entry_point,
    collect_submodules,
    copy_metadata,
)

_IN_THE_ENGINE = ("capture", "config", "correlation", "export", "foundation", "redaction")
_GROUPS = (
    "ffe_otel.redaction_rules",
    "opentelemetry_configurator",
    "opentelemetry_context",
    "opentelemetry_distro",
    "opentelemetry_id_generator",
    "opentelemetry_instrumentor",
    "opentelemetry_logger_provider",
    "opentelemetry_logs_exporter",
    "opentelemetry_meter_provider",
    "opentelemetry_metrics_exporter",
    "opentelemetry_propagator",
    "opentelemetry_resource_detector",
    "opentelemetry_sampler",
    "opentelemetry_tracer_provider",
    "opentelemetry_traces_exporter",
    "opentelemetry_traces_sampler",
)

datas = collect_data_files("ffe_otel") + copy_metadata("ffe-otel", recursive=True)
hiddenimports: list[str] = []
for _room in _IN_THE_ENGINE:
    hiddenimports += collect_submodules(f"ffe_otel.{_room}")
for _group in _GROUPS:
    _datas, _modules = collect_entry_point(_group)
    datas += _datas
    hiddenimports += _modules
