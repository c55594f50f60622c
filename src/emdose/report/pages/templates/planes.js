// What the viewers of voxel maps draw alike: slices with outlines, cross-hairs, colour bars; and where a pointer is.
// A frame says where a slice stands on its canvas: plane (axes normal, h and v), left, top, w, h, scale, flip.
emdose.planes = function (volume, state, draw) {
  "use strict";
  const { bytes, words, niceStep } = emdose;
  const [nx, ny, nz] = volume.shape;
  const runs = words(volume.label_runs), labels = new Uint16Array(nx * ny * nz);
  for (let i = 0, at = 0; i < runs.length; i += 2) labels.fill(runs[i], at, (at += runs[i + 1]));
  const entry = new Int32Array(labels.length); // position of a voxel's value among those with a label
  for (let i = 0, n = 0; i < labels.length; i++) entry[i] = labels[i] ? n++ : -1;
  const tables = {};
  for (const [name, text] of Object.entries(volume.colour_tables)) tables[name] = bytes(text);

  const voxel = (index) => (index[0] * ny + index[1]) * nz + index[2];
  const centre = (axis, i) => volume.origin_mm[axis] + (i + 0.5) * volume.spacing_mm[axis];
  const length = (axis) => volume.shape[axis] * volume.spacing_mm[axis];

  let printing = false, waiting = false;
  const dark = () => !printing && window.matchMedia("(prefers-color-scheme: dark)").matches;
  const ink = () => (dark() ? "#a9b2be" : "#5b6470");
  function redraw() {
    if (waiting) return;
    waiting = true;
    window.requestAnimationFrame(() => { waiting = false; draw(); });
  }
  window.addEventListener("resize", redraw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const onPaper = (yes) => { printing = yes; draw(); };
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
  emdose.drawn.push(onPaper);

  function prepare(canvas, width, height) {
    const ratio = Math.max(window.devicePixelRatio || 1, printing ? 2 : 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = "11px system-ui, sans-serif";
    return g;
  }

  // One image pixel per voxel, enlarged without smoothing; paint(i, data, at) writes red, green and blue of voxel i.
  function drawSlice(g, f, paint, outline, lineWidth) {
    const { plane, left, top, w, h } = f, nh = volume.shape[plane.h], nv = volume.shape[plane.v];
    const image = new ImageData(nh, nv), cut = new Uint16Array(nh * nv), index = state.index.slice();
    for (let b = 0; b < nv; b++) {
      index[plane.v] = nv - 1 - b;
      for (let a = 0; a < nh; a++) {
        index[plane.h] = f.flip ? nh - 1 - a : a;
        const i = voxel(index), o = b * nh + a;
        cut[o] = labels[i];
        if (!labels[i]) continue;
        paint(i, image.data, 4 * o);
        image.data[4 * o + 3] = 255;
      }
    }
    const small = document.createElement("canvas");
    small.width = nh;
    small.height = nv;
    small.getContext("2d").putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(small, left, top, w, h);
    if (!state.outlines) return;
    const pw = w / nh, ph = h / nv;
    g.beginPath();
    for (let b = 0; b < nv; b++)
      for (let a = 0; a < nh; a++) {
        const here = cut[b * nh + a], x = left + (a + 1) * pw, y = top + (b + 1) * ph;
        if (a + 1 < nh && cut[b * nh + a + 1] !== here) { g.moveTo(x, top + b * ph); g.lineTo(x, y); }
        if (b + 1 < nv && cut[(b + 1) * nh + a] !== here) { g.moveTo(left + a * pw, y); g.lineTo(x, y); }
      }
    g.strokeStyle = outline;
    g.lineWidth = lineWidth;
    g.stroke();
  }

  // Where a point in mm lies on the canvas.
  function at(f, mm) {
    const [a, b] = [f.plane.h, f.plane.v].map((axis) => (mm[axis] - volume.origin_mm[axis]) * f.scale);
    return [f.left + (f.flip ? f.w - a : a), f.top + f.h - b];
  }

  function drawCrossHair(g, f, gap, lineWidth) {
    const { left, top, w, h } = f, [x, y] = at(f, state.index.map((i, a) => centre(a, i)));
    g.strokeStyle = dark() ? "rgba(120,200,255,0.85)" : "rgba(20,120,200,0.8)";
    g.lineWidth = lineWidth;
    g.beginPath();
    for (const [x0, y0, x1, y1] of [[left, y, x - gap, y], [x + gap, y, left + w, y], [x, top, x, y - gap], [x, y + gap, x, top + h]]) {
      g.moveTo(x0, y0);
      g.lineTo(x1, y1);
    }
    g.stroke();
  }

  // Colours from low to high over the width of a canvas, with a number about every so many pixels.
  function drawBar(canvas, table, [low, high], { height, pad, top, thick, below, every }) {
    const width = canvas.clientWidth, g = prepare(canvas, width, height), bar = width - 2 * pad, foot = top + thick;
    for (let i = 0; i < 256; i++) {
      g.fillStyle = `rgb(${table[3 * i]},${table[3 * i + 1]},${table[3 * i + 2]})`;
      g.fillRect(pad + (i * bar) / 256, top, bar / 256 + 0.6, thick);
    }
    g.strokeStyle = g.fillStyle = ink();
    g.textAlign = "center";
    g.textBaseline = "top";
    const step = niceStep(high - low, bar / every);
    for (let t = Math.ceil(low / step - 1e-9) * step; t <= high + 1e-9 * step; t += step) {
      const x = pad + ((t - low) / (high - low)) * bar;
      g.beginPath(); g.moveTo(x, foot); g.lineTo(x, foot + 4); g.stroke();
      g.fillText(String(Number(t.toPrecision(6))).replace("-", "−"), x, foot + below);
    }
  }

  // The voxel under a pointer, or null beside the slice.
  function pick(canvas, event, f) {
    const box = canvas.getBoundingClientRect(), { h, v } = f.plane;
    let a = (event.clientX - box.left - f.left) / f.scale;
    if (f.flip) a = length(h) - a;
    const b = length(v) - (event.clientY - box.top - f.top) / f.scale;
    if (a < 0 || b < 0 || a >= length(h) || b >= length(v)) return null;
    const index = state.index.slice();
    index[h] = Math.floor(a / volume.spacing_mm[h]);
    index[v] = Math.floor(b / volume.spacing_mm[v]);
    return index;
  }

  return { labels, entry, tables, voxel, centre, length, ink, redraw, prepare, drawSlice, at, drawCrossHair, drawBar, pick };
};
