// SPDX-License-Identifier: Apache-2.0
/** What went wrong, and what to do about it. */

import { html, nothing } from "../core/dom.js";
import { href } from "../core/router.js";

export function problemTemplate(error, id = "") {
  if (error.status === 401 || error.status === 403) return unauthorised();
  if (error.status === 404) {
    return html`<div class="problem"><h1>No such trace</h1>
      <p><code>${id}</code></p>
      <p>${error.hint || "It may have been sampled away, or is older than what the store keeps."}</p>
      <p>A trace id, a correlation id or a decision id works here.</p>
      <p><a class="button" href=${href("cycles")}>All cycles</a></p></div>`;
  }
  if (error.status === 0) {
    return html`<div class="problem"><h1>No answer</h1>
      <p><code>ffe-otel serve</code> does not answer at ${location.host}. This page goes on trying.</p></div>`;
  }
  return html`<div class="problem"><h1>That did not work</h1>
    <p>${error.message}</p>${error.hint ? html`<p>${error.hint}</p>` : nothing}</div>`;
}

export function unauthorised() {
  return html`<div class="problem"><h1>This page needs its token</h1>
    <p>Open the address that <code>ffe-otel serve</code> printed when it started; it ends in
      <code>?token=…</code> and this browser remembers it afterwards.</p>
    <p>The address is also in <code>serve.json</code> in the state folder, which only its owner can read.
      <code>ffe-otel doctor</code> says where that folder is.</p></div>`;
}
