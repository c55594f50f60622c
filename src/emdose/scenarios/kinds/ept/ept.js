// Methods of EPT side by side: map, error and uncertainty in the same slice. Reads the JSON of #volume-data.
(function () {
  "use strict";
  const { NO_VALUE, LETTERS, bytes, words, number } = emdose;
  const PLANES = { axial: { normal: 2, h: 0, v: 1 }, coronal: { normal: 1, h: 0, v: 2 }, sagittal: { normal: 0, h: 1, v: 2 } };
  const volume = JSON.parse(document.getElementById("volume-data").textContent);
  const state = { quantity: 0, plane: "axial", index: volume.start.slice(), outlines: true, gain: 1, flip: true };
  const view = emdose.planes(volume, state, draw);
  const { labels, entry, tables, voxel, centre, length, ink, redraw, prepare } = view;
  const unpacked = (map) => (map ? { low: map.low, step: map.step, codes: words(map.data) } : null);
  const value = (map, i) => (!map || map.codes[i] === NO_VALUE ? NaN : map.low + map.step * map.codes[i]);
  const quantities = Object.entries(volume.quantities).map(([key, q]) => ({
    ...q, key, truth: unpacked(q.truth),
    methods: q.methods.map((m) => ({ value: unpacked(m.value), u: unpacked(m.u) })),
  }));
  const b1 = volume.b1.map((m) => ({ ...m, map: unpacked(m.map) }));
  const flags = volume.flags.map(bytes);
  const $ = (id) => document.getElementById(id);

  // What the panels of a row show: a function of the voxel's entry, its colours and its range.
  function rows() {
    const q = quantities[state.quantity], error = q.error / state.gain;
    const unit = q.unit ? ` [${q.unit}]` : "";
    const list = [
      { title: `${q.symbol}${unit}`, colours: "viridis", range: q.range, first: q.truth ? { title: "truth", of: (i) => value(q.truth, i) } : null,
        of: (m) => (q.methods[m].value ? (i) => value(q.methods[m].value, i) : null) },
    ];
    if (q.truth) list.push({ title: `error of ${q.symbol}${unit}`, colours: "error", range: [-error, error],
      of: (m) => (q.methods[m].value ? (i) => value(q.methods[m].value, i) - value(q.truth, i) : null) });
    list.push({ title: `u(${q.symbol})${unit}`, colours: "magma", range: [0, q.u], none: "no uncertainty per voxel",
      of: (m) => (q.methods[m].u ? (i) => value(q.methods[m].u, i) : null) });
    // The data fill the first column below the truth.
    b1.forEach((one, n) => {
      const row = list[Math.min(n + (q.truth ? 1 : 0), list.length - 1)];
      if (row.first) return;
      row.first = { title: `${one.title} [${one.unit}]`, of: (i) => value(one.map, i), colours: one.colours, range: one.range };
    });
    return list;
  }

  const PAD = 15;
  function frame(width) {
    const plane = PLANES[state.plane];
    const scale = Math.min((width - 2 * PAD) / length(plane.h), 400 / length(plane.v));
    const w = length(plane.h) * scale, h = length(plane.v) * scale;
    return { plane, scale, w, h, left: (width - w) / 2, top: PAD, height: h + 2 * PAD, flip: plane.h === 1 || state.flip };
  }

  function drawPanel(canvas, of, colours, range) {
    const f = frame(canvas.clientWidth), plane = f.plane, g = prepare(canvas, canvas.clientWidth, f.height);
    const table = tables[colours];
    const paint = (i, data, at) => {
      const v = of(entry[i]);
      let rgb = [140, 140, 140], k = 0;
      if (Number.isFinite(v)) { rgb = table; k = 3 * Math.max(0, Math.min(255, Math.round((255 * (v - range[0])) / (range[1] - range[0])))); }
      data[at] = rgb[k];
      data[at + 1] = rgb[k + 1];
      data[at + 2] = rgb[k + 2];
    };
    view.drawSlice(g, f, paint, "rgba(90,100,112,0.45)", 0.6);
    view.drawCrossHair(g, f, 6, 0.8);
    g.fillStyle = ink();
    g.textBaseline = "middle";
    const [lo, hi] = LETTERS[plane.h], [down, up] = LETTERS[plane.v];
    g.textAlign = "right"; g.fillText(f.flip ? hi : lo, f.left - 4, f.top + f.h / 2);
    g.textAlign = "left"; g.fillText(f.flip ? lo : hi, f.left + f.w + 4, f.top + f.h / 2);
    g.textAlign = "center"; g.fillText(up, f.left + f.w / 2, f.top - 8); g.fillText(down, f.left + f.w / 2, f.top + f.h + 8);
  }

  const drawBar = (canvas, colours, range) =>
    view.drawBar(canvas, tables[colours], range, { height: 34, pad: 16, top: 1, thick: 10, below: 6, every: 55 });

  let panels = [];
  function element(name, parent, text, type) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (type) made.className = type;
    parent.append(made);
    return made;
  }

  // The panels are made anew when the quantity changes, and drawn anew when a slice does.
  function build() {
    const grid = $("panels"), list = rows(), firsts = list.some((r) => r.first);
    grid.textContent = "";
    panels = [];
    grid.style.gridTemplateColumns = `repeat(${volume.methods.length + (firsts ? 1 : 0)}, minmax(210px, 1fr))`;
    for (const row of list) {
      const cells = volume.methods.map((name, m) => ({ title: name, of: row.of(m) }));
      if (firsts) cells.unshift(row.first || null);
      cells.forEach((cell, n) => {
        const figure = element("figure", grid, "", "panel");
        if (!cell) return;
        const own = firsts && n === 0 && cell.colours;
        const caption = element("figcaption", figure);
        element("strong", caption, cell.title);
        element("span", caption, own ? "" : row.title);
        if (!cell.of) { element("p", figure, row.none || `this method gives no ${quantities[state.quantity].symbol}`, "empty"); return; }
        const canvas = element("canvas", figure), bar = element("canvas", figure, "", "bar");
        canvas.setAttribute("role", "img");
        panels.push({ canvas, bar, of: cell.of, colours: own ? cell.colours : row.colours, range: own ? cell.range : row.range, label: `${cell.title}, ${own ? "" : row.title}` });
        const go = (event) => { const index = view.pick(canvas, event, frame(canvas.clientWidth)); if (index) { state.index = index; redraw(); } };
        canvas.addEventListener("pointerdown", go);
        canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) go(event); });
      });
    }
  }

  function describe() {
    const i = voxel(state.index), e = entry[i], q = quantities[state.quantity], list = $("readout");
    list.textContent = "";
    const line = (name, text) => { element("dt", list, name); element("dd", list, text); };
    const where = state.index.map((n, a) => `${"xyz"[a]} = ${centre(a, n).toFixed(1).replace("-", "−")}`).join(", ") + " mm";
    line("Cross-hair", `${where} · ${e < 0 ? "background" : volume.names[labels[i] - 1] || "no label"}`);
    if (e < 0) return;
    if (q.truth) line("truth", `${q.symbol} ${number(value(q.truth, e))} ${q.unit}`);
    volume.methods.forEach((name, m) => {
      const v = value(q.methods[m].value, e), u = value(q.methods[m].u, e);
      const remarks = Object.entries(volume.flag_names).filter(([bit]) => flags[m][e] & Number(bit)).map(([, text]) => text);
      const parts = [Number.isFinite(v) ? `${q.symbol} ${number(v)}${Number.isFinite(u) ? ` ± ${number(u)} (k = 1)` : ""} ${q.unit}` : "no value"];
      if (q.truth && Number.isFinite(v)) parts.push(`error ${number(v - value(q.truth, e))}`);
      line(name, [...parts, ...remarks].join(" · "));
    });
  }

  function draw() {
    for (const p of panels) {
      drawPanel(p.canvas, p.of, p.colours, p.range);
      drawBar(p.bar, p.colours, p.range);
      p.canvas.setAttribute("aria-label", `${p.label}, ${state.plane} plane`);
    }
    const normal = PLANES[state.plane].normal, slider = $("slice");
    slider.max = volume.shape[normal] - 1;
    slider.value = state.index[normal];
    $("where").textContent = `${"xyz"[normal]} = ${centre(normal, state.index[normal]).toFixed(1).replace("-", "−")} mm`;
    describe();
  }
  function tabs(id, names, current, act) {
    names.forEach((name, n) => {
      const button = element("button", $(id), name);
      button.type = "button";
      button.setAttribute("aria-pressed", String(n === current));
      button.addEventListener("click", () => {
        $(id).querySelectorAll("button").forEach((b, k) => b.setAttribute("aria-pressed", String(k === n)));
        act(n);
      });
    });
  }

  tabs("quantity", quantities.map((q) => (q.key === "conductivity" ? "Conductivity" : "Relative permittivity")), 0, (n) => { state.quantity = n; build(); redraw(); });
  tabs("plane", Object.keys(PLANES), 0, (n) => { state.plane = Object.keys(PLANES)[n]; redraw(); });
  $("slice").addEventListener("input", (e) => { state.index[PLANES[state.plane].normal] = Number(e.target.value); redraw(); });
  $("outlines").addEventListener("change", (e) => { state.outlines = e.target.checked; redraw(); });
  $("neuro").addEventListener("change", (e) => { state.flip = !e.target.checked; redraw(); });
  $("gain").addEventListener("input", (e) => { state.gain = Number(e.target.value); build(); redraw(); });
  $("viewer").hidden = false;
  build();
  draw();
})();
