// SPDX-License-Identifier: Apache-2.0
/** Head of a trace: how the cycle ended, why, what it traded and what it cost. */

import { copy, html, nothing } from "../core/dom.js";
import { clock, count, DASH, day, duration, pnl, text, usd, utc } from "../core/format.js";
import { icon } from "../core/icons.js";
import { ATTRIBUTE as A, SPAN, words } from "../core/names.js";
import { listHref } from "../core/router.js";
import { actionTemplate, outcomeTemplate, pnlClass } from "./cycle-parts.js";

export function headerTemplate(trace) {
  const root = trace.roots[0];
  // The root is here: what it says of its end is more than its row may hold.
  const cycle = trace.cycle && { ...trace.cycle, message: trace.cycle.message ?? ((root?.error && root.raw.status_message) || null) };
  return html`<header class="trace-head">
    <div class="trace-title">
      <a class="icon-button" href=${listHref()} aria-label="All cycles" data-tip="All cycles  Esc">${icon("back")}</a>
      <h1>${cycle ? `Cycle ${cycle.number ?? ""}` : root?.name ?? "Trace"}</h1>
      ${cycle ? html`<span class="assets">${cycle.asset_pairs.map((asset) => html`<span class="asset">${asset}</span>`)}</span>` : nothing}
      ${cycle ? outcomeTemplate(cycle) : nothing}
      <span class="spring"></span>
      <button class="id" data-tip="Copy the correlation id" @click=${() => copy(trace.correlationId)}>
        <span>correlation id</span><code>${trace.correlationId}</code>${icon("copy")}</button>
    </div>
    <dl class="trace-facts">
      ${fact("Started", html`<span data-tip=${utc(trace.start)}>${day(trace.start)} ${clock(trace.start, 3)}</span>`)}
      ${fact("Duration", trace.running ? html`${duration(trace.total)} <span class="soft">running</span>` : duration(trace.total))}
      ${cycle ? cycleFacts(cycle, trace.spans) : nothing}
      ${fact("Spans", count(trace.spans.length))}
    </dl>
  </header>`;
}

function cycleFacts(cycle, spans) {
  const order = find(spans, SPAN.trade);
  const risk = find(spans, SPAN.risk);
  return html`
    ${fact("Decision", actionTemplate(cycle))}
    ${cycle.verdict || risk ? fact("Risk", verdict(cycle, risk), "wide") : nothing}
    ${order ? fact("Order", orderText(order), "wide") : nothing}
    ${order?.[A.fillPrice] === undefined ? nothing : fact("Fee", fees(order))}
    ${fact("P&L", html`<span class=${pnlClass(cycle.pnl_dollars)}>${pnl(cycle.pnl_dollars)}</span>`)}
    ${cycle.tokens || cycle.cost_usd ? fact("LLM", llm(cycle)) : nothing}
    ${fact("Errors", html`<span class=${cycle.errors ? "bad-text" : ""}
      data-tip="Failures in the cycle, also those the engine went on after">${cycle.errors}</span>`)}`;
}

function llm(cycle) {
  return html`${usd(cycle.cost_usd)} <span class="soft">${count(cycle.tokens)} tok</span>`;
}

function find(spans, name) {
  return spans.find((span) => span.name === name && !span.missing)?.attributes;
}

function verdict(cycle, risk) {
  const word = cycle.verdict ?? risk?.[A.verdict];
  if (!word) return DASH;
  const reason = risk?.[A.riskReason] ?? cycle.reason;
  return html`${words(word)}${reason ? html` <span class="soft" data-tip=${text(reason)}>${text(reason)}</span>` : nothing}`;
}

function orderText(order) {
  const size = order[A.filledSize];
  const price = order[A.fillPrice];
  return html`${words(order[A.orderStatus] ?? "").toLowerCase()}
    ${size === undefined || price === undefined ? nothing : html`${number(size)} @ ${usd(price)}`}
    <span class="soft">${order[A.platform] ?? ""} ${order[A.orderId] ?? ""}</span>`;
}

function fees(order) {
  const slippage = order[A.slippage];
  return html`${usd(order[A.fee])}${slippage === undefined ? nothing
    : html` <span class="soft" data-tip="Slippage">${(slippage * 1e4).toFixed(1)} bp</span>`}`;
}

const number = (value) => Number(value).toLocaleString("en-US", { maximumFractionDigits: 6 });

function fact(name, value, kind = "") {
  return html`<div class=${kind}><dt>${name}</dt><dd>${value ?? DASH}</dd></div>`;
}

