// Small buttons that save what the page shows: figures as PNG and SVG, tables as CSV, the scenario as TOML. All of it is
// made here from what the page holds; nothing is asked for anywhere.
(function () {
  "use strict";
  const page = (document.title || "emdose").replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  const made = (name, ...rest) => Object.assign(document.createElement(name), ...rest);

  function save(name, blob) {
    const link = made("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  const saveText = (name, type, text) => save(name, new Blob([text], { type: `${type};charset=utf-8` }));
  const savePng = (name, canvas) => canvas.toBlob((blob) => save(name, blob), "image/png");

  function buttons(after, what, entries) {
    const row = made("div", { className: "downloads no-print" });
    for (const [label, act] of entries) {
      const button = made("button", { type: "button", textContent: label, title: `Save ${what} as ${label}` });
      button.setAttribute("aria-label", button.title);
      button.addEventListener("click", act);
      row.append(button);
    }
    after.after(row);
  }

  // ---- tables ---------------------------------------------------------------------------------------------------
  const tidy = (node) => {
    const copy = node.cloneNode(true);
    for (const e of copy.querySelectorAll(".gauge, .downloads, script")) e.remove();
    for (const e of copy.querySelectorAll("div, br, p, li")) e.before(" ");
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const quoted = (text) => (/[",\n;]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  function csv(table) {
    const lines = [], open = []; // cells that reach over rows
    for (const row of table.querySelectorAll("tr")) {
      const cells = [...row.cells];
      if (cells.some((cell) => cell.querySelector("table"))) continue; // what is folded has rows of its own
      const line = [];
      const fill = () => { while (open[line.length] > 0) { open[line.length] -= 1; line.push(""); } };
      for (const cell of cells) {
        fill();
        for (let k = 0; k < cell.colSpan; k++) { open[line.length] = cell.rowSpan - 1; line.push(k ? "" : tidy(cell)); }
      }
      fill();
      lines.push(line.map(quoted).join(","));
    }
    return "\ufeff" + lines.join("\r\n") + "\r\n";
  }

  // ---- charts ---------------------------------------------------------------------------------------------------
  const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "paint-order", "fill-opacity"];
  const light = (act) => { // colours of paper, also in dark pages
    document.documentElement.classList.add("light");
    try { return act(); } finally { document.documentElement.classList.remove("light"); }
  };
  function standalone(svg) {
    const copy = svg.cloneNode(true), [, , w, h] = svg.getAttribute("viewBox").split(" ").map(Number);
    const mine = [svg, ...svg.querySelectorAll("*")], its = [copy, ...copy.querySelectorAll("*")];
    light(() => mine.forEach((e, n) => {
      const look = getComputedStyle(e);
      its[n].setAttribute("style", LOOKS.map((k) => `${k}:${look.getPropertyValue(k)}`).join(";"));
      its[n].removeAttribute("class");
    }));
    copy.setAttribute("xmlns", svg.namespaceURI);
    copy.setAttribute("width", w);
    copy.setAttribute("height", h);
    const back = document.createElementNS(svg.namespaceURI, "rect");
    for (const [k, v] of [["width", "100%"], ["height", "100%"], ["fill", "#ffffff"]]) back.setAttribute(k, v);
    copy.prepend(back);
    return { text: new XMLSerializer().serializeToString(copy), w, h };
  }
  function svgToPng(name, svg) {
    const { text, w, h } = standalone(svg), image = new Image(), ratio = 3;
    image.onload = () => {
      const canvas = made("canvas", { width: ratio * w, height: ratio * h });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      savePng(name, canvas);
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  }

  // ---- maps: all canvases of a viewer with what is written beside them ----------------------------------------------
  function composed(box) {
    return emdose.asOnPaper(() => {
      const ratio = 2, frame = box.getBoundingClientRect(), out = made("canvas", { width: ratio * frame.width, height: ratio * frame.height });
      const g = out.getContext("2d");
      g.scale(ratio, ratio);
      g.fillStyle = "#ffffff";
      g.fillRect(0, 0, frame.width, frame.height);
      let low = frame.height, high = 0;
      for (const e of box.querySelectorAll("canvas, figcaption > *, .slice span, [data-in-figure]")) {
        const at = e.getBoundingClientRect();
        if (!at.width || !at.height) continue;
        low = Math.min(low, at.top - frame.top);
        high = Math.max(high, at.bottom - frame.top);
        if (e.tagName === "CANVAS") { g.drawImage(e, at.left - frame.left, at.top - frame.top, at.width, at.height); continue; }
        g.fillStyle = "#222222";
        g.font = `${e.tagName === "STRONG" ? "bold " : ""}12px system-ui, sans-serif`;
        g.textBaseline = "middle";
        const centred = getComputedStyle(e).textAlign === "center";
        g.textAlign = centred ? "center" : "left";
        g.fillText(e.textContent.trim(), (centred ? at.left + at.width / 2 : at.left) - frame.left, (at.top + at.bottom) / 2 - frame.top);
      }
      low = Math.max(0, low - 6); high = Math.min(frame.height, high + 6);
      const cut = made("canvas", { width: out.width, height: Math.round(ratio * (high - low)) });
      cut.getContext("2d").drawImage(out, 0, -Math.round(ratio * low));
      return cut;
    });
  }

  function imageBlob(image) {
    const raw = atob(image.src.split(",")[1]);
    return new Blob([Uint8Array.from(raw, (c) => c.charCodeAt(0))], { type: "image/png" });
  }

  let count = 0;
  const named = (e) => `${page}-${e.dataset.name || (e.closest("[id]") || { id: "figure" }).id}-${++count}`;
  for (const table of document.querySelectorAll("table")) {
    if (table.parentElement.closest("table")) continue;
    const name = named(table), box = table.closest(".scroll") || table;
    buttons(box, "the table", [["CSV", () => saveText(`${name}.csv`, "text/csv", csv(table))]]);
  }
  for (const svg of document.querySelectorAll("svg.chart")) {
    if (!svg.getAttribute("viewBox") || svg.classList.contains("bar")) continue;
    const name = named(svg);
    buttons(svg.closest(".chart-box") || svg, "the figure", [
      ["SVG", () => saveText(`${name}.svg`, "image/svg+xml", standalone(svg).text)],
      ["PNG", () => svgToPng(`${name}.png`, svg)],
    ]);
  }
  for (const image of document.querySelectorAll("img[src^='data:image/png']")) {
    const name = named(image);
    buttons(image.closest(".chart-box") || image, "the picture", [["PNG", () => save(`${name}.png`, imageBlob(image))]]);
  }
  const viewer = document.getElementById("viewer");
  if (viewer && viewer.querySelector("canvas")) {
    const tabs = viewer.querySelector(".controls") || viewer.firstElementChild;
    buttons(tabs, "the maps as shown", [["PNG", () => savePng(`${page}-maps.png`, composed(viewer))]]);
  }
  const scenario = document.getElementById("scenario-text");
  if (scenario) buttons(scenario, "the scenario", [["TOML", () => saveText(scenario.dataset.name, "text/plain", scenario.textContent)]]);
})();
