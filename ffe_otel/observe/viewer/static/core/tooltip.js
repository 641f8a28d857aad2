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

  const hide = () => {
    clearTimeout(timer);
    box.hidden = true;
  };
  const show = (target) => {
    if (!target.isConnected || !target.dataset.tip) return;
    box.textContent = target.dataset.tip;
    box.hidden = false;
    place(box, target.getBoundingClientRect());
  };
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
