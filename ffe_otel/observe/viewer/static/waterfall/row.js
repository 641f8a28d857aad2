// SPDX-License-Identifier: Apache-2.0
/** Templates of one row: a span with its bar, or a log line with its tick. */

import { css, html, nothing, safely } from "../core/dom.js";
import { duration } from "../core/format.js";
import { icon } from "../core/icons.js";
import { PHASES } from "../core/names.js";
import { describe } from "./describe.js";

export const ROW_HEIGHT = 24;
const INDENT = 14;
const DEEP = 14;
const SMALLEST_BAR = 0.15;
const SMALLEST_PART = 0.12;

/** `view` is what all rows share: scale, selected key, hits, critical, colour, handlers. */
export function rowTemplate(row, index, view) {
  return row.kind === "log" ? logRow(row, index, view) : spanRow(row, index, view);
}

function classes(row, view, ...more) {
  const hit = view.hits?.has(row.key);
  return [
    "row", row.kind, row.key === view.selected ? "selected" : "",
    hit ? "hit" : view.hits ? "dim" : "", ...more,
  ].filter(Boolean).join(" ");
}

function spanRow(row, index, view) {
  const { span } = row;
  const about = (span.about ??= safely(() => describe(span), () => ({ icon: "span", title: span.name, detail: "" })));
  const origin = span.error && !span.failedBelow;
  const state = [span.error ? "error" : "", origin ? "origin" : "", span.missing ? "missing" : "", span.running ? "running" : ""];
  return html`<div class=${classes(row, view, ...state, colourOf(span, view))} role="treeitem"
      id=${`row-${index}`} data-key=${row.key} aria-level=${row.depth + 1}
      aria-selected=${row.key === view.selected}
      aria-expanded=${row.expandable ? String(row.open) : nothing}
      @click=${() => view.select(row)} @dblclick=${() => view.toggle(row)}>
    <div class="name" ${css({ "padding-left": `${indent(row.depth)}px` })}>
      ${guides(row.depth)}
      ${row.expandable
        ? html`<button class="caret ${row.open ? "open" : ""}" tabindex="-1" aria-hidden="true"
            @click=${(event) => { event.stopPropagation(); view.toggle(row); }}></button>`
        : html`<i class="caret-space"></i>`}
      ${icon(about.icon)}
      <span class="title">${about.title}</span>
      <span class="detail">${about.detail}</span>
      ${span.links.length ? html`<span class="row-mark" data-tip="Linked to ${span.links.length} other">${icon("link")}</span>` : nothing}
      ${!row.open && span.errorsBelow ? html`<span class="badge bad" data-tip="Failed spans and error logs inside">${span.errorsBelow}</span>` : nothing}
      ${!row.open && row.expandable ? html`<span class="badge">${span.below}</span>` : nothing}
    </div>
    <div class="time"><div class="track">${bar(span, row, view)}</div></div>
  </div>`;
}

function bar(span, row, view) {
  const from = view.scale.position(span.start);
  const to = view.scale.position(span.end);
  if (to < -1 || from > 101) return outside(from > 101);
  const left = Math.max(from, -1);
  const width = Math.max(Math.min(to, 101) - left, SMALLEST_BAR);
  return html`
    <div class="bar ${span.children.length ? "outer" : "leaf"}"
      ${css({ left: `${left}%`, width: `${width}%` })}></div>
    ${view.critical ? span.criticalParts.map((part) => critical(part, view.scale)) : nothing}
    ${span.events.map((event) => dot(span, event, view.scale))}
    ${lengthTemplate(left, left + width, label(span), span)}`;
}

function label(span) {
  if (span.missing) return "not received";
  return span.running ? `${duration(span.end - span.start)} …` : duration(span.duration);
}

function outside(after) {
  return html`<i class="outside ${after ? "after" : "before"}"></i>`;
}

function critical([from, to], scale) {
  const left = Math.max(scale.position(from), -1);
  const right = Math.min(scale.position(to), 101);
  if (right - left < SMALLEST_PART) return nothing;
  return html`<i class="critical" ${css({ left: `${left}%`, width: `${right - left}%` })}></i>`;
}

function dot(span, event, scale) {
  const left = scale.position(event.offset);
  if (left < 0 || left > 100) return nothing;
  const bad = event.name === "exception";
  return html`<i class="dot ${bad ? "bad" : ""}" ${css({ left: `${left}%` })}
    data-tip=${`${event.name}\n+${duration(event.offset - span.start)} into the span`}></i>`;
}

/** A label after its bar, before it, or inside it, wherever there is room. */
function lengthTemplate(left, right, shown, span = null) {
  const inside = right >= 86 && left <= 14;
  const place = right < 86 ? { left: `calc(${right}% + 6px)` }
    : { right: inside ? clearOfDots(span, right) : `calc(${100 - left}% + 6px)` };
  return html`<span class="length ${inside ? "inside" : ""}" ${css(place)}>${shown}</span>`;
}

/** Distance from the right at which no event dot covers the label. */
function clearOfDots(span, right) {
  const near = (from, to) => span?.events.some(({ offset }) => {
    const share = (offset - span.start) / (span.end - span.start || 1);
    return share >= from && share <= to;
  });
  const free = [0, 10, 30, 50].find((back) => !near((100 - back - 8) / 100, (100 - back) / 100)) ?? 0;
  return `calc(${Math.max(100 - right, 0) + free}% + 6px)`;
}

function logRow(row, index, view) {
  const { log } = row;
  const left = view.scale.position(log.offset);
  const seen = left >= 0 && left <= 100;
  const room = {
    "padding-left": `${indent(row.depth)}px`,
    // Text may run on beside its tick where the time column is empty anyway.
    "max-width": `calc(var(--name-width) + (100% - var(--name-width)) * ${seen ? Math.max(left / 100 - 0.14, 0) : 0.9})`,
  };
  return html`<div class=${classes(row, view, `level-${log.event ? "debug" : log.level}`)} role="treeitem"
      id=${`row-${index}`} data-key=${row.key} aria-level=${row.depth + 1}
      aria-selected=${row.key === view.selected} @click=${() => view.select(row)}>
    <div class="name" ${css(room)}>
      ${guides(row.depth)}
      <i class="caret-space"></i>
      <span class="severity">${short(log)}</span>
      <span class="message">${log.line}</span>
    </div>
    <div class="time"><div class="track">
      ${seen ? html`<i class="tick" ${css({ left: `${left}%` })}></i>
        ${lengthTemplate(left, left, `+${duration(log.offset)}`)}` : outside(left > 100)}
    </div></div>
  </div>`;
}

const LEVELS = { error: "ERR", warn: "WRN", info: "INF", debug: "DBG" };

function short(log) {
  if (log.event) return "EVT";
  return /crit|fatal/i.test(log.severity) ? "CRT" : LEVELS[log.level];
}

function guides(depth) {
  const width = Math.min(depth, DEEP) * INDENT;
  return depth ? html`<i class="guides" ${css({ width: `${width}px` })}></i>` : nothing;
}

/** Pixels a row is moved to the right; far down it is hardly any, or names would vanish. */
function indent(depth) {
  return 6 + Math.min(depth, DEEP) * INDENT + Math.min(Math.max(depth - DEEP, 0), 30) * 2;
}

/** Phase colour inside a cycle; elsewhere a stable colour per service. */
export function colourOf(span, view) {
  if (PHASES.includes(span.phase)) return `phase-${span.phase}`;
  return view.byService ? `series-${hash(span.service) % 6}` : "phase-none";
}

function hash(name) {
  let value = 0;
  for (const letter of String(name)) value = (value * 31 + letter.codePointAt(0)) >>> 0;
  return value;
}
