// What the viewers of all pages share: packed arrays, numbers as text, steps of axes.
const emdose = (function () {
  "use strict";
  const NO_VALUE = 65535;
  const LETTERS = [["L", "R"], ["P", "A"], ["I", "S"]]; // low and high end of x, y, z

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const words = (text) => {
    const raw = bytes(text);
    const out = new Uint16Array(raw.length >> 1);
    for (let i = 0; i < out.length; i++) out[i] = raw[2 * i] | (raw[2 * i + 1] << 8); // little endian
    return out;
  };

  function number(v) {
    if (!Number.isFinite(v)) return "–";
    if (v === 0) return "0";
    const a = Math.abs(v);
    const text = a >= 1e5 || a < 1e-4 ? v.toExponential(2) : a >= 100 ? v.toFixed(0) : v.toPrecision(3);
    return text.replace("-", "−");
  }

  function niceStep(span, count) {
    const raw = span / Math.max(count, 1), power = Math.pow(10, Math.floor(Math.log10(raw)));
    return power * [1, 2, 5, 10].find((m) => m * power >= raw * 0.999);
  }

  // What is folded on the screen is there on paper, but for budgets whose title says what they come to.
  const folded = () => [...document.querySelectorAll("details:not([open]):not(.brief)")];
  let opened = [];
  window.addEventListener("beforeprint", () => { opened = folded(); for (const e of opened) e.open = true; });
  window.addEventListener("afterprint", () => { for (const e of opened) e.open = false; });

  // A link to something folded opens what it lies in.
  function unfold() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (target) target.scrollIntoView();
  }
  window.addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    const link = event.target.closest ? event.target.closest('a[href^="#"]') : null;
    if (link && link.hash === location.hash) unfold(); // the same link again, after it was folded
  });

  // Charts and rows of slices keep a size at which their text can be read, and scroll where that is wider than the page.
  for (const drawn of document.querySelectorAll("svg.chart:not(.disc):not(.bar), .picture.slices img")) {
    const box = document.createElement("div");
    box.className = "scroll chart-box";
    drawn.replaceWith(box);
    box.append(drawn);
  }

  // A table wider than its place scrolls by keyboard as well, and says that it does.
  function cue() {
    for (const box of document.querySelectorAll(".scroll")) {
      const wide = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("wide", wide);
      if (wide) { box.tabIndex = 0; box.setAttribute("role", "group"); } else { box.removeAttribute("tabindex"); box.removeAttribute("role"); }
      if (wide) box.setAttribute("aria-label", "Scrolls sideways"); else box.removeAttribute("aria-label");
    }
  }
  window.addEventListener("resize", cue);
  document.addEventListener("toggle", cue, true);
  document.addEventListener("DOMContentLoaded", () => { cue(); unfold(); });

  // Canvases that are drawn as on paper, in light colours and sharp, while something is made of them.
  const drawn = [];
  function asOnPaper(act) {
    for (const one of drawn) one(true);
    try { return act(); } finally { for (const one of drawn) one(false); }
  }

  return { NO_VALUE, LETTERS, bytes, words, number, niceStep, drawn, asOnPaper };
})();
