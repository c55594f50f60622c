// Leafs through voxel maps in three orthogonal planes. Reads the JSON of #volume-data; needs nothing else.
(function () {
  "use strict";
  const { NO_VALUE, LETTERS, words, number, niceStep } = emdose;
  const FLOOR_DB = -30;
  const PLANES = [
    { name: "sagittal", normal: 0, h: 1, v: 2 },
    { name: "coronal", normal: 1, h: 0, v: 2 },
    { name: "axial", normal: 2, h: 0, v: 1 },
  ];

  const viewer = document.getElementById("viewer");
  const volume = JSON.parse(document.getElementById("volume-data").textContent);
  const first = volume.maps.findIndex((m) => m.key === volume.first);
  const state = { map: Math.max(first, 0), index: volume.shape.map((n) => n >> 1), db: false, top: 100, flip: true, outlines: true };
  const view = emdose.planes(volume, state, draw);
  const { labels, entry, tables, voxel, centre, length, ink, redraw, prepare } = view;
  for (const map of volume.maps) map.codes = words(map.data);
  const palette = volume.tissues.map((t) => [1, 3, 5].map((k) => parseInt(t.colour.slice(k, k + 2), 16)));

  const nearest = (axis, mm) =>
    Math.min(volume.shape[axis] - 1, Math.max(0, Math.floor((mm - volume.origin_mm[axis]) / volume.spacing_mm[axis])));
  const peakIndex = (map) => (map.peak ? map.peak.mm.map((mm, a) => nearest(a, mm)) : null);

  if (volume.maps.length && peakIndex(volume.maps[state.map])) state.index = peakIndex(volume.maps[state.map]);
  const current = () => (state.map < volume.maps.length ? volume.maps[state.map] : null); // null: tissues
  const $ = (id) => document.getElementById(id);

  const position = (axis, mm) => `${Math.abs(mm) < 0.05 ? "" : LETTERS[axis][mm > 0 ? 1 : 0] + " "}${Math.abs(mm).toFixed(1)}`;

  // Colours: one byte per code, so that a slice is two look-ups per voxel.
  let ramp = new Uint8Array(65536);
  function makeRamp() {
    const map = current();
    if (!map || !map.peak) return;
    const peak = map.peak.value / map.step;
    const top = (state.top / 100) * peak;
    for (let c = 0; c < NO_VALUE; c++) {
      const t = state.db ? 1 - (map.decibels * Math.log10(Math.max(c, 1e-9) / peak)) / FLOOR_DB : c / top;
      ramp[c] = Math.max(0, Math.min(255, Math.round(255 * t)));
    }
  }

  const MARGIN = { left: 34, right: 16, top: 18, bottom: 34 };
  const narrow = () => window.matchMedia("(max-width: 820px)").matches; // planes below each other
  const flipped = (plane) => plane.h === 1 || state.flip; // anterior, or the patient's right, on the left

  function layout() {
    let scale = Infinity;
    for (const plane of PLANES) {
      const width = $("plane-" + plane.name).clientWidth;
      plane.width = width;
      scale = Math.min(scale, (width - MARGIN.left - MARGIN.right) / length(plane.h), 520 / length(plane.v));
    }
    return Math.max(scale, 0.05);
  }

  function drawPlane(plane, scale) {
    const canvas = $("plane-" + plane.name);
    const w = length(plane.h) * scale, h = length(plane.v) * scale;
    const left = MARGIN.left + Math.max(0, (plane.width - MARGIN.left - MARGIN.right - w) / 2);
    const tall = narrow() ? h : Math.max(...PLANES.map((p) => length(p.v))) * scale, top = MARGIN.top + (tall - h) / 2;
    const g = prepare(canvas, plane.width, tall + MARGIN.top + MARGIN.bottom);
    const f = (plane.frame = { plane, left, top, w, h, scale, flip: flipped(plane) });
    const map = current(), table = map ? tables[map.colours] : null;
    const paint = (i, data, at) => {
      let rgb = palette[labels[i] - 1], k = 0;
      if (map) {
        const code = map.codes[entry[i]];
        if (code === NO_VALUE) { rgb = [128, 128, 128]; } else { rgb = table; k = 3 * ramp[code]; }
      }
      data[at] = rgb[k];
      data[at + 1] = rgb[k + 1];
      data[at + 2] = rgb[k + 2];
    };
    view.drawSlice(g, f, paint, map ? "rgba(160,175,190,0.45)" : "rgba(0,0,0,0.25)", 0.7);
    drawAxes(g, plane);

    view.drawCrossHair(g, f, 7, 1);
    const here = state.index.map((i, a) => centre(a, i)), at = (mm) => view.at(f, mm);
    const near = (mm) => Math.abs(mm[plane.normal] - here[plane.normal]) <= 0.5001 * volume.spacing_mm[plane.normal];
    const inside = (q) => q[0] >= left && q[0] <= left + w && q[1] >= top && q[1] <= top + h;
    const iso = at([0, 0, 0]);
    if (inside(iso)) mark(g, iso, near([0, 0, 0]) ? 1 : 0.4, "plus");
    if (map && map.peak) mark(g, at(map.peak.mm), near(map.peak.mm) ? 1 : 0.4, "ring");

    const mm = here[plane.normal];
    $("where-" + plane.name).textContent = `${"xyz"[plane.normal]} = ${mm.toFixed(1).replace("-", "−")} mm (${position(plane.normal, mm)})`;
    $("slider-" + plane.name).value = state.index[plane.normal];
    canvas.setAttribute("aria-label", `${map ? map.title : "Tissues"}, ${plane.name} plane at ${"xyz"[plane.normal]} = ${mm.toFixed(1)} mm`);
  }

  function mark(g, [x, y], alpha, kind) {
    g.globalAlpha = alpha;
    for (const [width, colour] of [[4, "rgba(0,0,0,0.75)"], [1.8, kind === "ring" ? "#ffffff" : "#7ee0ff"]]) {
      g.lineWidth = width;
      g.strokeStyle = colour;
      g.beginPath();
      if (kind === "ring") { g.arc(x, y, 6, 0, 7); } else { g.moveTo(x - 5, y); g.lineTo(x + 5, y); g.moveTo(x, y - 5); g.lineTo(x, y + 5); }
      g.stroke();
    }
    g.globalAlpha = 1;
  }

  function drawAxes(g, plane) {
    const { left, top, w, h, scale, flip } = plane.frame;
    g.strokeStyle = g.fillStyle = ink();
    g.lineWidth = 0.6;
    g.globalAlpha = 0.6;
    g.strokeRect(left, top, w, h);
    g.globalAlpha = 1;
    for (const [axis, count] of [[plane.h, w / 55], [plane.v, h / 45]]) {
      const low = volume.origin_mm[axis], high = low + length(axis), step = niceStep(high - low, count);
      for (let t = Math.ceil(low / step) * step; t <= high + 1e-6; t += step) {
        const text = String(Math.round(t * 1e6) / 1e6).replace("-", "−");
        g.beginPath();
        if (axis === plane.h) {
          const x = left + (flip ? w - (t - low) * scale : (t - low) * scale);
          g.moveTo(x, top + h); g.lineTo(x, top + h + 4);
          g.textAlign = "center"; g.textBaseline = "top"; g.fillText(text, x, top + h + 6);
        } else {
          const y = top + h - (t - low) * scale;
          g.moveTo(left, y); g.lineTo(left - 4, y);
          g.textAlign = "right"; g.textBaseline = "middle"; g.fillText(text, left - 7, y);
        }
        g.stroke();
      }
    }
    g.textAlign = "center"; g.textBaseline = "top";
    g.fillText("mm", left + w / 2, top + h + 20);
    // Directions.
    g.font = "bold 13px system-ui, sans-serif";
    const [lo, hi] = LETTERS[plane.h], [bottom, up] = LETTERS[plane.v];
    g.textBaseline = "middle";
    g.textAlign = "left"; g.fillText(flip ? hi : lo, left + 5, top + h / 2);
    g.textAlign = "right"; g.fillText(flip ? lo : hi, left + w - 5, top + h / 2);
    g.textAlign = "center"; g.fillText(up, left + w / 2, top - 9); g.textBaseline = "bottom"; g.fillText(bottom, left + w / 2, top + h - 3);
    g.font = "11px system-ui, sans-serif";
  }

  function drawScale() {
    const canvas = $("colour-bar"), map = current();
    $("scale-box").hidden = !map || !map.peak;
    $("legend").hidden = Boolean(map);
    for (const id of ["db", "top", "go-peak"]) $(id).disabled = !map || !map.peak || (id === "top" && state.db);
    $("map-note").textContent = map ? map.note : "Every voxel shows its tissue.";
    if (!map || !map.peak) return;
    const range = state.db ? [FLOOR_DB, 0] : [0, (map.peak.value * state.top) / 100];
    view.drawBar(canvas, tables[map.colours], range, { height: 44, pad: 18, top: 2, thick: 16, below: 7, every: 70 });
    const unit = state.db ? `dB below the peak of ${number(map.peak.value)} ${map.unit}` : map.unit;
    $("scale-text").textContent = `${map.title} [${unit}]` + (!state.db && state.top < 100 ? ` – colours end at ${state.top} % of the peak` : "");
  }

  function describe(index) {
    const i = voxel(index), label = labels[i], mm = index.map((n, a) => centre(a, n));
    const parts = [mm.map((v, a) => position(a, v)).join(", ") + " mm", label ? volume.tissues[label - 1].name : "air"];
    for (const map of current() ? [current()] : volume.maps) {
      if (!label) continue;
      const code = map.codes[entry[i]];
      if (code === NO_VALUE) { parts.push(map.title + " has no value here"); continue; }
      const value = code * map.step;
      const share = map.peak && map.peak.value > 0 ? ` (${number((100 * value) / map.peak.value)} % of peak)` : "";
      parts.push(`${map.title} ${number(value)} ${map.unit}${share}`);
    }
    return parts.join(" · ");
  }

  function draw() {
    const scale = layout();
    for (const plane of PLANES) drawPlane(plane, scale);
    drawScale();
    $("read-cross").textContent = describe(state.index);
    document.querySelectorAll("#map-tabs button").forEach((b, n) => b.setAttribute("aria-pressed", String(n === state.map)));
  }
  const pick = (plane, event) => view.pick($("plane-" + plane.name), event, plane.frame);
  function goTo(index) { if (index) { state.index = index; redraw(); } }

  const tabs = $("map-tabs");
  [...volume.maps.map((m) => m.title), "Tissues"].forEach((title, n) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => { state.map = n; makeRamp(); redraw(); });
    tabs.append(button);
  });
  volume.tissues.forEach((t) => {
    const item = document.createElement("li"), swatch = document.createElement("i");
    swatch.className = "swatch";
    swatch.style.background = t.colour;
    item.append(swatch, document.createTextNode(t.name));
    $("legend").append(item);
  });
  for (const plane of PLANES) {
    const slider = $("slider-" + plane.name), canvas = $("plane-" + plane.name);
    slider.max = volume.shape[plane.normal] - 1;
    slider.addEventListener("input", () => { state.index[plane.normal] = Number(slider.value); redraw(); });
    canvas.addEventListener("pointerdown", (e) => goTo(pick(plane, e)));
    canvas.addEventListener("pointermove", (e) => {
      const index = pick(plane, e);
      if (index && e.buttons & 1) goTo(index);
      $("read-pointer").textContent = index ? describe(index) : "–";
    });
    canvas.addEventListener("pointerleave", () => { $("read-pointer").textContent = "–"; });
  }
  $("db").addEventListener("change", (e) => { state.db = e.target.checked; makeRamp(); redraw(); });
  $("outlines").addEventListener("change", (e) => { state.outlines = e.target.checked; redraw(); });
  $("neuro").addEventListener("change", (e) => { state.flip = !e.target.checked; redraw(); });
  $("top").addEventListener("input", (e) => { state.top = Number(e.target.value); makeRamp(); redraw(); });
  $("go-peak").addEventListener("click", () => current() && goTo(peakIndex(current())));
  $("go-iso").addEventListener("click", () => goTo([0, 1, 2].map((a) => nearest(a, 0))));

  viewer.hidden = false;
  makeRamp();
  draw();
})();
