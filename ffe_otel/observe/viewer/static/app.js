// SPDX-License-Identifier: Apache-2.0
/** The page's frame: navigation, live indicator, the view the address asks for. */

import { connection, onConnection } from "./core/api.js";
import { frame, html, nothing, ref, render, typing } from "./core/dom.js";
import { toggleHelp } from "./core/help.js";
import { icon } from "./core/icons.js";
import { live } from "./core/live.js";
import { current, go, href, rememberList } from "./core/router.js";
import { installTooltip } from "./core/tooltip.js";
import { CyclesView } from "./views/cycles.js";
import { LogsView } from "./views/logs.js";
import { MetricsView } from "./views/metrics.js";
import { unauthorised } from "./views/problem.js";
import { TraceView } from "./views/trace.js";

const VIEWS = { cycles: CyclesView, trace: TraceView, metrics: MetricsView, logs: LogsView };
const TABS = [["cycles", "Cycles"], ["metrics", "Metrics"], ["logs", "Logs"]];
const STATES = { connecting: "Connecting", live: "Live", lost: "Reconnecting" };

const root = document.getElementById("app");
let host = null;
let shown = { name: "", id: null, view: null };

const draw = frame(frameTemplate);

function frameTemplate() {
  const { view } = current();
  render(html`
    <header class="top">
      <a class="brand" href=${href("cycles")} aria-label="ffe_otel, all cycles">${brand()}<span>ffe_otel</span></a>
      <nav aria-label="Views">${TABS.map(([name, title]) => html`<a class="tab" href=${href(name)}
        aria-current=${view === name || (name === "cycles" && view === "trace") ? "page" : nothing}>${title}</a>`)}</nav>
      <span class="spring"></span>
      <button class="live-button ${live.paused ? "paused" : live.state}" aria-pressed=${live.paused}
        data-tip=${live.paused ? "Resume live updates  p" : "Pause live updates  p"} @click=${() => live.pause()}>
        <i></i><span>${live.paused ? "Paused" : STATES[live.state]}</span>${icon(live.paused ? "play" : "pause")}</button>
      <button class="icon-button" aria-label="Keys" data-tip="Keys  ?" @click=${toggleHelp}>${icon("keys")}</button>
    </header>
    ${bannerTemplate()}
    <main ${ref((element) => { host = element; })} ?hidden=${connection.state === "unauthorised"}></main>
    ${connection.state === "unauthorised" ? unauthorised() : nothing}`, root);
}

function bannerTemplate() {
  const lost = connection.state === "lost" || live.state === "lost";
  if (!lost || connection.state === "unauthorised") return nothing;
  return html`<div class="banner" role="alert">Lost the connection to <code>ffe-otel serve</code>; trying again by itself.
    What is shown may be out of date. <button class="link" @click=${() => live.retry()}>Try now</button></div>`;
}

function brand() {
  return html`<svg class="mark" viewBox="0 0 20 16" aria-hidden="true"><rect x="0" y="0" width="20" height="3.4" rx="1.2"/>
    <rect class="phase-perception" x="0" y="6" width="6" height="3.4" rx="1.2"/>
    <rect class="phase-reasoning" x="5" y="12" width="9" height="3.4" rx="1.2"/>
    <rect class="phase-execution" x="15" y="12" width="5" height="3.4" rx="1.2"/></svg>`;
}

function show() {
  const route = current();
  rememberList();
  const name = VIEWS[route.view] ? route.view : "cycles";
  if (shown.view && shown.name === name && shown.id === route.id) {
    shown.view.update(route);
  } else {
    shown.view?.destroy();
    // A fresh element: lit-html keeps its state on the one it rendered into.
    const place = document.createElement("div");
    place.className = "view";
    host.replaceChildren(place);
    shown = { name, id: route.id, view: new VIEWS[name](place, route) };
  }
  draw();
}

function onKey(event) {
  if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.getElementById("help") && event.key !== "?") return;
  const tab = TABS[Number(event.key) - 1];
  if (event.key === "?") toggleHelp();
  else if (event.key === "p") live.pause();
  else if (tab) go(tab[0]);
  else if (activates(event) || !shown.view?.key(event)) return;
  event.preventDefault();
}

/** Enter and space belong to a focused button or link. */
function activates(event) {
  return (event.key === "Enter" || event.key === " ") && event.target.closest?.("button, a, summary");
}

frameTemplate();
installTooltip();
onConnection(draw);
live.on("state", draw);
addEventListener("hashchange", show);
addEventListener("keydown", onKey);
show();
live.start();
