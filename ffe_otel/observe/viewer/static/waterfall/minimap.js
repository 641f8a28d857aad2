// SPDX-License-Identifier: Apache-2.0
/** The whole trace in a strip of canvas, with the window of the time axis marked in it. */

import { colourOf } from "./row.js";

const HEIGHT = 40;

/** Draws every row of `rows` on `canvas`; `critical` dims what is not on the path. */
export function drawMinimap(canvas, rows, trace, view) {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (!width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const colours = new Map();
  const colour = (name) => {
    if (!colours.has(name)) colours.set(name, style.getPropertyValue(name).trim());
    return colours.get(name);
  };
  const spans = rows.filter((row) => row.kind === "span");
  const step = Math.min((HEIGHT - 4) / Math.max(spans.length, 1), 4);
  const thick = Math.max(step - (step > 2 ? 1 : 0), 0.75);
  spans.forEach(({ span }, index) => {
    pen.fillStyle = colour(span.error ? "--error" : `--${colourOf(span, view)}`);
    const left = (span.start / trace.total) * width;
    const length = Math.max(((span.end - span.start) / trace.total) * width, 1);
    pen.globalAlpha = span.children.length && !span.error ? 0.55 : 1;
    pen.fillRect(left, 2 + index * step, length, thick);
  });
}

/** Turns a drag over `element` into `done(fromShare, toShare)`; a click is no drag. */
export function dragRange(element, mark, done) {
  element.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    const box = element.getBoundingClientRect();
    const share = (event) => Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const start = share(down);
    element.setPointerCapture(down.pointerId);
    const show = (event) => {
      const now = share(event);
      mark.hidden = Math.abs(now - start) * box.width < 4;
      mark.style.left = `${Math.min(start, now) * 100}%`;
      mark.style.width = `${Math.abs(now - start) * 100}%`;
    };
    const end = (event) => {
      element.removeEventListener("pointermove", show);
      element.removeEventListener("pointerup", end);
      element.removeEventListener("pointercancel", end);
      const now = share(event);
      if (!mark.hidden && event.type === "pointerup") done(Math.min(start, now), Math.max(start, now));
      mark.hidden = true;
    };
    element.addEventListener("pointermove", show);
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  });
}
