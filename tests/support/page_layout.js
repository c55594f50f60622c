// Runs inside every page when it has loaded, first as it opens, then with everything unfolded, and hands what it found to
// the outer page. All of it at once: the outer page has loaded when its frames have, and is looked at then.
window.addEventListener("load", () => {
  const out = {};
  try {
  const name = (e) => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}${typeof e.className === "string" && e.className ? "." + e.className.replace(/ /g, ".") : ""}: ${(e.textContent || "").trim().slice(0, 40)}`;
  const scrolls = (e) => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return true; return false; };
  const wide = () => {
    const limit = document.documentElement.clientWidth, found = [];
    for (const e of document.body.querySelectorAll("*")) {
      if (e.closest("svg") && e.tagName !== "svg") continue;
      const r = e.getBoundingClientRect();
      if (r.width && r.height && (r.right > limit + 1 || r.left < -1) && !scrolls(e) && !e.closest(".hidden-text")) found.push(`${name(e)} to ${Math.round(r.right)}`);
    }
    return found.slice(0, 8);
  };
  // Text that leaves the box of its cell or card.
  const spilt = () => [...document.querySelectorAll("td, th, .tile, .card, .card > p, figcaption, summary")].filter((e) => {
    const r = e.getBoundingClientRect();
    return r.width > 4 && e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).overflowX === "visible" && getComputedStyle(e).display !== "inline" && !e.closest(".hidden-text");
  }).map(name).slice(0, 8);
  const narrow = () => [...document.querySelectorAll("td, th, p, dd")].filter((e) => {
    const r = e.getBoundingClientRect(), text = e.textContent.trim();
    return r.width > 0 && r.width < 30 && text.length > 14 && r.height > 100;
  }).map(name).slice(0, 8);
  const charts = () => {
    const found = [];
    for (const svg of document.querySelectorAll("svg.chart")) {
      const box = svg.getBoundingClientRect();
      if (!box.width) continue;
      const texts = [...svg.querySelectorAll("text")].filter((t) => t.textContent.trim()).map((t) => [t, t.getBoundingClientRect()]);
      for (const [t, r] of texts)
        if (r.left < box.left - 2 || r.right > box.right + 2 || r.top < box.top - 2 || r.bottom > box.bottom + 2) found.push(`cut: ${t.textContent}`);
      for (let i = 0; i < texts.length; i++)
        for (let k = i + 1; k < texts.length; k++) {
          const [a, b] = [texts[i][1], texts[k][1]], pad = 0.15 * Math.min(a.height, b.height) + 1;
          if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > pad)
            found.push(`on each other: ${texts[i][0].textContent} | ${texts[k][0].textContent}`);
        }
      for (const line of svg.querySelectorAll("polyline.curve")) {
          const matrix = line.getScreenCTM(), at = [...line.points].map((p) => new DOMPoint(p.x, p.y).matrixTransform(matrix));
          for (let i = 0; i + 1 < at.length; i++)
            for (let s = 0; s <= 1; s += 0.05) {
              const x = at[i].x + s * (at[i + 1].x - at[i].x), y = at[i].y + s * (at[i + 1].y - at[i].y);
              for (const [t, r] of texts)
                if (x > r.left && x < r.right && y > r.top + 2 && y < r.bottom - 2) found.push(`on a curve: ${t.textContent}`);
            }
        }
    }
    return [...new Set(found)].slice(0, 12);
  };
  const focus = () => [...document.querySelectorAll("button, input, summary, a[href], .scroll.wide")].filter((e) => {
    if (!e.getBoundingClientRect().width || e.disabled) return false;
    e.focus();
    return document.activeElement !== e || (e.matches(":focus-visible") && getComputedStyle(e).outlineStyle === "none");
  }).map(name).slice(0, 8);
  Object.assign(out, { width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches, height: document.documentElement.scrollHeight });
  out.overflow = document.scrollingElement.scrollWidth - document.documentElement.clientWidth;
  out.wide = wide();
  for (const e of document.querySelectorAll("details")) e.open = true;
  window.dispatchEvent(new Event("resize"));
  out.unfoldedOverflow = document.scrollingElement.scrollWidth - document.documentElement.clientWidth;
  Object.assign(out, { unfoldedWide: wide(), spilt: spilt(), narrow: narrow(), charts: charts(), focus: focus() });
  } catch (e) { window.troubles.push(String(e.stack)); }
  out.troubles = window.troubles;
  parent.found(window, out);
});
