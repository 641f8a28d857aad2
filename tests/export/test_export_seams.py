# SPDX-License-Identifier: Apache-2.0
"""The seams: taken back by identity, closed for what was there before and for foreign code."""

import gc
import logging

import pytest
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits, LogRecordProcessor
from opentelemetry.sdk._logs._internal import (
    ConcurrentMultiLogRecordProcessor,
    SynchronousMultiLogRecordProcessor,
)
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ffe_otel.export import seams
from ffe_otel.sdk import existing, found
from ffe_otel.sdk.found import Findings

PASSWORD = {"password": "hunter2"}
HIDDEN = {"password": "[redacted:password]"}
PATCHED = {
    BatchSpanProcessor: ("__init__", "shutdown"),
    SimpleSpanProcessor: ("__init__",),
    BatchLogRecordProcessor: ("__init__", "shutdown"),
    SimpleLogRecordProcessor: ("__init__",),
    PeriodicExportingMetricReader: ("__init__", "shutdown"),
    MetricReader: ("_set_collect_callback",),
    TracerProvider: ("__init__", "add_span_processor"),
    SynchronousMultiSpanProcessor: ("add_span_processor",),
    ConcurrentMultiSpanProcessor: ("add_span_processor",),
    LoggerProvider: ("__init__", "add_log_record_processor"),
    SpanLimits: ("__init__",),
    LogRecordLimits: ("__init__",),
    SynchronousMultiLogRecordProcessor: ("add_log_record_processor",),
    ConcurrentMultiLogRecordProcessor: ("add_log_record_processor",),
}


def snapshot():
    return {(c, n): vars(c).get(n) for c, names in PATCHED.items() for n in names}


def span(provider, **attributes):
    with provider.get_tracer("seams").start_as_current_span("s", attributes=attributes or PASSWORD):
        pass


@pytest.fixture
def tracer_provider():
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


@pytest.fixture
def logger_provider():
    provider = LoggerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


class Foreign(SpanProcessor):
    """Keeps what it is shown, at once and later."""

    def __init__(self):
        self.live, self.ended, self.at_start = [], [], []

    def on_start(self, span, parent_context=None):
        self.live.append(span)
        self.at_start.append(dict(span.attributes))
        span.set_attribute("foreign", "was here")

    def on_end(self, span):
        self.ended.append(span)


class MemoryMetricExporter(MetricExporter):
    """Keeps the labels that it is given."""

    def __init__(self):
        super().__init__()
        self.labels = []

    def export(self, metrics_data, timeout_millis=0, **_):
        self.labels += [
            dict(point.attributes)
            for resource in metrics_data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis=0, **_):
        pass

    def force_flush(self, timeout_millis=0):
        return True


class TestUndo:
    def test_gives_every_attribute_back(self, redactor, stats):
        before = snapshot()
        handle = seams.install(redactor, stats, shutdown_seconds=1.0)
        assert all(after is not before[key] for key, after in snapshot().items())
        handle()
        handle()
        assert all(after is before[key] for key, after in snapshot().items())

    def test_leaves_a_later_patch_in_place_and_does_nothing_below_it(
        self, redactor, stats, monkeypatch
    ):
        handle = seams.install(redactor, stats)
        ours = SimpleSpanProcessor.__init__

        def later(self, exporter):
            ours(self, exporter)

        monkeypatch.setattr(SimpleSpanProcessor, "__init__", later)
        handle.undo()
        exporter = InMemorySpanExporter()
        assert SimpleSpanProcessor.__init__ is later
        assert SimpleSpanProcessor(exporter).span_exporter is exporter

    def test_takes_log_filters_away(self, redactor, stats):
        logger = logging.getLogger("opentelemetry.sdk._shared_internal")
        before = list(logger.filters)
        handle = seams.install(redactor, stats)
        assert logger.filters != before
        handle.undo()
        assert logger.filters == before

    def test_gives_existing_objects_back(self, redactor, stats, tracer_provider):
        exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(exporter)
        foreign = Foreign()
        tracer_provider.add_span_processor(processor)
        tracer_provider.add_span_processor(foreign)
        parts = tracer_provider._active_span_processor._span_processors
        handle = seams.install(redactor, stats)
        assert processor.span_exporter is not exporter
        handle.undo()
        assert processor.span_exporter is exporter
        assert tracer_provider._active_span_processor._span_processors is parts


class TestExporters:
    def test_keep_their_class_and_attributes(self, installed):
        exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(exporter)
        assert isinstance(processor.span_exporter, InMemorySpanExporter)
        assert processor.span_exporter.get_finished_spans() == ()

    def test_are_wrapped_once(self, installed, tracer_provider, stats):
        first = SimpleSpanProcessor(InMemorySpanExporter())
        again = SimpleSpanProcessor(first.span_exporter)
        assert again.span_exporter is first.span_exporter

    def test_that_raise_or_fail_are_counted(self, installed, tracer_provider, stats, caplog):
        class Broken(SpanExporter):
            def export(self, spans):
                raise OSError("no route with password=hunter2")

        class Failing(SpanExporter):
            def export(self, spans):
                return SpanExportResult.FAILURE

        class Silent(SpanExporter):
            def export(self, spans):
                return None

        for exporter in (Broken(), Failing(), Silent()):
            tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
        span(tracer_provider)
        span(tracer_provider)
        counts = stats.snapshot()
        assert counts.dropped == {("traces", "export_failed"): 4}
        assert counts.exported == {"traces": 2}
        warnings = [r.getMessage() for r in caplog.records if r.name == "ffe_otel.export"]
        assert len(warnings) == 2
        assert "Broken (OSError: no route with password=[redacted:password])" in warnings[0]

    def test_say_once_when_they_work_again(self, installed, tracer_provider, caplog):
        results = [SpanExportResult.FAILURE] * 3 + [SpanExportResult.SUCCESS] * 2

        class Flaky(SpanExporter):
            def export(self, spans):
                return results.pop(0)

        tracer_provider.add_span_processor(SimpleSpanProcessor(Flaky()))
        caplog.set_level(logging.INFO)
        for _ in range(5):
            span(tracer_provider)
        lines = [r for r in caplog.records if r.name == "ffe_otel.export"]
        assert [r.levelname for r in lines] == ["WARNING", "INFO"]
        assert "3 records were lost" in lines[1].getMessage()


class TestForeignSpanProcessors:
    def test_see_redacted_spans(self, installed, tracer_provider):
        foreign = Foreign()
        tracer_provider.add_span_processor(foreign)
        tracer = tracer_provider.get_tracer("seams")
        with tracer.start_as_current_span("token=abc123def456", attributes=PASSWORD) as live:
            live.set_attribute("api_key", "hunter2")
            kept = foreign.live[0]
            assert kept.name == "token=[redacted:token-value]"
            assert kept.attributes["api_key"] == kept._attributes["api_key"] == "[redacted:api-key]"
            assert "hunter2" not in kept.to_json()
            assert kept._readable_span().attributes["password"] == "[redacted:password]"
            assert kept.get_span_context() == live.get_span_context()
            assert kept.is_recording()
        assert foreign.at_start == [HIDDEN]
        assert dict(foreign.ended[0].attributes) == {
            **HIDDEN,
            "foreign": "was here",
            "api_key": "[redacted:api-key]",
        }

    def test_can_still_change_spans(self, installed, tracer_provider):
        exporter = InMemorySpanExporter()
        tracer_provider.add_span_processor(Foreign())
        tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
        span(tracer_provider)
        (finished,) = exporter.get_finished_spans()
        assert dict(finished.attributes) == {**HIDDEN, "foreign": "was here"}

    def test_subclass_that_skips_init_and_keeps_spans(self, installed, tracer_provider):
        class Skipping(SimpleSpanProcessor):
            def __init__(self):
                self.seen = []

            def on_start(self, span, parent_context=None):
                self.seen.append(span)

            def on_end(self, span):
                self.seen.append(span)

            def shutdown(self):
                pass

        processor = Skipping()
        tracer_provider.add_span_processor(processor)
        span(tracer_provider)
        assert [dict(s.attributes) for s in processor.seen] == [HIDDEN, HIDDEN]

    @pytest.mark.parametrize("multi", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
    def test_in_a_multi_processor(self, installed, multi):
        foreign, parts = Foreign(), multi()
        parts.add_span_processor(foreign)
        provider = TracerProvider(active_span_processor=parts, shutdown_on_exit=False)
        span(provider)
        assert foreign.at_start == [HIDDEN]
        provider.shutdown()

    @pytest.mark.parametrize("changed", [False, True])
    def test_own_multi_processors_are_looked_at(self, installed, changed):
        class Multi(SynchronousMultiSpanProcessor):
            seen = ()

            if changed:

                def on_end(self, span):
                    self.seen += (span,)

        multi, exporter = Multi(), InMemorySpanExporter()
        provider = TracerProvider(active_span_processor=multi, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        span(provider)
        assert (provider._active_span_processor is multi) is not changed
        seen = multi.seen if changed else exporter.get_finished_spans()
        assert [dict(s.attributes) for s in seen] == [HIDDEN]
        provider.shutdown()

    def test_as_the_active_processor(self, installed):
        foreign = Foreign()
        provider = TracerProvider(active_span_processor=foreign, shutdown_on_exit=False)
        span(provider)
        assert foreign.at_start == [HIDDEN]
        provider.shutdown()

    def test_sdk_processors_are_left_as_they_are(self, installed, tracer_provider):
        class Named(BatchSpanProcessor):
            """Changes nothing that spans pass through."""

        processors = [Named(InMemorySpanExporter()), SimpleSpanProcessor(InMemorySpanExporter())]
        for processor in processors:
            tracer_provider.add_span_processor(processor)
        parts = tracer_provider._active_span_processor._span_processors
        assert all(a is b for a, b in zip(parts, processors, strict=True))


class TestForeignLogProcessors:
    class Enriching(LogRecordProcessor):
        def __init__(self):
            self.seen = []

        def on_emit(self, log_record):
            record = log_record.log_record
            self.seen.append((record.body, dict(record.attributes)))
            record.attributes["added"] = "by a processor"
            del record.attributes["unwanted"]
            record.body = f"{record.body}!"

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=30000):
            return True

    def test_see_redacted_records_and_can_change_them(self, installed, logger_provider):
        foreign, exporter = self.Enriching(), InMemoryLogRecordExporter()
        logger_provider.add_log_record_processor(foreign)
        logger_provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        logger_provider.get_logger("seams").emit(
            body="token=abc123def456", attributes={**PASSWORD, "unwanted": 1}
        )
        assert foreign.seen == [("token=[redacted:token-value]", {**HIDDEN, "unwanted": 1})]
        (found,) = exporter.get_finished_logs()
        assert found.log_record.body == "token=[redacted:token-value]!"
        assert dict(found.log_record.attributes) == {**HIDDEN, "added": "by a processor"}

    def test_get_nothing_when_redaction_fails(self, installed, logger_provider, redactor):
        foreign = self.Enriching()
        logger_provider.add_log_record_processor(foreign)
        circle = {}
        circle["self"] = circle
        logger_provider.get_logger("seams").emit(body=circle)
        assert foreign.seen == []
        assert redactor.failures() == {"log": 1}


class TestWhatWasThereBefore:
    def test_processors_and_readers(self, redactor, stats, tracer_provider, logger_provider):
        spans, logs, reader = (
            InMemorySpanExporter(),
            InMemoryLogRecordExporter(),
            InMemoryMetricReader(),
        )
        foreign = Foreign()
        gc.collect()  # or objects of other tests are found
        tracer_provider.add_span_processor(BatchSpanProcessor(spans))
        tracer_provider.add_span_processor(foreign)
        logger_provider.add_log_record_processor(BatchLogRecordProcessor(logs))
        meter_provider = MeterProvider([reader], shutdown_on_exit=False)
        handle = seams.install(redactor, stats)
        try:
            assert handle.unprotected == ()
            span(tracer_provider)
            logger_provider.get_logger("seams").emit(body="x", attributes=PASSWORD)
            meter_provider.get_meter("seams").create_counter("c").add(1, PASSWORD)
            tracer_provider.force_flush()
            logger_provider.force_flush()
            assert dict(spans.get_finished_spans()[0].attributes)["password"] == HIDDEN["password"]
            assert foreign.at_start == [HIDDEN]
            assert dict(logs.get_finished_logs()[0].log_record.attributes) == HIDDEN
            assert "hunter2" not in reader.get_metrics_data().to_json()
        finally:
            handle.undo()
            meter_provider.shutdown()

    def test_that_goes_its_own_way_gets_views(self, redactor, stats, tracer_provider):
        class Own(SimpleSpanProcessor):
            def __init__(self):
                self.seen = []

            def on_end(self, span):
                self.seen.append(dict(span.attributes))

            def shutdown(self):
                pass

        own = Own()
        gc.collect()
        tracer_provider.add_span_processor(own)
        handle = seams.install(redactor, stats)
        span(tracer_provider)
        handle.undo()
        assert own.seen == [HIDDEN]
        assert handle.unprotected == ()

    def test_that_cannot_be_reached_gets_nothing_and_is_named(
        self, redactor, stats, tracer_provider, caplog
    ):
        simple, foreign = InMemorySpanExporter(), Foreign()
        tracer_provider.add_span_processor(SimpleSpanProcessor(simple))
        tracer_provider.add_span_processor(foreign)
        gc.collect()
        problems = Findings({found.EXPORTERS: "kept elsewhere", found.SPAN_PARTS: "elsewhere"})
        handle = seams.install(redactor, stats, findings=problems)
        span(tracer_provider)
        handle.undo()
        assert simple.get_finished_spans() == ()
        assert (foreign.live, foreign.ended) == ([], [])
        named = {each.partition(" ")[0] for each in handle.silenced}
        assert named >= {"SimpleSpanProcessor", "Foreign"}
        assert handle.unprotected == ()
        assert "A Foreign that was there before ffe_otel" in caplog.text
        assert "gets nothing more" in caplog.text
        span(tracer_provider)
        assert len(simple.get_finished_spans()) == len(foreign.ended) == 1

    def test_that_refuses_everything_is_said_to_be_open(
        self, redactor, stats, tracer_provider, caplog
    ):
        class Closed(Foreign):
            def __setattr__(self, name, value):
                if name in {"on_start", "on_end"}:
                    raise AttributeError(name)
                super().__setattr__(name, value)

        closed = Closed()
        tracer_provider.add_span_processor(closed)
        gc.collect()
        handle = seams.install(redactor, stats, findings=Findings({found.SPAN_PARTS: "elsewhere"}))
        handle.undo()
        assert any(each.startswith("TestWhat") and "Closed" in each for each in handle.unprotected)
        assert "may hold secrets" in caplog.text

    def test_readers_get_nothing_where_their_callback_is_kept_elsewhere(self, redactor, stats):
        before = InMemoryMetricReader()
        provider = MeterProvider([before], shutdown_on_exit=False)
        gc.collect()
        handle = seams.install(redactor, stats, findings=Findings({found.READERS: "elsewhere"}))
        after, exporter = InMemoryMetricReader(), MemoryMetricExporter()
        periodic = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
        for reader in (after, periodic):
            provider.add_metric_reader(reader)
        provider.get_meter("m").create_counter("c").add(1, PASSWORD)
        periodic.collect()
        seen = [reader.get_metrics_data() for reader in (before, after)]
        handle.undo()
        provider.shutdown()
        assert seen == [None, None]
        # Its exporter is behind redaction all the same.
        assert exporter.labels[0] == HIDDEN


class TestQueues:
    def test_are_watched_and_full_ones_counted(self, installed, tracer_provider, stats):
        processor = BatchSpanProcessor(
            InMemorySpanExporter(),
            max_queue_size=4,
            max_export_batch_size=4,
            schedule_delay_millis=1e7,
        )
        with processor._batch_processor._export_lock:  # the worker cannot empty the queue
            tracer_provider.add_span_processor(processor)
            for _ in range(7):
                span(tracer_provider)
            assert stats.snapshot().queued == {"traces": 4}
            assert stats.snapshot().dropped == {("traces", "queue_full"): 3}


@pytest.mark.parametrize("base", [BatchSpanProcessor, BatchLogRecordProcessor])
def test_canary_batch_processors_look_as_expected(base):
    """What ffe_otel.sdk.existing reaches into; fails first when the SDK changes."""
    exporter = InMemorySpanExporter()
    processor = base(exporter)
    holder, name = existing.exporter_holder(processor)
    assert getattr(holder, name) is exporter
    assert existing.queue_length(processor) == 0
    assert processor in list(existing.instances(base))
    assert existing.shut_down_batch(processor, 1.0)
    assert not processor._batch_processor._worker_thread.is_alive()


def test_canary_other_private_names_exist():
    assert existing.exporter_holder(SimpleSpanProcessor(1)) is not None
    assert existing.exporter_of(SimpleLogRecordProcessor(1)) == 1
    assert SynchronousMultiSpanProcessor()._span_processors == ()
    assert SynchronousMultiLogRecordProcessor()._log_record_processors == ()
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    assert callable(getattr(reader, existing.COLLECT))
    provider.shutdown()
