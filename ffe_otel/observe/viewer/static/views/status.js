// SPDX-License-Identifier: Apache-2.0
/** The strip above the cycles: is the agent alive, what did it do, what did it cost. */

import { get } from "../core/api.js";
import { readCycle } from "../core/cycle.js";
import { html, nothing } from "../core/dom.js";
import { age, bytes, count, DASH, numeric, pnl, text, usd, utc } from "../core/format.js";
import { live, throttle } from "../core/live.js";
import { sentence, words } from "../core/names.js";
import { href } from "../core/router.js";
import { actionTemplate, pnlClass } from "./cycle-parts.js";
import { losses, showHealth, unreadable } from "./health.js";

const EVERY = 5000;
const STALE_CYCLES = 5;
const STALE_LEAST = 120;

export class StatusStrip {
  status = null;
  received = 0;
  #abort = new AbortController();

  constructor(changed) {
    this.changed = changed;
    const load = throttle(() => this.#load(), 2000);
    this.forget = [live.on("cycles", load), live.on("resync", load)];
    this.stop = load.cancel;
    this.timer = setInterval(() => (live.holds ? undefined : load()), EVERY);
    this.clock = setInterval(changed, 1000);
    this.#load();
  }

  destroy() {
    clearInterval(this.timer);
    clearInterval(this.clock);
    this.stop();
    this.#abort.abort();
    for (const forget of this.forget) forget();
  }

  async #load() {
    const midnight = new Date().setHours(0, 0, 0, 0);
    try {
      const answer = await get("status", { since: `${midnight}000000` }, this.#abort.signal);
      this.status = { ...answer, last_cycle: answer.last_cycle ? readCycle(answer.last_cycle) : null };
      this.received = Date.now();
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    this.changed();
  }

  template(rows) {
    const { status } = this;
    const last = status?.last_cycle ?? null;
    const decided = [last, ...rows].find((row) => row?.action) ?? null;
    const totals = status?.totals ?? totalsOf(rows);
    return html`<section class="strip" aria-label="Status">
      ${cell("Agent", agentTemplate(status?.agent), status?.agent?.id)}
      ${this.#lastCycle(rows, last)}
      ${cell("Last decision", decided ? actionTemplate(decided) : DASH, decided ? decided.asset_pairs.join(", ") : "")}
      ${cell(totals.partial ? "P&L in view" : "P&L today",
        html`<span class=${pnlClass(totals.pnl_today_dollars)}>${pnl(totals.pnl_today_dollars)}</span>`,
        totals.partial ? "" : `${pnl(totals.pnl_total_dollars)} in all`)}
      ${cell(totals.partial ? "LLM cost in view" : "LLM cost today", usd(totals.llm_cost_today_usd),
        totals.partial ? "" : `${usd(totals.llm_cost_total_usd)} in all`)}
      ${cell(totals.partial ? "Errors in view" : "Errors today", totals.errors_today
        ? html`<a class="bad-text" href=${href("cycles", null, { errors: true })}>${count(totals.errors_today)}</a>` : "0",
        totals.cycles_today === undefined ? "" : `in ${count(totals.cycles_today)} cycles`)}
      ${this.#health()}
    </section>`;
  }

  #lastCycle(rows, last) {
    const seconds = numeric(this.status?.last_cycle_age_seconds);
    const running = rows.find((row) => row.state === "running");
    if (running) {
      return cell("Last cycle", html`<span class="running-text">running</span>`, running.number ? `#${running.number}` : "");
    }
    const now = seconds === null ? null : seconds + (Date.now() - this.received) / 1000;
    const stale = now !== null && now > staleAfter(rows);
    const value = now === null ? DASH : html`<span class=${stale ? "warn-text" : ""}
      data-tip=${last ? utc(last.start_unix_nano) : ""}>${age(now)} ago</span>`;
    return cell("Last cycle", value, stale ? "later than usual" : last ? `#${last.number ?? ""}` : "", stale ? "warn" : "");
  }

  /** Opens what the server says of itself; whatever is wrong with it shows here already. */
  #health() {
    const { status } = this;
    if (!status) return cell("Store", DASH);
    const broken = Object.entries(status.backends ?? {}).filter(([, part]) => part && !part.ok);
    const missing = [losses(status.ingest), unreadable(status.store)].filter(Boolean).join(", ");
    const names = broken.map(([name]) => words(name)).join(", ");
    const value = html`<button class="cell-button" data-tip="Health of ffe-otel serve" aria-label="Health"
      @click=${() => showHealth(status)}>${names || bytes(status.store?.bytes)}</button>`;
    if (names) return cell("Health", value, text(broken[0][1].detail) || "not reachable", "warn");
    return cell("Store", value, missing || `${count(status.store?.spans)} spans, ${count(status.store?.logs)} logs`,
      missing ? "noted" : "");
  }
}

function agentTemplate(agent) {
  if (!agent?.state) return DASH;
  const state = text(agent.state);
  return html`<span class="agent-state state-${state.toLowerCase()}"><i></i>${sentence(state)}</span>`;
}

/** Seconds without a cycle that are unusual: a few of the latest intervals. */
function staleAfter(rows) {
  const starts = rows.slice(0, 20).map((row) => Number(BigInt(row.start_unix_nano) / 1000000n) / 1000);
  if (starts.length < 3) return STALE_LEAST;
  const usual = (starts[0] - starts.at(-1)) / (starts.length - 1);
  return Math.max(STALE_LEAST, usual * STALE_CYCLES);
}

function totalsOf(rows) {
  const sum = (key) => rows.reduce((total, row) => total + (row[key] ?? 0), 0);
  return {
    partial: true, pnl_today_dollars: sum("pnl_dollars"), llm_cost_today_usd: sum("cost_usd"),
    errors_today: sum("errors"), cycles_today: rows.length,
  };
}

function cell(name, value, note = "", kind = "") {
  return html`<div class="cell ${kind}"><span class="cell-name">${name}</span>
    <span class="cell-value">${value ?? DASH}</span><span class="cell-note" data-tip=${note || nothing}>${note}</span></div>`;
}
