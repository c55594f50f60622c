/* Yee's scheme, one index per cell: how a GPU walks the lattice. Each kernel is one half step of the whole lattice or one
   list of entries; the layout and the arithmetic are those of yee_walk.cuh, and so is every bit of the result.
   "step" counts from the beginning of the drive tables. */
#include "common.cuh"
#include "yee_cell.cuh"

#define AT(table, magnetic, c, axis, longest) ((table) + ((((magnetic) * 3 + (c)) * 3 + (axis)) * (i64)(longest)))

FN int in_layer(int at, int low, int high, int start) {
    return at < low ? at : high && at >= start ? at - start + low : -1;
}
/* An entry with what one layer adds to it. what: b, c and kappa at place q of an axis. */
FN real layered(real f, real d, real gain, const real *RESTRICT what, int widest, int q, real *RESTRICT psi) {
    const real now = layer_psi(what[q], what[widest + q], *psi, d);
    *psi = now;
    return f + layer_gain(gain, now, what[2 * widest + q], d);
}

FN void cell_e(int i, int j, int k, int nx, int ny, int nz, i64 stride, i64 component, int longest, int wide, int low_x,
               int high_x, int low_y, int high_y, int lanes_low, int lanes_high, int widest, i64 psi_x, i64 psi_y,
               i64 psi_z, const u8 *RESTRICT ids8, const u16 *RESTRICT ids16, const real *RESTRICT ca,
               const real *RESTRICT cb, const real *RESTRICT factor, const real *RESTRICT layer,
               const real *RESTRICT h, real *RESTRICT e, real *RESTRICT psi) {
    const i64 plane = ny * stride, at = (i + 1) * plane + j * stride + k, cell = ((i64)i * ny + j) * stride + k;
    const i64 entries = (i64)nx * plane;
    const real *hx = h + at, *hy = hx + component, *hz = hy + component;
    const real xy = hx[0] - hx[-stride], xz = hx[0] - hx[-1], yx = hy[0] - hy[-plane], yz = hy[0] - hy[-1];
    const real zx = hz[0] - hz[-plane], zy = hz[0] - hz[-stride];
    const int qx = in_layer(i, low_x, high_x, nx - high_x), qy = in_layer(j, low_y, high_y, ny - high_y);
    const int lanes = lanes_low + lanes_high, deep_x = low_x + high_x, deep_y = low_y + high_y;
    const i64 px = psi_x + ((i64)qx * ny + j) * stride + k, py = psi_y + ((i64)i * deep_y + qy) * stride + k;
    const i64 pz = psi_z + ((i64)i * ny + j) * lanes;
    const int up = k - (nz - lanes_high);
    if (i < nx - 1) {
        const int id = wide ? ids16[cell] : ids8[cell];
        const real b = (cb[id] * (AT(factor, 0, 0, 0, longest)[i] * AT(factor, 0, 0, 1, longest)[j])) * AT(factor, 0, 0, 2, longest)[k];
        real f = ca[id] * e[at] + b * (zy - yz);
        if (qy >= 0) f = layered(f, zy, b, AT(layer, 0, 1, 0, widest), widest, qy, psi + py + (i64)nx * deep_y * stride);
        if (k < lanes_low) f = layered(f, yz, -b, AT(layer, 0, 2, 0, widest), widest, k, psi + pz + k);
        if (up >= 0 && lanes_high) f = layered(f, yz, -b, AT(layer, 0, 2, 0, widest), widest, lanes_low + up, psi + pz + lanes_low + up);
        e[at] = f;
    }
    if (j < ny - 1) {
        const int id = wide ? ids16[entries + cell] : ids8[entries + cell];
        const real b = (cb[id] * (AT(factor, 0, 1, 0, longest)[i] * AT(factor, 0, 1, 1, longest)[j])) * AT(factor, 0, 1, 2, longest)[k];
        const i64 far = (i64)nx * ny * lanes;
        real f = ca[id] * e[at + component] + b * (xz - zx);
        if (qx >= 0) f = layered(f, zx, -b, AT(layer, 0, 0, 0, widest), widest, qx, psi + px);
        if (k < lanes_low) f = layered(f, xz, b, AT(layer, 0, 2, 0, widest), widest, k, psi + pz + far + k);
        if (up >= 0 && lanes_high) f = layered(f, xz, b, AT(layer, 0, 2, 0, widest), widest, lanes_low + up, psi + pz + far + lanes_low + up);
        e[at + component] = f;
    }
    if (k < nz - 1) {
        const int id = wide ? ids16[2 * entries + cell] : ids8[2 * entries + cell];
        const real b = (cb[id] * (AT(factor, 0, 2, 0, longest)[i] * AT(factor, 0, 2, 1, longest)[j])) * AT(factor, 0, 2, 2, longest)[k];
        real f = ca[id] * e[at + 2 * component] + b * (yx - xy);
        if (qx >= 0) f = layered(f, yx, b, AT(layer, 0, 0, 0, widest), widest, qx, psi + px + deep_x * plane);
        if (qy >= 0) f = layered(f, xy, -b, AT(layer, 0, 1, 0, widest), widest, qy, psi + py);
        e[at + 2 * component] = f;
    }
}

FN void cell_h(int i, int j, int k, int nx, int ny, int nz, i64 stride, i64 component, int longest, int low_x, int high_x,
               int low_y, int high_y, int lanes_low, int lanes_high, int widest, i64 psi_x, i64 psi_y, i64 psi_z,
               const real *RESTRICT factor, const real *RESTRICT layer, const real *RESTRICT e, real *RESTRICT h,
               real *RESTRICT psi) {
    const i64 plane = ny * stride, at = (i + 1) * plane + j * stride + k;
    const real *ex = e + at, *ey = ex + component, *ez = ey + component;
    const int has_x = i < nx - 1, has_y = j < ny - 1, has_z = k < nz - 1;
    const int qx = in_layer(i, low_x, high_x, nx - 1 - high_x), qy = in_layer(j, low_y, high_y, ny - 1 - high_y);
    const int lanes = lanes_low + lanes_high, deep_x = low_x + high_x, deep_y = low_y + high_y;
    const i64 px = psi_x + ((i64)qx * ny + j) * stride + k, py = psi_y + ((i64)i * deep_y + qy) * stride + k;
    const i64 pz = psi_z + ((i64)i * ny + j) * lanes;
    const int up = k - (nz - 1 - lanes_high);
    if (has_y && has_z) {
        const real d = -(AT(factor, 1, 0, 0, longest)[i] * AT(factor, 1, 0, 1, longest)[j]) * AT(factor, 1, 0, 2, longest)[k];
        const real zy = ez[stride] - ez[0], yz = ey[1] - ey[0];
        real f = h[at] + d * (zy - yz);
        if (qy >= 0) f = layered(f, zy, d, AT(layer, 1, 1, 0, widest), widest, qy, psi + py + (i64)nx * deep_y * stride);
        if (k < lanes_low) f = layered(f, yz, -d, AT(layer, 1, 2, 0, widest), widest, k, psi + pz + k);
        if (up >= 0 && lanes_high) f = layered(f, yz, -d, AT(layer, 1, 2, 0, widest), widest, lanes_low + up, psi + pz + lanes_low + up);
        h[at] = f;
    }
    if (has_x && has_z) {
        const real d = -(AT(factor, 1, 1, 0, longest)[i] * AT(factor, 1, 1, 1, longest)[j]) * AT(factor, 1, 1, 2, longest)[k];
        const real xz = ex[1] - ex[0], zx = ez[plane] - ez[0];
        const i64 far = (i64)nx * ny * lanes;
        real f = h[at + component] + d * (xz - zx);
        if (qx >= 0) f = layered(f, zx, -d, AT(layer, 1, 0, 0, widest), widest, qx, psi + px);
        if (k < lanes_low) f = layered(f, xz, d, AT(layer, 1, 2, 0, widest), widest, k, psi + pz + far + k);
        if (up >= 0 && lanes_high) f = layered(f, xz, d, AT(layer, 1, 2, 0, widest), widest, lanes_low + up, psi + pz + far + lanes_low + up);
        h[at + component] = f;
    }
    if (has_x && has_y) {
        const real d = -(AT(factor, 1, 2, 0, longest)[i] * AT(factor, 1, 2, 1, longest)[j]) * AT(factor, 1, 2, 2, longest)[k];
        const real yx = ey[plane] - ey[0], xy = ex[stride] - ex[0];
        real f = h[at + 2 * component] + d * (yx - xy);
        if (qx >= 0) f = layered(f, yx, d, AT(layer, 1, 0, 0, widest), widest, qx, psi + px + deep_x * plane);
        if (qy >= 0) f = layered(f, xy, -d, AT(layer, 1, 1, 0, widest), widest, qy, psi + py);
        h[at + 2 * component] = f;
    }
}

/* One entry (i, j, k) of a box of "size", all components and frequencies; low is its offset in a field. */
FN void fourier_cell(int i, int j, int k, int n0, int n1, int n2, int sample, i64 low, i64 plane, i64 stride,
                     i64 component, int frequencies, int magnetic, const double *RESTRICT phase,
                     const real *RESTRICT field, real *RESTRICT sums) {
    const i64 size = (i64)n0 * n1 * n2, cell = ((i64)i * n1 + j) * n2 + k;
    for (int c = 0; c < 3; c++) {
        const real x = field[c * component + low + i * plane + j * stride + k];
        for (int f = 0; f < frequencies; f++) {
            const double *p = phase + (((i64)sample * frequencies + f) * 2 + magnetic) * 2;
            sums[(6 * f + c) * size + cell] += (real)p[0] * x;
            sums[(6 * f + 3 + c) * size + cell] += (real)p[1] * x;
        }
    }
}

KERNEL3(cells_e, cell_e(i, j, k, n0, n1, n2, stride, component, longest, wide, low_x, high_x, low_y, high_y, lanes_low,
                        lanes_high, widest, psi_x, psi_y, psi_z, ids8, ids16, ca, cb, factor, layer, h, e, psi),
        i64 stride, i64 component, int longest, int wide, int low_x, int high_x, int low_y, int high_y, int lanes_low,
        int lanes_high, int widest, i64 psi_x, i64 psi_y, i64 psi_z, const u8 *RESTRICT ids8,
        const u16 *RESTRICT ids16, const real *RESTRICT ca, const real *RESTRICT cb, const real *RESTRICT factor,
        const real *RESTRICT layer, const real *RESTRICT h, real *RESTRICT e, real *RESTRICT psi)

KERNEL3(cells_h, cell_h(i, j, k, n0, n1, n2, stride, component, longest, low_x, high_x, low_y, high_y, lanes_low,
                        lanes_high, widest, psi_x, psi_y, psi_z, factor, layer, e, h, psi),
        i64 stride, i64 component, int longest, int low_x, int high_x, int low_y, int high_y, int lanes_low,
        int lanes_high, int widest, i64 psi_x, i64 psi_y, i64 psi_z, const real *RESTRICT factor,
        const real *RESTRICT layer, const real *RESTRICT e, real *RESTRICT h, real *RESTRICT psi)

KERNEL1(terms, add_terms(first + i, entry, term_row, column, coefficient, drive + (i64)step * columns, f), int step,
        i64 first, int columns, const i64 *RESTRICT entry, const i64 *RESTRICT term_row, const int *RESTRICT column,
        const double *RESTRICT coefficient, const double *RESTRICT drive, real *RESTRICT f)

KERNEL1(faces, face_term(i, face, turn, face_gain, e, h), const i64 *RESTRICT face, const i64 *RESTRICT turn,
        const double *RESTRICT face_gain, const real *RESTRICT e, real *RESTRICT h)

KERNEL1(branches, branch_term(i, path_row, path_edge, sign, path_gain, law, source[step * n0 + i], state, e,
                              record + 2 * (step * n0 + i)),
        int step, const i64 *RESTRICT path_row, const i64 *RESTRICT path_edge, const double *RESTRICT sign,
        const double *RESTRICT path_gain, const double *RESTRICT law, const double *RESTRICT source,
        double *RESTRICT state, real *RESTRICT e, double *RESTRICT record)

KERNEL3(fourier, fourier_cell(i, j, k, n0, n1, n2, sample, low, plane, stride, component, frequencies, magnetic, phase,
                              field, sums),
        int sample, i64 low, i64 plane, i64 stride, i64 component, int frequencies, int magnetic,
        const double *RESTRICT phase, const real *RESTRICT field, real *RESTRICT sums)
