// SPDX-License-Identifier: Apache-2.0
/** One tooltip for everything with a `data-tip`; also shown for keyboard focus. */

const DELAY = 250;

export function installTooltip() {
  const box = document.createElement("div");
  box.id = "tooltip";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  let timer = 0;
  let shown = null;

  const hide = () => {
    clearTimeout(timer);
    shown = null;
    changes.disconnect();
    box.hidden = true;
  };
  const write = (target, anchor) => {
    box.textContent = target.dataset.tip;
    place(box, anchor);
  };
  const show = (target) => {
    if (!target.isConnected || !target.dataset.tip) return;
    box.hidden = false;
    shown = { target, anchor: target.getBoundingClientRect(), row: target.closest("[data-trace]")?.dataset.trace };
    write(target, shown.anchor);
    changes.observe(document.getElementById("app"), {
      subtree: true, childList: true, attributes: true, attributeFilter: ["data-tip", "class", "style"],
    });
  };
  // The page is live: what was pointed at may move away under the pointer, or become
  // something else. A value that only grows, as a running cycle's, keeps its tooltip.
  const changes = new MutationObserver(() => {
    const { target, anchor, row } = shown;
    const { left, top } = target.getBoundingClientRect();
    const same = target.isConnected && target.dataset.tip && row === target.closest("[data-trace]")?.dataset.trace;
    if (!same || Math.abs(top - anchor.top) > 1 || Math.abs(left - anchor.left) > 1) hide();
    else if (box.textContent !== target.dataset.tip) row ? write(target, anchor) : hide();
  });
  const arm = (event) => {
    const target = event.target.closest?.("[data-tip]");
    hide();
    if (target) timer = setTimeout(() => show(target), DELAY);
  };
  document.addEventListener("pointerover", arm);
  document.addEventListener("pointerdown", hide);
  document.addEventListener("keydown", hide);
  document.addEventListener("scroll", hide, true);
  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.(":focus-visible[data-tip]")) arm(event);
  });
  document.addEventListener("focusout", hide);
}

function place(box, anchor) {
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.min(Math.max(anchor.left + anchor.width / 2 - width / 2, 8), innerWidth - width - 8);
  const below = anchor.bottom + 6 + height < innerHeight;
  box.style.left = `${left}px`;
  box.style.top = `${below ? anchor.bottom + 6 : anchor.top - height - 6}px`;
}
