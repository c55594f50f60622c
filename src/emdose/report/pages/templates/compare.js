// Maps of runs side by side in three planes, on one scale, and the difference of two where the voxels are the same.
(function () {
  "use strict";
  const { NO_VALUE, LETTERS, words, number } = emdose;
  const data = JSON.parse(document.getElementById("volume-data").textContent);
  if (!data.sides) return;
  const PLANES = [
    { name: "sagittal", normal: 0, h: 1, v: 2 },
    { name: "coronal", normal: 1, h: 0, v: 2 },
    { name: "axial", normal: 2, h: 0, v: 1 },
  ];
  const $ = (id) => document.getElementById(id);
  const state = { map: data.first, mm: [0, 0, 0], top: 100, gain: 1, flip: true, outlines: true };
  const sides = data.sides.map((volume, n) => {
    volume.colour_tables = data.colour_tables;
    const own = { index: [0, 0, 0], get outlines() { return state.outlines; } };
    for (const map of volume.maps) map.codes = words(map.data);
    return { volume, own, view: emdose.planes(volume, own, n ? () => {} : draw) };
  });
  const [A, B] = sides;
  const letters = sides.map((_, n) => "abcdef"[n]), panels = data.same ? [...letters, "difference"] : letters;
  const side = (panel) => (panel === "difference" ? A : sides[letters.indexOf(panel)]);
  const low = (s, axis) => s.volume.origin_mm[axis], high = (s, axis) => low(s, axis) + s.view.length(axis);
  const ends = [0, 1, 2].map((a) => [Math.min(...sides.map((s) => low(s, a))), Math.max(...sides.map((s) => high(s, a)))]);
  const step = [0, 1, 2].map((a) => Math.min(...sides.map((s) => s.volume.spacing_mm[a])));

  function nearest(s, axis, mm) {
    const i = Math.floor((mm - low(s, axis)) / s.volume.spacing_mm[axis]);
    return Math.min(s.volume.shape[axis] - 1, Math.max(0, i));
  }
  const start = sides.map((s) => s.volume.maps[state.map].peak).find(Boolean);
  state.mm = start ? start.mm.slice() : ends.map(([p, q]) => (p + q) / 2);

  // Value of a side's voxel in the unit shown: null where it has none.
  function value(s, i) {
    if (i < 0 || !s.view.labels[i]) return null;
    const map = s.volume.maps[state.map], code = map.codes[s.view.entry[i]];
    return code === NO_VALUE ? null : code * map.step;
  }
  const top = () => (data.tops[state.map] * state.top) / 100 || 1;
  const largest = []; // difference of every map, once it is asked for
  function span() {
    if (largest[state.map] === undefined) {
      let found = 0;
      for (let i = 0; i < A.view.labels.length; i++) {
        const a = value(A, i), b = value(B, i);
        if (a !== null && b !== null) found = Math.max(found, Math.abs(b - a));
      }
      largest[state.map] = found;
    }
    return largest[state.map] / state.gain || 1;
  }

  function paint(panel) {
    const s = side(panel), map = s.volume.maps[state.map];
    const table = panel === "difference" ? s.view.tables[data.signed] : s.view.tables[map.colours];
    return (i, pixels, at) => {
      let v = value(s, i);
      if (panel === "difference") {
        const other = value(B, i); // the same voxel: the grids are alike
        v = v === null || other === null ? null : 0.5 + (0.5 * (other - v)) / span();
      } else if (v !== null) v /= top();
      const k = v === null ? -1 : 3 * Math.max(0, Math.min(255, Math.round(255 * v)));
      for (let c = 0; c < 3; c++) pixels[at + c] = k < 0 ? 128 : table[k + c];
    };
  }

  function scale() {
    let found = Infinity;
    for (const plane of PLANES)
      for (const panel of panels)
        for (const [axis, room] of [[plane.h, $(`${panel}-${plane.name}`).clientWidth - 44], [plane.v, 300]])
          found = Math.min(found, room / (ends[axis][1] - ends[axis][0]));
    return Math.max(found, 0.05);
  }

  function drawPanel(panel, plane, px) {
    const s = side(panel), canvas = $(`${panel}-${plane.name}`), width = canvas.clientWidth;
    s.own.index = state.mm.map((mm, a) => nearest(s, a, mm));
    const tall = (ends[plane.v][1] - ends[plane.v][0]) * px, wide = (ends[plane.h][1] - ends[plane.h][0]) * px;
    const g = s.view.prepare(canvas, width, tall + 20), flip = plane.h === 1 || state.flip;
    const w = s.view.length(plane.h) * px, h = s.view.length(plane.v) * px, left0 = (width - wide) / 2;
    const off = flip ? ends[plane.h][1] - high(s, plane.h) : low(s, plane.h) - ends[plane.h][0];
    const left = left0 + off * px, under = 18 + (ends[plane.v][1] - high(s, plane.v)) * px;
    const f = (canvas.frame = { plane, left, top: under, w, h, scale: px, flip });
    s.view.drawSlice(g, f, paint(panel), "rgba(150,165,180,0.5)", 0.6);
    s.view.drawCrossHair(g, f, 6, 1);
    g.fillStyle = s.view.ink();
    g.font = "bold 12px system-ui, sans-serif";
    const [lo, hi] = LETTERS[plane.h];
    g.textBaseline = "middle";
    g.textAlign = "left"; g.fillText(flip ? hi : lo, 2, 18 + tall / 2);
    g.textAlign = "right"; g.fillText(flip ? lo : hi, width - 2, 18 + tall / 2);
    g.textAlign = "center"; g.fillText(LETTERS[plane.v][1], left0 + wide / 2, 8);
    const title = A.volume.maps[state.map].title, what = panel === "difference" ? "B less A" : panel.toUpperCase();
    canvas.setAttribute("aria-label", `${title}, ${what}, ${plane.name} plane at ${"xyz"[plane.normal]} = ${state.mm[plane.normal].toFixed(1)} mm`);
  }

  function inside(s) {
    for (let a = 0; a < 3; a++) if (state.mm[a] < low(s, a) || state.mm[a] >= high(s, a)) return -1;
    return s.view.voxel(state.mm.map((mm, a) => nearest(s, a, mm)));
  }

  function draw() {
    const px = scale(), map = A.volume.maps[state.map];
    for (const plane of PLANES) {
      for (const panel of panels) drawPanel(panel, plane, px);
      const mm = state.mm[plane.normal];
      $(`where-${plane.name}`).textContent = `${plane.name}, ${"xyz"[plane.normal]} = ${mm.toFixed(1).replace("-", "−")} mm`;
      $(`slider-${plane.name}`).value = mm;
    }
    const bar = { height: 40, pad: 18, top: 2, thick: 14, below: 7, every: 70 };
    A.view.drawBar($("bar"), A.view.tables[map.colours], [0, top()], bar);
    $("bar-text").textContent = `${map.title}${map.unit ? ` [${map.unit}]` : ""}, ${letters.join(", ").toUpperCase().replace(/, (.)$/, " and $1")} alike`;
    if (data.same) {
      A.view.drawBar($("bar-d"), A.view.tables[data.signed], [-span(), span()], bar);
      $("bar-d-text").textContent = `B less A${map.unit ? ` [${map.unit}]` : ""}`;
    }
    const found = sides.map((s) => value(s, inside(s))), [a] = found, unit = map.unit ? ` ${map.unit}` : "";
    const said = (v) => (v === null ? "no value" : number(v) + unit);
    let text = found.map((v, n) => {
      const share = n && sides.length > 2 && a && v !== null ? ` (${number((100 * (v - a)) / a)} % to A)` : "";
      return `${letters[n].toUpperCase()} ${said(v)}${share}`;
    }).join(" · ");
    if (sides.length === 2 && !found.includes(null)) {
      const less = found[1] - a;
      text += ` · B less A ${number(less)}${unit}` + (a ? ` (${number((100 * less) / a)} %)` : "");
    }
    $("read-cross").textContent = `${state.mm.map((v, k) => `${"xyz"[k]} = ${v.toFixed(1).replace("-", "−")}`).join(", ")} mm: ${text}`;
    $("map-note").textContent = map.note;
    document.querySelectorAll("#map-tabs button").forEach((e, n) => e.setAttribute("aria-pressed", String(n === state.map)));
  }
  const redraw = A.view.redraw;

  A.volume.maps.forEach((map, n) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = map.title;
    button.addEventListener("click", () => { state.map = n; redraw(); });
    $("map-tabs").append(button);
  });
  for (const plane of PLANES) {
    const slider = $(`slider-${plane.name}`), axis = plane.normal;
    [slider.min, slider.max, slider.step] = [ends[axis][0] + 0.5 * step[axis], ends[axis][1] - 0.5 * step[axis], "any"];
    slider.addEventListener("input", () => { state.mm[axis] = Number(slider.value); redraw(); });
    for (const panel of panels) {
      const canvas = $(`${panel}-${plane.name}`), s = side(panel);
      const go = (event) => {
        const index = s.view.pick(canvas, event, canvas.frame);
        if (!index) return;
        for (const a of [plane.h, plane.v]) state.mm[a] = s.view.centre(a, index[a]);
        redraw();
      };
      canvas.addEventListener("pointerdown", go);
      canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) go(event); });
    }
  }
  $("outlines").addEventListener("change", (e) => { state.outlines = e.target.checked; redraw(); });
  $("neuro").addEventListener("change", (e) => { state.flip = !e.target.checked; redraw(); });
  $("top").addEventListener("input", (e) => { state.top = Number(e.target.value); redraw(); });
  if (data.same) $("gain").addEventListener("input", (e) => { state.gain = Number(e.target.value); redraw(); });
  for (const s of sides)
    $(`peak-${letters[sides.indexOf(s)]}`).addEventListener("click", () => {
      const peak = s.volume.maps[state.map].peak;
      if (peak) { state.mm = peak.mm.slice(); redraw(); }
    });
  $("viewer").hidden = false;
  draw();
})();
