/* The three edges and the three faces of a cell, absorbing layers included: what the kernels that take one cell per thread
   share. The layout and the arithmetic are those of yee_walk.cuh, and so is every bit of the result. What a cell writes
   may lie where it reads or elsewhere; nobody else reads it there. */
#define AT(table, magnetic, c, axis, longest) ((table) + ((((magnetic) * 3 + (c)) * 3 + (axis)) * (i64)(longest)))

typedef struct { real x, y, z; } real3;
/* What a curl is made of: differences of a field's component (first letter) along an axis (second letter). */
typedef struct { real xy, xz, yx, yz, zx, zy; } Curl;

FN i64 place_of(int i, int j, int k, const Mesh *g) { return (i + 1) * (g->ny * g->stride) + j * g->stride + k; }
FN int in_layer(int at, int low, int high, int start) {
    return at < low ? at : high && at >= start ? at - start + low : -1;
}
/* An entry with what one layer adds to it. what: b, c and kappa at place q of an axis; p: place in psi. */
FN real layered(real f, real d, real gain, const real *what, int widest, int q, i64 p, const real *psi, real *kept,
                int keep) {
    const real now = layer_psi(what[q], what[widest + q], psi[p], d);
    if (keep) kept[p] = now;
    return f + layer_gain(gain, now, what[2 * widest + q], d);
}

FN Curl curl_of_h(const real *RESTRICT h, i64 at, const Mesh *g) {
    const i64 plane = g->ny * g->stride, stride = g->stride;
    const real *hx = h + at, *hy = hx + g->component, *hz = hy + g->component;
    const Curl d = {hx[0] - hx[-stride], hx[0] - hx[-1], hy[0] - hy[-plane], hy[0] - hy[-1], hz[0] - hz[-plane], hz[0] - hz[-stride]};
    return d;
}
FN Curl curl_of_e(const real *e, i64 at, int has_x, int has_y, int has_z, const Mesh *g) {
    const i64 plane = g->ny * g->stride, stride = g->stride;
    const real *ex = e + at, *ey = ex + g->component, *ez = ey + g->component;
    const Curl d = {has_y ? ex[stride] - ex[0] : 0, has_z ? ex[1] - ex[0] : 0, has_x ? ey[plane] - ey[0] : 0,
                     has_z ? ey[1] - ey[0] : 0, has_x ? ez[plane] - ez[0] : 0, has_y ? ez[stride] - ez[0] : 0};
    return d;
}

FN int id_of(const Medium *m, i64 at) { return m->wide ? m->ids16[at] : m->ids8[at]; }

/* Edges of cell (i, j, k) of a field e; those that do not exist are zero. psi goes to "kept" if "keep". */
FN real3 edges_of(int i, int j, int k, const Mesh *g, const Medium *m, Curl d, const real *e, const real *psi, real *kept,
                  int keep) {
    const real *RESTRICT ca = m->ca, *RESTRICT cb = m->cb, *RESTRICT factor = m->factor, *RESTRICT layer = m->layer;
    const int nx = g->nx, ny = g->ny, nz = g->nz, longest = g->longest, widest = g->widest;
    const i64 stride = g->stride, plane = ny * stride, cell = ((i64)i * ny + j) * stride + k, entries = (i64)nx * plane;
    const real *at = e + place_of(i, j, k, g);
    const int qx = in_layer(i, g->low_x, g->high_x, nx - g->high_x), qy = in_layer(j, g->low_y, g->high_y, ny - g->high_y);
    const int low = g->lanes_low, lanes = low + g->lanes_high, deep_x = g->low_x + g->high_x, deep_y = g->low_y + g->high_y;
    const i64 px = g->psi_ex + ((i64)qx * ny + j) * stride + k, py = g->psi_ey + ((i64)i * deep_y + qy) * stride + k;
    const i64 pz = g->psi_ez + ((i64)i * ny + j) * lanes, far = (i64)nx * ny * lanes;
    const int up = k - (end_of(nz) - g->lanes_high); /* lanes are whole vectors of a row */
    const real *wx = AT(layer, 0, 0, 0, widest), *wy = AT(layer, 0, 1, 0, widest), *wz = AT(layer, 0, 2, 0, widest);
    real3 f = {0, 0, 0};
    if (i < nx - 1) {
        const int id = id_of(m, cell);
        const real b = (cb[id] * (AT(factor, 0, 0, 0, longest)[i] * AT(factor, 0, 0, 1, longest)[j])) * AT(factor, 0, 0, 2, longest)[k];
        f.x = ca[id] * at[0] + b * (d.zy - d.yz);
        if (qy >= 0) f.x = layered(f.x, d.zy, b, wy, widest, qy, py + (i64)nx * deep_y * stride, psi, kept, keep);
        if (k < low) f.x = layered(f.x, d.yz, -b, wz, widest, k, pz + k, psi, kept, keep);
        if (up >= 0 && g->lanes_high) f.x = layered(f.x, d.yz, -b, wz, widest, low + up, pz + low + up, psi, kept, keep);
    }
    if (j < ny - 1) {
        const int id = id_of(m, entries + cell);
        const real b = (cb[id] * (AT(factor, 0, 1, 0, longest)[i] * AT(factor, 0, 1, 1, longest)[j])) * AT(factor, 0, 1, 2, longest)[k];
        f.y = ca[id] * at[g->component] + b * (d.xz - d.zx);
        if (qx >= 0) f.y = layered(f.y, d.zx, -b, wx, widest, qx, px, psi, kept, keep);
        if (k < low) f.y = layered(f.y, d.xz, b, wz, widest, k, pz + far + k, psi, kept, keep);
        if (up >= 0 && g->lanes_high) f.y = layered(f.y, d.xz, b, wz, widest, low + up, pz + far + low + up, psi, kept, keep);
    }
    if (k < nz - 1) {
        const int id = id_of(m, 2 * entries + cell);
        const real b = (cb[id] * (AT(factor, 0, 2, 0, longest)[i] * AT(factor, 0, 2, 1, longest)[j])) * AT(factor, 0, 2, 2, longest)[k];
        f.z = ca[id] * at[2 * g->component] + b * (d.yx - d.xy);
        if (qx >= 0) f.z = layered(f.z, d.yx, b, wx, widest, qx, px + deep_x * plane, psi, kept, keep);
        if (qy >= 0) f.z = layered(f.z, d.xy, -b, wy, widest, qy, py, psi, kept, keep);
    }
    return f;
}

/* Faces of cell (i, j, k) of a field h, likewise. */
FN real3 faces_of(int i, int j, int k, const Mesh *g, const Medium *m, Curl d, const real *h, const real *psi, real *kept) {
    const real *RESTRICT factor = m->factor, *RESTRICT layer = m->layer;
    const int nx = g->nx, ny = g->ny, nz = g->nz, longest = g->longest, widest = g->widest;
    const i64 stride = g->stride, plane = ny * stride;
    const real *at = h + place_of(i, j, k, g);
    const int has_x = i < nx - 1, has_y = j < ny - 1, has_z = k < nz - 1;
    const int qx = in_layer(i, g->low_x, g->high_x, nx - 1 - g->high_x), qy = in_layer(j, g->low_y, g->high_y, ny - 1 - g->high_y);
    const int low = g->lanes_low, lanes = low + g->lanes_high, deep_x = g->low_x + g->high_x, deep_y = g->low_y + g->high_y;
    const i64 px = g->psi_hx + ((i64)qx * ny + j) * stride + k, py = g->psi_hy + ((i64)i * deep_y + qy) * stride + k;
    const i64 pz = g->psi_hz + ((i64)i * ny + j) * lanes, far = (i64)nx * ny * lanes;
    const int up = k - (end_of(nz) - g->lanes_high);
    const real *wx = AT(layer, 1, 0, 0, widest), *wy = AT(layer, 1, 1, 0, widest), *wz = AT(layer, 1, 2, 0, widest);
    real3 f = {0, 0, 0};
    if (has_y && has_z) {
        const real b = -(AT(factor, 1, 0, 0, longest)[i] * AT(factor, 1, 0, 1, longest)[j]) * AT(factor, 1, 0, 2, longest)[k];
        f.x = at[0] + b * (d.zy - d.yz);
        if (qy >= 0) f.x = layered(f.x, d.zy, b, wy, widest, qy, py + (i64)nx * deep_y * stride, psi, kept, 1);
        if (k < low) f.x = layered(f.x, d.yz, -b, wz, widest, k, pz + k, psi, kept, 1);
        if (up >= 0 && g->lanes_high) f.x = layered(f.x, d.yz, -b, wz, widest, low + up, pz + low + up, psi, kept, 1);
    }
    if (has_x && has_z) {
        const real b = -(AT(factor, 1, 1, 0, longest)[i] * AT(factor, 1, 1, 1, longest)[j]) * AT(factor, 1, 1, 2, longest)[k];
        f.y = at[g->component] + b * (d.xz - d.zx);
        if (qx >= 0) f.y = layered(f.y, d.zx, -b, wx, widest, qx, px, psi, kept, 1);
        if (k < low) f.y = layered(f.y, d.xz, b, wz, widest, k, pz + far + k, psi, kept, 1);
        if (up >= 0 && g->lanes_high) f.y = layered(f.y, d.xz, b, wz, widest, low + up, pz + far + low + up, psi, kept, 1);
    }
    if (has_x && has_y) {
        const real b = -(AT(factor, 1, 2, 0, longest)[i] * AT(factor, 1, 2, 1, longest)[j]) * AT(factor, 1, 2, 2, longest)[k];
        f.z = at[2 * g->component] + b * (d.yx - d.xy);
        if (qx >= 0) f.z = layered(f.z, d.yx, b, wx, widest, qx, px + deep_x * plane, psi, kept, 1);
        if (qy >= 0) f.z = layered(f.z, d.xy, -b, wy, widest, qy, py, psi, kept, 1);
    }
    return f;
}

/* Writes the edges, or the faces, of a cell that exist. */
FN void put_edges(int i, int j, int k, const Mesh *g, real3 f, real *e) {
    real *at = e + place_of(i, j, k, g);
    if (i < g->nx - 1) at[0] = f.x;
    if (j < g->ny - 1) at[g->component] = f.y;
    if (k < g->nz - 1) at[2 * g->component] = f.z;
}
FN void put_faces(int i, int j, int k, const Mesh *g, real3 f, real *h) {
    const int has_x = i < g->nx - 1, has_y = j < g->ny - 1, has_z = k < g->nz - 1;
    real *at = h + place_of(i, j, k, g);
    if (has_y && has_z) at[0] = f.x;
    if (has_x && has_z) at[g->component] = f.y;
    if (has_x && has_y) at[2 * g->component] = f.z;
}
