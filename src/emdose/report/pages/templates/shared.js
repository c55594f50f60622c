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

  // What is folded on the screen is there on paper.
  const folded = () => [...document.querySelectorAll("details:not([open])")];
  let opened = [];
  window.addEventListener("beforeprint", () => { opened = folded(); for (const e of opened) e.open = true; });
  window.addEventListener("afterprint", () => { for (const e of opened) e.open = false; });

  return { NO_VALUE, LETTERS, bytes, words, number, niceStep };
})();
