// SPDX-License-Identifier: Apache-2.0
/**
 * The phase a running cycle is in. Its span arrives when the phase ends, but the agent has
 * said what state it is in; without that a cycle that hangs would not show where.
 */

import { SPAN, STATE_EVENT, STATES } from "../core/names.js";

/** Adds the open phase to the tree where it has not arrived; what is still open goes under it. */
export function openPhase(spans, roots, logs) {
  const [root] = roots;
  const said = logs.findLast((log) => log.eventName === STATE_EVENT);
  const phase = STATES[said?.attributes.state_value];
  if (!phase || roots.length !== 1 || !root.running || root.name !== SPAN.cycle) return null;
  const name = SPAN.phase + phase;
  const started = Math.max(said.offset, root.start);
  // A phase that began after the agent spoke of it and is here has ended: the next is not said yet.
  if (root.children.some((span) => span.name === name && !span.running && span.start >= started)) return null;
  const found = root.children.find((span) => span.name === name && span.running);
  const open = found ?? unseen(root, name, started);
  open.start = Math.min(open.start, started);
  const within = root.children.filter((span) => span !== open && span.running && span.start >= open.start);
  root.children = root.children.filter((span) => !within.includes(span));
  if (!found) {
    root.children.push(open);
    spans.splice(within.length ? spans.indexOf(within[0]) : spans.length, 0, open);
  }
  for (const span of within) adopt(open, span);
  return open;
}

function unseen(root, name, start) {
  return {
    raw: { name }, id: `open ${name}`, parentId: root.id, name, kind: "internal", service: root.service,
    scope: root.scope, depth: root.depth + 1, start, duration: null, end: start, self: null, error: false,
    running: true, missing: false, unseen: true, critical: false, criticalParts: [], attributes: {}, links: [],
    events: [], parent: root, children: [], logs: [], inside: [], phase: null, errorsBelow: 0,
    failedBelow: false, below: 0,
  };
}

function adopt(parent, span) {
  span.parent = parent;
  parent.children.push(span);
  const below = [span];
  for (const one of below) {
    one.depth += 1;
    below.push(...one.children);
  }
}
