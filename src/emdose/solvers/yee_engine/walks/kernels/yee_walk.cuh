/* Yee's scheme on a CPU: rows of z in vectors, the absorbing layer while a row is in the cache, and blocks of planes and
   rows in time. The order in which blocks run does not change a bit of the result: every entry sees the same operations.

   One index of "walk" is, by mode: 0 a group of planes of E, 1 one of H, 2 a chunk of groups for "steps" steps with
   slanting sides, 3 what mode 2 left between chunk i and i + 1. Groups hold together the planes (rows) that one port or
   element spans. See docs/theory/fdtd_engine.md. */
#include "common.cuh"
#include "yee_cell.cuh"
#include "yee_row_loops.cuh"

/* What changes from launch to launch. strip: row groups that are treated together. */
typedef struct { int mode, steps, strip; i64 first_step; const double *drive, *source, *phase; } Task;

/* Materials and coefficients by row (i, j). rows: per component the material outside [begin, end), begin, end. gain: a and b of
   the three components of E where "span" is not, and b of those of H. span: entries [from, to) of several materials in whole
   vectors, and the place of their written out coefficients in "dense" or -1. */
typedef struct { const int *rows, *span; const real *gain, *dense; } Rows;
enum { GAINS = 9, SPAN = 3 };

/* Groups of planes and of rows: where they begin, which groups of planes have list entries at all, where the entries of every
   list and pair of groups begin; branches in the order of groups. */
typedef struct { int planes, rows; const int *x, *y, *branch; const u8 *busy; const i64 *first; } Groups;
enum { LIST_E, LIST_H, LIST_FACES, LIST_BRANCHES };

/* Running Fourier sums: boxes (low x y z, high x y z, offset of E or -1, of B or -1), and steps between samples. */
typedef struct { int boxes, frequencies, every; const i64 *box; } Samples;
enum { BOX = 8 };

typedef struct { real *e, *h, *psi, *dft; double *state, *record; } Fields;

typedef struct {
    Task task; Mesh mesh; Medium medium; Rows rows; Groups groups; Terms terms; Faces faces; Branches branches;
    Samples samples; Fields f;
    i64 plane;     /* entries of a plane */
    i64 to_sample; /* steps of this launch before the first whose fields are added to the Fourier sums, or a huge number */
} Yee;

FN Yee yee_of(Task task, Mesh mesh, Medium medium, Rows rows, Groups groups, Terms terms, Faces faces, Branches branches,
              Samples samples, Fields f) {
    const i64 wait = samples.boxes ? samples.every - 1 - task.first_step % samples.every : (i64)1 << 62;
    const Yee y = {task, mesh, medium, rows, groups, terms, faces, branches, samples, f, mesh.ny * mesh.stride, wait};
    return y;
}

#define FACTOR(y, magnetic, c, axis) ((y)->medium.factor + ((((magnetic) * 3 + (c)) * 3 + (axis)) * (y)->mesh.longest))
#define LAYER(y, magnetic, axis, what) ((y)->medium.layer + ((((magnetic) * 3 + (axis)) * 3 + (what)) * (y)->mesh.widest))

/* A row of edges: its material outside [begin, end), the factor across it and along it, its place in ids. */
typedef struct { int one, begin, end; real scale; const real *z; i64 from; } Row;

FN int id_at(const Yee *y, i64 at) { return y->medium.wide ? y->medium.ids16[at] : y->medium.ids8[at]; }

/* Layers act on segments of one material: [0, begin), single entries of [begin, end), [end, n). */
FN void layer_edges(const Yee *y, const Row *w, real *f, real *psi, const real *p, const real *q, int n, real b, real c,
                    real kappa, real sign) {
    const real outside = sign * (y->medium.cb[w->one] * w->scale);
    row_layer(f, psi, p, q, 0, w->begin, b, c, kappa, outside, w->z);
    ROLLED for (int k = w->begin; k < w->end; k++)
        row_layer(f, psi, p, q, k, k + 1, b, c, kappa, sign * (y->medium.cb[id_at(y, w->from + k)] * w->scale), w->z);
    row_layer(f, psi, p, q, w->end, n, b, c, kappa, outside, w->z);
}
/* One component and side of the layer along z in a row of several materials. */
FN void ends_edges(const Yee *y, const Row *w, real *f, real *psi, const real *p, int start, int lanes, int lane,
                   real sign) {
    const real *b = LAYER(y, 0, 2, 0) + lane, *c = LAYER(y, 0, 2, 1) + lane, *kappa = LAYER(y, 0, 2, 2) + lane;
    ROLLED for (int k = 0; k < lanes; k++) {
        const int at = start + k;
        const int id = at >= w->begin && at < w->end ? id_at(y, w->from + at) : w->one;
        const real d = p[at] - p[at - 1], now = layer_psi(b[k], c[k], psi[lane + k], d);
        psi[lane + k] = now;
        f[at] += layer_gain(sign * (y->medium.cb[id] * w->scale) * w->z[at], now, kappa[k], d);
    }
}
FN Row row_of_edges(const Yee *y, int c, int i, int j) {
    const Mesh *m = &y->mesh;
    const i64 row = ((i64)c * m->nx + i) * m->ny + j;
    Row w;
    const int *kind = y->rows.rows + 3 * (((i64)i * m->ny + j) * 3 + c);
    w.one = kind[0]; w.begin = kind[1]; w.end = kind[2];
    w.scale = FACTOR(y, 0, c, 0)[i] * FACTOR(y, 0, c, 1)[j];
    w.z = FACTOR(y, 0, c, 2);
    w.from = row * m->stride;
    return w;
}

FN void edge_row(const Yee *y, const Row *w, real *f, const real *p, const real *q, const real *r, const real *s, int n) {
    const real a = y->medium.ca[w->one], b = y->medium.cb[w->one] * w->scale;
    row_one(f, p, q, r, s, 0, w->begin, a, b, w->z);
    if (w->begin < w->end) {
        if (y->medium.wide)
            row_of_16(f, p, q, r, s, w->begin, w->end, y->medium.ids16 + w->from, y->medium.ca, y->medium.cb, w->scale, w->z);
        else
            row_of_8(f, p, q, r, s, w->begin, w->end, y->medium.ids8 + w->from, y->medium.ca, y->medium.cb, w->scale, w->z);
    }
    row_one(f, p, q, r, s, w->end, n, a, b, w->z);
}

/* Place in the layer of a position along x or y, or -1. */
FN int place(int at, int low, int high, int start) {
    return at < low ? at : high && at >= start ? at - start + low : -1;
}

/* What the absorbing layers add to E in row (i, j): places in those along x and y or -1, and whether along z too. */
ROWS void e_layers(const Yee *y, int i, int j, int qx, int qy, int ends) {
    const Mesh *m = &y->mesh;
    const int nx = m->nx, ny = m->ny, nz = m->nz, has_x = i < nx - 1, has_y = j < ny - 1;
    const i64 stride = m->stride, plane = y->plane, at = (i + 1) * plane + j * stride;
    const int low = m->lanes_low, lanes = low + m->lanes_high;
    const int deep_y = m->low_y + m->high_y, deep_x = m->low_x + m->high_x;
    real *ex = y->f.e + at, *ey = ex + m->component, *ez = ey + m->component;
    const real *hx = y->f.h + at, *hy = hx + m->component, *hz = hy + m->component;
    const Row w[3] = {row_of_edges(y, 0, i, j), row_of_edges(y, 1, i, j), row_of_edges(y, 2, i, j)};
    const Row *wx = w, *wy = w + 1, *wz = w + 2;
    if (qx >= 0) {
        const real b = LAYER(y, 0, 0, 0)[qx], c = LAYER(y, 0, 0, 1)[qx], kappa = LAYER(y, 0, 0, 2)[qx];
        real *psi_y = y->f.psi + m->psi_ex + ((i64)qx * ny + j) * stride, *psi_z = psi_y + (i64)deep_x * plane;
        if (has_y && wy->begin == wy->end && wz->begin == wz->end) {
            row_layers(ey, ez, psi_y, psi_z, hz, hy, plane, stride, b, c, kappa, -(y->medium.cb[wy->one] * wy->scale),
                       y->medium.cb[wz->one] * wz->scale, wy->z, wz->z);
        } else {
            if (has_y) layer_edges(y, wy, ey, psi_y, hz, hz - plane, nz, b, c, kappa, -1);
            layer_edges(y, wz, ez, psi_z, hy, hy - plane, nz - 1, b, c, kappa, 1);
        }
    }
    if (qy >= 0) {
        const real b = LAYER(y, 0, 1, 0)[qy], c = LAYER(y, 0, 1, 1)[qy], kappa = LAYER(y, 0, 1, 2)[qy];
        real *psi_z = y->f.psi + m->psi_ey + ((i64)i * deep_y + qy) * stride, *psi_x = psi_z + (i64)nx * deep_y * stride;
        if (has_x && wx->begin == wx->end && wz->begin == wz->end) {
            row_layers(ez, ex, psi_z, psi_x, hx, hz, stride, stride, b, c, kappa, -(y->medium.cb[wz->one] * wz->scale),
                       y->medium.cb[wx->one] * wx->scale, wz->z, wx->z);
        } else {
            layer_edges(y, wz, ez, psi_z, hx, hx - stride, nz - 1, b, c, kappa, -1);
            if (has_x) layer_edges(y, wx, ex, psi_x, hz, hz - stride, nz, b, c, kappa, 1);
        }
    }
    if (lanes && ends)
        for (int side = 0; side < 2; side++) {
            const int wide = side ? lanes - low : low, start = side ? end_of(nz) - wide : 0, lane = side ? low : 0;
            real *psi = y->f.psi + m->psi_ez + ((i64)i * ny + j) * lanes;
            if (has_x) ends_edges(y, wx, ex, psi, hy, start, wide, lane, -1);
            if (has_y) ends_edges(y, wy, ey, psi + (i64)nx * ny * lanes, hx, start, wide, lane, 1);
        }
}

FN_APART void e_rows(const Yee *y, int i, int j0, int j1) {
    const Mesh *m = &y->mesh;
    const int nx = m->nx, ny = m->ny, nz = m->nz;
    const i64 stride = m->stride, plane = y->plane, component = m->component;
    const int low = m->lanes_low, lanes = low + m->lanes_high;
    const int start = end_of(nz) - (lanes - low);
    const int qx = place(i, m->low_x, m->high_x, nx - m->high_x);
    const real *z01 = FACTOR(y, 0, 0, 2), *z2 = FACTOR(y, 0, 2, 2);
    for (int j = j0; j < j1; j++) {
        const i64 at = (i + 1) * plane + j * stride, row = (i64)i * ny + j;
        real *ex = y->f.e + at, *ey = ex + component, *ez = ey + component;
        const real *hx = y->f.h + at, *hy = hx + component, *hz = hy + component, *g = y->rows.gain + GAINS * row;
        const int *span = y->rows.span + SPAN * row;
        const int qy = place(j, m->low_y, m->high_y, ny - m->high_y);
        if (i == nx - 1 || j == ny - 1) {
            const Row x = row_of_edges(y, 0, i, j), v = row_of_edges(y, 1, i, j), z = row_of_edges(y, 2, i, j);
            if (i < nx - 1) edge_row(y, &x, ex, hz, hz - stride, hy, hy - 1, nz);
            if (j < ny - 1) edge_row(y, &v, ey, hx, hx - 1, hz, hz - plane, nz);
            edge_row(y, &z, ez, hy, hy - plane, hx, hx - stride, nz - 1);
            if (qx >= 0 || qy >= 0 || lanes) e_layers(y, i, j, qx, qy, 1);
            continue;
        }
        const i64 from = span[0], to = span[1];
        for (int part = 0; part < 2; part++) {
            const i64 a = part ? to : 0, b = part ? stride : from;
            if (a == b) continue;
            if (g[0] == 1 && g[1] == 1 && g[2] == 1)
                e_row_lossless(ex, ey, ez, hx, hy, hz, stride, plane, a, b, g[3], g[4], g[5], z01, z2);
            else
                e_row(ex, ey, ez, hx, hy, hz, stride, plane, a, b, g[0], g[1], g[2], g[3], g[4], g[5], z01, z2);
        }
        if (from < to && span[2] >= 0)
            e_row_dense(ex + from, ey + from, ez + from, hx + from, hy + from, hz + from, stride, plane, to - from,
                        y->rows.dense + (i64)span[2] * VECTOR * 6);
        else if (from < to) {
            const i64 id = row * stride, apart = nx * plane;
            const real sx = row_of_edges(y, 0, i, j).scale, sy = row_of_edges(y, 1, i, j).scale;
            const real sz = row_of_edges(y, 2, i, j).scale;
            if (y->medium.wide)
                e_row_of_16(ex, ey, ez, hx, hy, hz, stride, plane, from, to, y->medium.ids16 + id, apart, y->medium.ca, y->medium.cb, sx, sy,
                            sz, z01, z2);
            else
                e_row_of_8(ex, ey, ez, hx, hy, hz, stride, plane, from, to, y->medium.ids8 + id, apart, y->medium.ca, y->medium.cb, sx, sy,
                           sz, z01, z2);
        }
        const int plain = from == to || (from >= low && to <= start);
        if (qx >= 0 || qy >= 0 || !plain) e_layers(y, i, j, qx, qy, !plain);
        if (lanes && plain) {
            real *psi = y->f.psi + m->psi_ez + row * lanes;
            row_ends(ex, ey, psi, psi + (i64)nx * ny * lanes, hy, hx, 0, low, start, lanes, LAYER(y, 0, 2, 0),
                     m->widest, -g[3], g[4], z01);
        }
    }
}

/* The same for H. */
ROWS void h_layers(const Yee *y, int i, int j, int qx, int qy) {
    const Mesh *m = &y->mesh;
    const int nx = m->nx, ny = m->ny, nz = m->nz, has_x = i < nx - 1, has_y = j < ny - 1;
    const i64 stride = m->stride, plane = y->plane, at = (i + 1) * plane + j * stride;
    const int deep_y = m->low_y + m->high_y, deep_x = m->low_x + m->high_x;
    real *hx = y->f.h + at, *hy = hx + m->component, *hz = hy + m->component;
    const real *ex = y->f.e + at, *ey = ex + m->component, *ez = ey + m->component;
    const real *zx = FACTOR(y, 1, 0, 2), *zy = FACTOR(y, 1, 1, 2), *zz = FACTOR(y, 1, 2, 2);
    const real *g = y->rows.gain + GAINS * ((i64)i * ny + j) + 6;
    if (qx >= 0 && has_x) {
        const real b = LAYER(y, 1, 0, 0)[qx], c = LAYER(y, 1, 0, 1)[qx], kappa = LAYER(y, 1, 0, 2)[qx];
        real *psi = y->f.psi + m->psi_hx + ((i64)qx * ny + j) * stride;
        if (has_y)
            row_layers(hy, hz, psi, psi + (i64)deep_x * plane, ez + plane, ey + plane, plane, stride, b, c, kappa, g[1],
                       -g[2], zy, zz);
        else
            row_layer(hy, psi, ez + plane, ez, 0, nz - 1, b, c, kappa, g[1], zy);
    }
    if (qy >= 0 && has_y) {
        const real b = LAYER(y, 1, 1, 0)[qy], c = LAYER(y, 1, 1, 1)[qy], kappa = LAYER(y, 1, 1, 2)[qy];
        real *psi = y->f.psi + m->psi_hy + ((i64)i * deep_y + qy) * stride, *psi_x = psi + (i64)nx * deep_y * stride;
        if (has_x)
            row_layers(hz, hx, psi, psi_x, ex + stride, ez + stride, stride, stride, b, c, kappa, g[2], -g[0], zz, zx);
        else
            row_layer(hx, psi_x, ez + stride, ez, 0, nz - 1, b, c, kappa, -g[0], zx);
    }
}

FN_APART void h_rows(const Yee *y, int i, int j0, int j1) {
    const Mesh *m = &y->mesh;
    const int nx = m->nx, ny = m->ny, nz = m->nz;
    const i64 stride = m->stride, plane = y->plane, component = m->component;
    const int low = m->lanes_low, lanes = low + m->lanes_high;
    const int start = end_of(nz) - (lanes - low);
    const int qx = place(i, m->low_x, m->high_x, nx - 1 - m->high_x);
    const real *zx = FACTOR(y, 1, 0, 2), *zy = FACTOR(y, 1, 1, 2), *zz = FACTOR(y, 1, 2, 2), *b = LAYER(y, 1, 2, 0);
    for (int j = j0; j < j1; j++) {
        const i64 at = (i + 1) * plane + j * stride, row = (i64)i * ny + j;
        real *hx = y->f.h + at, *hy = hx + component, *hz = hy + component;
        const real *ex = y->f.e + at, *ey = ex + component, *ez = ey + component, *g = y->rows.gain + GAINS * row + 6;
        const int qy = place(j, m->low_y, m->high_y, ny - 1 - m->high_y);
        const int has_x = i < nx - 1, has_y = j < ny - 1;
        real *psi = y->f.psi + m->psi_hz + row * lanes, *far = psi + (i64)nx * ny * lanes;
        if (has_x && has_y) {
            h_row(hx, hy, hz, ex, ey, ez, stride, plane, -g[0], -g[1], -g[2], zx, zz);
        } else {
            if (has_y) row_one(hx, ez + stride, ez, ey + 1, ey, 0, nz - 1, 1, -g[0], zx);
            if (has_x) row_one(hy, ex + 1, ex, ez + plane, ez, 0, nz - 1, 1, -g[1], zy);
        }
        if (qx >= 0 || qy >= 0) h_layers(y, i, j, qx, qy);
        if (lanes && has_x && has_y) {
            row_ends(hx, hy, psi, far, ey, ex, 1, low, start, lanes, b, m->widest, g[0], -g[1], zx);
        } else if (lanes) {
            for (int lane = 0; lane < lanes; lane += VECTOR) {
                const int o = lane < low ? lane : start + lane - low;
                if (has_y) row_end(hx + o, psi + lane, ey + o, 1, VECTOR, b + lane, m->widest, g[0], zx + o);
                if (has_x) row_end(hy + o, far + lane, ex + o, 1, VECTOR, b + lane, m->widest, -g[1], zx + o);
            }
        }
    }
}

/* Running Fourier sums of planes [i0, i1) and rows [j0, j1); sample is the number of this sample. */
ROWS void dft_rows(const Yee *y, int magnetic, int i, int j0, int j1, i64 step) {
    const Mesh *m = &y->mesh;
    const i64 sample = (step + 1) / y->samples.every - (y->task.first_step + y->samples.every) / y->samples.every;
    for (int g = 0; g < y->samples.boxes; g++) {
        const i64 *box = y->samples.box + BOX * g;
        if (box[6 + magnetic] < 0 || i < box[0] || i >= box[3]) continue;
        const int from = j0 > box[1] ? j0 : (int)box[1], to = j1 < box[4] ? j1 : (int)box[4];
        const i64 wide = box[5] - box[2], rows = box[4] - box[1], size = (box[3] - box[0]) * rows * wide;
        for (int f = 0; f < y->samples.frequencies; f++) {
            const double *phase = y->task.phase + ((sample * y->samples.frequencies + f) * 2 + magnetic) * 2;
            const real re = (real)phase[0], im = (real)phase[1];
            for (int c = 0; c < 3; c++)
                ROLLED for (int j = from; j < to; j++) {
                    const i64 line = ((i64)(i - box[0]) * rows + (j - box[1])) * wide;
                    real *RESTRICT sum_re = y->f.dft + box[6 + magnetic] + ((i64)(2 * f) * 3 + c) * size + line;
                    real *RESTRICT sum_im = sum_re + 3 * size;
                    const real *x = (magnetic ? y->f.h : y->f.e) + c * m->component + (i + 1) * y->plane
                                    + j * m->stride + box[2];
                    ROLLED for (i64 k = 0; k < wide; k++) sum_re[k] += re * x[k], sum_im[k] += im * x[k];
                }
        }
    }
}

/* Row groups [r0, r1) of plane group g, one step: everything that happens to E there, and to H. */
#define FIRST(y, list, g, r) ((y)->groups.first[((list) * (y)->groups.planes + (g)) * ((y)->groups.rows + 1) + (r)])

/* Sources and elements of E; faces and sources of H. Apart, because most groups have none. */
ROWS void e_sparse(const Yee *y, int g, int r0, int r1, i64 from) {
    for (i64 t = FIRST(y, LIST_E, g, r0); t < FIRST(y, LIST_E, g, r1); t++)
        add_terms(t, y->terms, y->task.drive + from * y->terms.columns, y->f.e);
    for (i64 t = FIRST(y, LIST_BRANCHES, g, r0); t < FIRST(y, LIST_BRANCHES, g, r1); t++) {
        const i64 b = y->groups.branch[t], place_of = from * y->branches.count + b;
        branch_term(b, y->branches, y->task.source[place_of], y->f.state, y->f.e, y->f.record + 2 * place_of);
    }
}
ROWS void h_sparse(const Yee *y, int g, int r0, int r1, i64 from) {
    for (i64 t = FIRST(y, LIST_FACES, g, r0); t < FIRST(y, LIST_FACES, g, r1); t++)
        face_term(t, y->faces, y->f.e, y->f.h);
    for (i64 t = FIRST(y, LIST_H, g, r0); t < FIRST(y, LIST_H, g, r1); t++)
        add_terms(t, y->terms, y->task.drive + from * y->terms.columns, y->f.h);
}

/* Whether the fields of a step are added to the Fourier sums; mostly one comparison. */
FN int sampled(const Yee *y, i64 step) {
    const i64 past = step - y->task.first_step - y->to_sample;
    return past >= 0 && past % y->samples.every == 0;
}

FN_APART void e_block(const Yee *y, int g, int r0, int r1, i64 step) {
    const int j0 = y->groups.y[r0], j1 = y->groups.y[r1];
    for (int i = y->groups.x[g]; i < y->groups.x[g + 1]; i++) e_rows(y, i, j0, j1);
    if (y->groups.busy[g]) e_sparse(y, g, r0, r1, step - y->task.first_step);
    if (sampled(y, step))
        for (int i = y->groups.x[g]; i < y->groups.x[g + 1]; i++) dft_rows(y, 0, i, j0, j1, step);
}
FN_APART void h_block(const Yee *y, int g, int r0, int r1, i64 step) {
    const int j0 = y->groups.y[r0], j1 = y->groups.y[r1];
    for (int i = y->groups.x[g]; i < y->groups.x[g + 1]; i++) h_rows(y, i, j0, j1);
    if (y->groups.busy[g]) h_sparse(y, g, r0, r1, step - y->task.first_step);
    if (sampled(y, step))
        for (int i = y->groups.x[g]; i < y->groups.x[g + 1]; i++) dft_rows(y, 1, i, j0, j1, step);
}

FN int least(int a, int b) { return a < b ? a : b; }

/* A group of planes and one of rows at a step, where they are within the grid: E, or H one group behind in both. */
FN void both_blocks(const Yee *y, int g, int e_here, int h_here, int r, i64 step) {
    const int rows = y->groups.rows;
    if (e_here && r >= 0 && r < rows) e_block(y, g, r, r + 1, step);
    if (h_here && r >= 1 && r <= rows) h_block(y, g - 1, r - 1, r, step);
}

/* Chunk n of "chunks": E of groups [a + s, b - s), H of [a + s, b - s - 1) at step s; outer walls do not lean. A front
   runs over planes and rows, each step one group behind the step before, so that a row is taken through all steps while
   its neighbours are in the cache. Strips of rows lean the same way and run one after the other. */
FN_APART void chunk_walk(const Yee *y, int n, int chunks, int steps) {
    const int all = y->groups.planes, a = (int)((i64)n * all / chunks), b = (int)((i64)(n + 1) * all / chunks);
    const int rows = y->groups.rows + steps, width = y->task.strip;
    for (int strip = 0; strip < rows; strip += width)
        for (int front = a; front < b + steps; front++)
            for (int r = strip; r < least(strip + width, rows); r++)
                for (int s = 0; s < steps; s++) {
                    const int begin = n == 0 ? 0 : a + s, end = n == chunks - 1 ? all : b - s;
                    const int end_h = n == chunks - 1 ? all : b - s - 1, g = front - s;
                    both_blocks(y, g, g >= begin && g < end, g - 1 >= begin && g - 1 < end_h, r - s, y->task.first_step + s);
                }
}
/* Between chunks n and n + 1: E of [x - s, x + s), H of [x - s - 1, x + s). */
FN_APART void border_walk(const Yee *y, int n, int chunks, int steps) {
    const int x = (int)((i64)(n + 1) * y->groups.planes / chunks);
    const int rows = y->groups.rows + steps, width = y->task.strip;
    for (int strip = 0; strip < rows; strip += width)
        for (int s = 0; s < steps; s++)
            for (int r = strip; r < least(strip + width, rows); r++)
                for (int g = x - s; g <= x + s; g++)
                    both_blocks(y, g, g < x + s, 1, r - s, y->task.first_step + s);
}

/* Numbers too small for a normal float cost a hundred cycles each; ahead of a wave there are many. */
#if defined(__SSE__) && !defined(__CUDACC__) && !defined(__CUDACC_RTC__)
#  define FLUSH(call)                                                   \
    const unsigned int mode_before = __builtin_ia32_stmxcsr();          \
    __builtin_ia32_ldmxcsr(mode_before | 0x8040u);                      \
    call;                                                               \
    __builtin_ia32_ldmxcsr(mode_before)
#else
#  define FLUSH(call) call
#endif

FN_APART void walk_task(const Yee *y, int n, int count, int mode, int steps) {
    const i64 first = y->task.first_step;
    const int all = y->groups.rows;
    FLUSH(
        if (mode == 0) e_block(y, n, 0, all, first + steps);
        else if (mode == 1) h_block(y, n, 0, all, first + steps);
        else if (mode == 2) chunk_walk(y, n, count, steps);
        else border_walk(y, n, count + 1, steps)
    );
}

FN void walk_index(int n, int count, Yee y) { walk_task(&y, n, count, y.task.mode, y.task.steps); }

KERNEL1(walk, walk_index((int)i, (int)n0, yee_of(task, mesh, medium, rows, groups, terms, faces, branches, samples, fields)),
        Task task, Mesh mesh, Medium medium, Rows rows, Groups groups, Terms terms, Faces faces, Branches branches,
        Samples samples, Fields fields)
