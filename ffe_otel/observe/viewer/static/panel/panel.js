// SPDX-License-Identifier: Apache-2.0
/** The side panel: everything known about the selected span or log line. */

import { copy, css, html, nothing } from "../core/dom.js";
import { clock, count, DASH, duration, exact, usd, utc } from "../core/format.js";
import { icon } from "../core/icons.js";
import { ATTRIBUTE as A } from "../core/names.js";
import { href } from "../core/router.js";
import { colourOf } from "../waterfall/row.js";
import { attributesTemplate, marked } from "./attributes.js";
import { exceptionTemplate, readException } from "./exception.js";

const EXCEPTION_KEYS = new Set(["exception.type", "exception.message", "exception.stacktrace"]);
const GEN_KEYS = new Set([
  A.genProvider, A.genRequestModel, A.genInput, A.genOutput, A.cost, A.tokens,
]);

/** `act`: close(), choose(key), query (text searched for). */
export function panelTemplate(row, trace, act) {
  return html`<aside class="panel" aria-label="Details">
    <div class="panel-head">
      ${row.kind === "log" ? logHead(row.log) : spanHead(row.span, trace)}
      <span class="spring"></span>
      <button class="icon-button" aria-label="Copy as JSON" data-tip="Copy as JSON"
        @click=${() => copy(JSON.stringify(row.kind === "log" ? row.log.raw : row.span.raw, null, 2))}>${icon("copy")}</button>
      <button class="icon-button" aria-label="Close" data-tip="Close  Esc" @click=${act.close}>${icon("close")}</button>
    </div>
    <div class="panel-body" tabindex="0">
      ${row.kind === "log" ? logBody(row.log, trace, act) : spanBody(row.span, trace, act)}
    </div>
  </aside>`;
}

function spanHead(span, trace) {
  return html`<i class="swatch ${colourOf(span, { byService: !trace.cycle })} ${span.error ? "error" : ""}"></i>
    <h2>${span.name}</h2>
    ${span.error ? html`<span class="pill bad">error</span>` : nothing}
    ${span.running ? html`<span class="pill live">running</span>` : nothing}
    ${span.missing ? html`<span class="pill">not received</span>` : nothing}`;
}

function spanBody(span, trace, act) {
  const a = span.attributes;
  return html`
    ${span.error && span.raw.status_message ? html`<p class="status-message">${span.raw.status_message}</p>` : nothing}
    ${span.missing ? html`<p class="note">Its children arrived, the span itself did not: it is still open,
      was sampled away or was lost.</p>` : nothing}
    ${span.unseen ? html`<p class="note">The agent said that it is in this phase; the span itself arrives when the
      phase ends.</p>` : nothing}
    <dl class="facts">
      ${fact("Duration", span.running ? `${duration(span.end - span.start)}, running` : exact(span.duration))}
      ${fact("Self", span.self === null ? DASH : `${duration(span.self)}${share(span.self, span.duration)}`)}
      ${fact("Starts at", `+${duration(span.start)}`)}
      ${fact("Clock", html`<span data-tip=${utc(absolute(trace, span.start))}>${clock(absolute(trace, span.start), 9)}</span>`)}
      ${fact("Service", span.service)}
      ${fact("Kind", span.kind)}
      ${span.unseen ? nothing : fact("Span id", html`<code>${span.id}</code>`)}
      ${span.parent ? fact("Parent", spanLink(span.parent, act)) : nothing}
    </dl>
    ${a[A.genRequestModel] ? generation(a) : nothing}
    ${attributesTemplate(a, act.query, a[A.genRequestModel] ? GEN_KEYS : new Set())}
    ${section("Events", span.events.map((event) => eventTemplate(event, span, act)))}
    ${section("Logs", span.logs.filter((log) => !log.event).map((log) => logLine(log, act)))}
    ${section("Links", span.links.map(linkTemplate))}`;
}

function spanLink(span, act) {
  return html`<button class="link" @click=${() => act.choose(span.id)}>${span.name}</button>`;
}

/** Tokens, cost and model of a GenAI call, as proportions rather than as a list. */
function generation(a) {
  const input = a[A.genInput] ?? 0;
  const output = a[A.genOutput] ?? 0;
  const total = input + output;
  return html`<section class="generation">
    <div class="model"><b>${a[A.genRequestModel]}</b>
      <span>${[a[A.genProvider], a[A.llmPhase]].filter(Boolean).join(" · ")}</span></div>
    <div class="generation-numbers">
      <div><span>Input</span><b>${count(a[A.genInput])}</b></div>
      <div><span>Output</span><b>${count(a[A.genOutput])}</b></div>
      <div><span>Cost</span><b>${a[A.cost] === undefined ? "unknown" : usd(a[A.cost])}</b></div>
    </div>
    ${total ? html`<div class="tokens" role="img" aria-label="${input} tokens in, ${output} out">
      <i class="in" ${css({ width: `${(input / total) * 100}%` })}></i><i class="out"></i></div>` : nothing}
  </section>`;
}

function eventTemplate(event, span, act) {
  const bad = event.name === "exception";
  const exception = readException(bad ? event.attributes : null);
  return html`<div class="event ${bad ? "bad" : ""}">
    <div class="line"><b>${event.name}</b><span class="when">+${duration(event.offset - span.start)}</span></div>
    ${exceptionTemplate(exception)}
    ${attributesTemplate(event.attributes, act.query, bad ? EXCEPTION_KEYS : new Set())}
  </div>`;
}

function logLine(log, act) {
  return html`<button class="log-line level-${log.level}" @click=${() => act.choose(log.key)}>
    <span class="when">+${duration(log.offset)}</span>
    <span class="severity">${log.severity}</span>
    <span class="message">${marked(log.line, act.query)}</span>
  </button>`;
}

function linkTemplate(link) {
  return html`<div class="linked">
    <a class="link" href=${href("trace", link.trace_id, { span: link.span_id })}>
      ${icon("link")}<code>${link.trace_id.slice(0, 16)}…</code></a>
    ${attributesTemplate(link.attributes)}
  </div>`;
}

function logHead(log) {
  return html`<span class="severity-pill level-${log.level}">${log.severity}</span>
    <h2>${log.eventName ? String(log.eventName) : "Log line"}</h2>`;
}

function logBody(log, trace, act) {
  return html`
    <p class="log-body level-${log.level}">${marked(log.line, act.query)}</p>
    <dl class="facts">
      ${fact("At", `+${duration(log.offset)}`)}
      ${fact("Clock", html`<span data-tip=${utc(log.unixNano)}>${clock(log.unixNano, 9)}</span>`)}
      ${fact("Logger", html`<code>${log.logger}</code>`, "broad")}
      ${log.span ? fact("Span", spanLink(log.span, act)) : nothing}
    </dl>
    ${section("Exception", log.exception ? [exceptionTemplate(readException(log.exception))] : [])}
    ${attributesTemplate(log.attributes, act.query)}`;
}

export function fact(name, value, kind = "") {
  return html`<div class=${kind}><dt>${name}</dt><dd>${value ?? DASH}</dd></div>`;
}

function section(name, items) {
  if (!items.length) return nothing;
  return html`<section class="section"><h3>${name} <span class="badge">${items.length}</span></h3>${items}</section>`;
}

const share = (part, whole) => (whole ? ` · ${Math.round((part / whole) * 100)}%` : "");

const absolute = (trace, offset) => String(BigInt(trace.start) + BigInt(Math.round(offset)));
