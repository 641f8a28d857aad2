// SPDX-License-Identifier: Apache-2.0
/** An exception as an event, a log record or a list of frames carries it. */

import { html, nothing } from "../core/dom.js";
import { text } from "../core/format.js";

/** `{ type, message, stack }` out of attributes, an object or a text; null without one. */
export function readException(value) {
  if (!value) return null;
  if (typeof value === "string") return { type: "", message: "", stack: value };
  const type = value["exception.type"] ?? value.type ?? "";
  const message = value["exception.message"] ?? value.message ?? "";
  const stack = value["exception.stacktrace"] ?? value.stacktrace ?? frames(value.frames);
  return type || message || stack ? { type, message, stack: text(stack) } : null;
}

function frames(list) {
  if (!Array.isArray(list)) return "";
  return list.map((frame) => {
    if (typeof frame === "string") return frame;
    const file = frame.file ?? frame.filename ?? "?";
    return `  File "${file}", line ${frame.line ?? frame.lineno ?? "?"}, in ${frame.function ?? frame.name ?? "?"}`;
  }).join("\n");
}

export function exceptionTemplate(exception) {
  if (!exception) return nothing;
  return html`<div class="exception">
    ${exception.type || exception.message ? html`<p><b>${exception.type}</b> ${exception.message}</p>` : nothing}
    ${exception.stack ? html`<pre tabindex="0">${exception.stack}</pre>` : nothing}
  </div>`;
}
