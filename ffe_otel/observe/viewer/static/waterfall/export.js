// SPDX-License-Identifier: Apache-2.0
/** A trace from the API as OTLP JSON, the format `ffe-otel serve` and Collectors read. */

const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const STATUS = { unset: 0, ok: 1, error: 2 };

export function toOtlp(answer) {
  const start = BigInt(answer.start_unix_nano);
  const at = (offset) => String(start + BigInt(offset));
  const spans = answer.spans.filter((span) => !span.missing);
  return {
    resourceSpans: group(spans, (span) => span.service).map(([service, own]) => ({
      resource: resource(service),
      scopeSpans: group(own, (span) => span.scope ?? "").map(([scope, members]) => ({
        scope: { name: scope },
        spans: members.map((span) => spanOf(span, answer.trace_id, at)),
      })),
    })),
    resourceLogs: answer.logs?.length ? [logsOf(answer, spans[0]?.service)] : [],
  };
}

function spanOf(span, traceId, at) {
  const end = BigInt(span.offset_ns) + BigInt(span.duration_ns ?? 0);
  return {
    traceId, spanId: span.span_id, parentSpanId: span.parent_span_id ?? "", name: span.name,
    kind: KINDS[span.kind] ?? 0, startTimeUnixNano: at(span.offset_ns),
    endTimeUnixNano: span.running ? "0" : at(end), attributes: attributes(span.attributes),
    events: (span.events ?? []).map((event) => ({
      name: event.name, timeUnixNano: at(event.offset_ns), attributes: attributes(event.attributes),
    })),
    links: (span.links ?? []).map((link) => ({
      traceId: link.trace_id, spanId: link.span_id, attributes: attributes(link.attributes),
    })),
    status: { code: STATUS[span.status] ?? 0, message: span.status_message ?? "" },
  };
}

function logsOf(answer, service) {
  return {
    resource: resource(service),
    scopeLogs: group(answer.logs, (log) => log.logger ?? "").map(([logger, members]) => ({
      scope: { name: logger },
      logRecords: members.map((log) => ({
        timeUnixNano: String(log.unix_nano), severityNumber: log.severity_number,
        severityText: log.severity, body: any(log.body), eventName: log.event_name ?? "",
        attributes: attributes(log.attributes), traceId: answer.trace_id, spanId: log.span_id ?? "",
      })),
    })),
  };
}

function resource(service) {
  return { attributes: attributes({ "service.name": service ?? "unknown_service" }) };
}

function group(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return [...groups];
}

function attributes(map) {
  return Object.entries(map ?? {}).map(([key, value]) => ({ key, value: any(value) }));
}

function any(value) {
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(any) } };
  if (value && typeof value === "object") return { kvlistValue: { values: attributes(value) } };
  return { stringValue: String(value ?? "") };
}
