// SPDX-License-Identifier: Apache-2.0
/** Small helpers around lit-html and the document. */

import { html, noChange, nothing, render, svg } from "../vendor/lit-html/lit-html.js";
import { directive, Directive } from "../vendor/lit-html/directive.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";

export { html, nothing, render, repeat, svg };

/**
 * Element directive for computed styles: `<i ${css({ left: "3%" })}>`.
 * It goes through CSSOM because a strict policy blocks style attributes.
 */
export const css = directive(class extends Directive {
  #before = {};

  render() {
    return nothing;
  }

  update(part, [style]) {
    for (const key of Object.keys(this.#before)) {
      if (!(key in style)) part.element.style.removeProperty(key);
    }
    for (const [key, value] of Object.entries(style)) {
      if (this.#before[key] !== value) part.element.style.setProperty(key, value);
    }
    this.#before = style;
    return nothing;
  }
});

/** Element directive that hands the element to `use` when it is first rendered. */
export const ref = directive(class extends Directive {
  #element = null;

  render() {
    return nothing;
  }

  update(part, [use]) {
    if (this.#element !== part.element) {
      this.#element = part.element;
      use(part.element);
    }
    return nothing;
  }
});

/**
 * `${memo([a, b], () => html`…`)}`: the template is built again only when one of the values
 * is another one. What is not built is not compared either, so a long list costs little.
 */
export const memo = directive(class extends Directive {
  #before = null;

  render(values, template) {
    return template();
  }

  update(part, [values, template]) {
    const same = this.#before?.length === values.length && values.every((value, i) => Object.is(value, this.#before[i]));
    if (same) return noChange;
    this.#before = values;
    return template();
  }
});

/** What `template()` builds, or `fallback(error)`: one bad record must not take the others with it. */
export function safely(template, fallback) {
  try {
    return template();
  } catch (error) {
    console.debug(error);
    return fallback(error);
  }
}

/** Coalesces calls into one run before the next paint. */
export function frame(work) {
  let asked = 0;
  const ask = () => {
    if (!asked) asked = requestAnimationFrame(() => { asked = 0; work(); });
  };
  ask.cancel = () => {
    cancelAnimationFrame(asked);
    asked = 0;
  };
  return ask;
}

/** Runs `work` once `wait` ms have passed without another call. */
export function debounce(work, wait) {
  let timer = 0;
  return (...rest) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...rest), wait);
  };
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("The browser refused the clipboard", true);
  }
}

export function download(name, text, type = "application/json") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A line at the foot of the page, announced to screen readers. */
export function toast(message, bad = false) {
  let element = document.getElementById("toast");
  if (!element) {
    element = document.createElement("div");
    element.id = "toast";
    element.setAttribute("role", "status");
    document.body.append(element);
  }
  element.textContent = message;
  element.className = bad ? "shown bad" : "shown";
  clearTimeout(element.timer);
  element.timer = setTimeout(() => { element.className = ""; }, 1800);
}

/** Remembered preferences of this browser; private windows may refuse them. */
export const preferences = {
  get(key, fallback) {
    try {
      return JSON.parse(localStorage.getItem(`ffe_otel.${key}`)) ?? fallback;
    } catch {
      return fallback;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`ffe_otel.${key}`, JSON.stringify(value));
    } catch {
      // A preference that cannot be kept lasts as long as the page.
    }
  },
};

/** True while keys belong to a field rather than to the page. */
export function typing(event) {
  const target = event.target;
  return target instanceof HTMLElement
    && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));
}
