// SPDX-License-Identifier: Apache-2.0
/** What a span is about in a few words, from the attributes we know. */

import { count, percent, pnl, text, usd } from "../core/format.js";
import { ATTRIBUTE as A, SPAN, words } from "../core/names.js";

const RULES = [
  [SPAN.phase, (a, span) => ({ icon: "phase", title: words(span.name.slice(SPAN.phase.length)) })],
  [SPAN.cycle, () => ({ icon: "cycle" })],
  [SPAN.fetch, (a) => ({ icon: "data", detail: join(a[A.dataService], a[A.dataEndpoint], a[A.dataStale] ? "stale" : null) })],
  [SPAN.decision, (a) => ({
    icon: "decision", detail: join(a[A.asset], a[A.action], confidence(a)),
  })],
  [SPAN.role, (a) => ({ icon: "decision", detail: a[A.role] })],
  [SPAN.risk, (a) => ({ icon: "risk", detail: join(a[A.verdict], a[A.riskCode]) })],
  [SPAN.rule, (a) => ({ icon: "risk", detail: join(a[A.riskRule], a[A.verdict]) })],
  [SPAN.trade, (a) => ({
    icon: "trade", detail: join(a[A.tradeAction], a[A.asset], a[A.orderStatus]),
  })],
  [SPAN.outcome, (a) => ({
    icon: "trade", detail: join(a[A.asset], a[A.pnl] === undefined ? null : pnl(a[A.pnl])),
  })],
];

/** `{ icon, title, detail }` of a span. */
export function describe(span) {
  const a = span.attributes;
  const rule = RULES.find(([name]) => (name.endsWith(".") ? span.name.startsWith(name) : span.name === name));
  const known = rule ? rule[1](a, span) : guess(a, span);
  return { icon: "span", title: span.name, detail: "", ...known };
}

function guess(a, span) {
  if (a[A.genRequestModel]) return { icon: "llm", detail: llm(a) };
  if (a[A.httpMethod]) return { icon: "http", detail: text(a[A.httpStatus]) };
  return { icon: span.kind === "client" ? "http" : "span" };
}

function llm(a) {
  const tokens = a[A.genInput] === undefined && a[A.genOutput] === undefined
    ? null : `${count(a[A.genInput] ?? 0)} → ${count(a[A.genOutput] ?? 0)} tok`;
  return join(tokens, a[A.cost] ? usd(a[A.cost]) : null);
}

function confidence(a) {
  return a[A.confidence] === undefined ? null : percent(a[A.confidence]);
}

function join(...parts) {
  return parts.filter((part) => part !== null && part !== undefined && part !== "")
    .map((part) => words(text(part))).join(" · ");
}
