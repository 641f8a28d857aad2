// SPDX-License-Identifier: Apache-2.0
/** Names on the wire this page looks for; a test holds them against ffe_otel/semconv.py. */

export const ATTRIBUTE = {
  phase: "ffe.phase",
  asset: "ffe.asset_pair",
  dataService: "ffe.data.service",
  dataEndpoint: "ffe.data.endpoint",
  dataStale: "ffe.data.stale",
  action: "ffe.decision.action",
  confidence: "ffe.decision.confidence",
  role: "ffe.debate.role",
  cost: "ffe.llm.cost_usd",
  tokens: "ffe.llm.tokens",
  llmPhase: "ffe.llm.phase",
  verdict: "ffe.risk.verdict",
  riskRule: "ffe.risk.rule",
  riskReason: "ffe.risk.reason",
  riskCode: "ffe.risk.reason_code",
  platform: "ffe.trade.platform",
  tradeAction: "ffe.trade.action",
  orderId: "ffe.trade.order_id",
  orderStatus: "ffe.trade.order_status",
  fillPrice: "ffe.trade.fill_price",
  filledSize: "ffe.trade.filled_size",
  fee: "ffe.trade.fee",
  slippage: "ffe.trade.slippage",
  pnl: "ffe.trade.pnl_dollars",
  httpMethod: "http.request.method",
  httpStatus: "http.response.status_code",
  genProvider: "gen_ai.provider.name",
  genRequestModel: "gen_ai.request.model",
  genInput: "gen_ai.usage.input_tokens",
  genOutput: "gen_ai.usage.output_tokens",
};

export const SPAN = {
  cycle: "ffe.cycle",
  phase: "ffe.phase.",
  fetch: "ffe.data.fetch",
  decision: "ffe.decision.generate",
  role: "ffe.debate.role",
  ensemble: "ffe.ensemble.aggregate",
  risk: "ffe.risk.check",
  rule: "ffe.risk.rule",
  trade: "ffe.trade.execute",
  outcome: "ffe.trade.outcome",
};

export const METRIC = {
  cycle: "ffe.ooda.cycle.duration",
  phase: "ffe.agent.cycle.duration",
  decision: "ffe.decision.latency",
  api: "ffe.api.call.duration",
  requests: "ffe.provider.requests",
  risk: "ffe.risk.check.result",
  pnl: "ffe.trade.pnl.dollars.summary.sum",
  closed: "ffe.trades.closed",
  tokens: "ffe.llm.tokens",
  cost: "ffe.llm.cost.usd",
  portfolio: "ffe.portfolio.value.dollars",
  breaker: "ffe.circuit_breaker.state",
  cpu: "process.cpu",
  memory: "process.resident_memory",
  queued: "ffe.otel.queued",
  dropped: "ffe.otel.dropped",
};

/** The OODA phases in their order; each has a colour of its own in every view. */
export const PHASES = ["perception", "reasoning", "risk_check", "execution", "learning"];

/** Event record with which the agent says its state, and the phases by their number in it. */
export const STATE_EVENT = "agent_states";
export const STATES = { 1: "learning", 2: "perception", 3: "reasoning", 4: "risk_check", 5: "execution" };

export const OUTCOMES = ["executed", "rejected", "no_trade", "failed", "stopped", "cancelled", "aborted"];

export const words = (name) => String(name).replaceAll("_", " ");

/** RISK_CHECK as "Risk check". */
export function sentence(name) {
  const lower = words(name).toLowerCase();
  return lower.charAt(0).toUpperCase() + lower.slice(1);
}
