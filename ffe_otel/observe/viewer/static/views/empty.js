// SPDX-License-Identifier: Apache-2.0
/** What an empty list says. */

import { copy, html } from "../core/dom.js";
import { icon } from "../core/icons.js";

const INSTALL = "pip install ffe-otel";
const RUN = "ffe-otel run -- python -m finance_feedback_engine";

/** `filtered`: there may be cycles, only none that pass the filter. */
export function emptyTemplate(filtered, clear) {
  if (filtered) {
    return html`<div class="problem"><h1>No cycle passes this filter</h1>
      <p><button class="button" @click=${clear}>Clear the filter</button></p></div>`;
  }
  return html`<div class="problem empty"><h1>Waiting for the first cycle</h1>
    <p>Install the package beside your agent, then start the agent through it. Its cycles appear here while they run.</p>
    ${command(INSTALL)}${command(RUN)}
    <p class="soft">Any command works after the <code>--</code>. In code, <code>ffe_otel.install()</code> does the same.</p></div>`;
}

function command(line) {
  return html`<div class="command"><code>${line}</code>
    <button class="icon-button" aria-label="Copy the command" @click=${() => copy(line)}>${icon("copy")}</button></div>`;
}
