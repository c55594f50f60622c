/* Sums over charged triangles: potential 1/R and field (r - r')/R^3 without the factor 1/(4 pi).
   Far apart a triangle is a point at its centroid ("potential_*", "field_*", "normal_*": all pairs; "joint_*": all pairs of
   one set of points, each looked at once); close by its integral is taken in closed form ("near": a list of pairs). See
   docs/theory/bem.md for the equations. */
#include "common.cuh"

/* One index of the sums is a tile of TILE targets and one part of the sources. A thread of a GPU takes one target; a CPU
   takes them in vectors V of LANES, and adds up CHUNK sources in `real` before it goes to double. */
#define TILE 32
#define CHUNK 256
#define REAL_IS_float 1
#define REAL_IS_double 0
#define REAL_IS_(name) REAL_IS_##name
#define REAL_IS(name) REAL_IS_(name)
#define SINGLE REAL_IS(real)

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
typedef real V;
#  define LANES 1
#  define VECTORS 1
#  define POINT(t, w, tiles) ((t) + (i64)(w) * (tiles))
FN V load(const real *at) { return *at; }
FN void store(double *to, V a) { *to += (double)a; }
FN V spread(real a) { return a; }
FN V madd(V a, V b, V c) { return fma(a, b, c); }
FN V larger(V a, V b) { return a > b ? a : b; }
FN float root(float x) { return rsqrtf(x); }
FN double root(double x) { return rsqrt(x); }
FN V root_cube(V x) {
    const V s = root(x);
    return s * s * s;
}

#else
#  include <string.h>
#  if defined(__AVX512F__)
#    include <immintrin.h>
#    define BYTES 64
#  elif defined(__AVX2__) && defined(__FMA__)
#    include <immintrin.h>
#    define BYTES 32
#  else
#    define BYTES 16
#  endif
typedef real V __attribute__((vector_size(BYTES)));
#  define LANES ((int)(BYTES / sizeof(real)))
/* Vectors of targets that share a load of a source: what registers hold. */
#  define VECTORS (TILE / LANES < 2 ? 1 : 2)
#  define POINT(t, w, tiles) ((void)(tiles), (t) * TILE + (w))
FN V load(const real *at) {
    V a;
    memcpy(&a, at, sizeof a);
    return a;
}
FN void store(double *to, V a) {
    for (int w = 0; w < LANES; w++) to[w] += (double)a[w];
}
FN V spread(real a) { return a - (V){0}; }
#  if BYTES == 64 && SINGLE
FN V madd(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
FN V larger(V a, V b) { return _mm512_max_ps(a, b); }
/* 1/sqrt(x) from 14 bits and a Newton step (error 3e-9 before rounding), and its cube likewise (3e-8). */
#    define ROOT 2.0f
#    define CUBE (2.0f / 3.0f)
FN V root(V x) {
    const V y = _mm512_rsqrt14_ps(x);
    return y * _mm512_fnmadd_ps(x * y, y, spread(3.0f));
}
FN V root_cube(V x) {
    const V y = _mm512_rsqrt14_ps(x), u = y * y;
    return (y * u) * _mm512_fnmadd_ps(x, u, spread(5.0f / 3.0f));
}
#  elif BYTES == 64
FN V madd(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
FN V larger(V a, V b) { return _mm512_max_pd(a, b); }
FN V root(V x) {
    V y = _mm512_rsqrt14_pd(x);
    y = (spread(0.5) * y) * _mm512_fnmadd_pd(x * y, y, spread(3.0));
    return (spread(0.5) * y) * _mm512_fnmadd_pd(x * y, y, spread(3.0));
}
FN V root_cube(V x) {
    const V s = root(x);
    return s * s * s;
}
#  else
#    if BYTES == 32 && SINGLE
FN V madd(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
FN V larger(V a, V b) { return _mm256_max_ps(a, b); }
/* 12 bits and a Newton step: error 2e-7. */
FN V root(V x) {
    const V y = _mm256_rsqrt_ps(x);
    return (spread(0.5f) * y) * _mm256_fnmadd_ps(x * y, y, spread(3.0f));
}
#    else
#      if BYTES == 32
FN V madd(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
FN V larger(V a, V b) { return _mm256_max_pd(a, b); }
#      else
FN V madd(V a, V b, V c) { return a * b + c; }
FN V larger(V a, V b) {
    for (int w = 0; w < LANES; w++) a[w] = a[w] > b[w] ? a[w] : b[w];
    return a;
}
#      endif
/* 1/sqrt(x) without a division: a guess from the exponent, then Newton steps, in single precision two with factors that
   balance their error (5e-7 after them). */
#      if SINGLE
typedef u32 U __attribute__((vector_size(BYTES)));
FN V root(V x) {
    V y = (V)(0x5f340000u - ((U)x >> 1));
    y *= 1.52543964f - 0.52504221f * x * y * y;
    return y * (1.50000055f - 0.50000008f * x * y * y);
}
#      else
typedef unsigned long long U __attribute__((vector_size(BYTES)));
FN V root(V x) {
    V y = (V)(0x5fe6eb50c7b537a9ull - ((U)x >> 1));
    for (int step = 0; step < 4; step++) y *= 1.5 - 0.5 * x * y * y;
    return y;
}
#      endif
#    endif
FN V root_cube(V x) {
    const V s = root(x);
    return s * s * s;
}
#  endif
#endif

/* What root and root_cube return over 1/sqrt(x) and its cube: factors that charges take up, once for many targets. */
#ifndef ROOT
#  define ROOT 1
#  define CUBE 1
#endif

/* The potential has the mean over a source and a target in one plane to the next order: 1/R + m/R^3 with m = size^2/24 of
   an equilateral triangle. */
#define MOMENT (2.0 / 3.0) /* m over the least square distance, which is size^2/16 */

#define POTENTIAL 0
#define FIELD 1
#define NORMAL 2

/* targets (3, n), with the normal (6, n); sources (m, 4): centroid and the least square distance that counts; q (m, D);
   out (parts, D or 3D, n) */
FN void sum_tile(i64 i, i64 n, i64 m, i64 parts, const real *RESTRICT targets, const real *RESTRICT sources,
                 const real *RESTRICT q, double *RESTRICT out, const int D, const int what) {
    const i64 tiles = (n + TILE - 1) / TILE, t = i % tiles, part = i / tiles;
    const i64 share = (m + parts - 1) / parts, first = part * share, last = first + share < m ? first + share : m;
    const int rows = what == FIELD ? 3 * D : D, given = what == NORMAL ? 6 : 3;
    for (int start = 0; start < TILE; start += LANES * VECTORS) {
        V p[6][VECTORS];
        double total[9][LANES * VECTORS];
        for (int c = 0; c < given; c++)
            for (int v = 0; v < VECTORS; v++) {
                real here[LANES];
                for (int w = 0; w < LANES; w++) {
                    i64 at = POINT(t, start + v * LANES + w, tiles);
                    here[w] = targets[c * n + (at < n ? at : n - 1)];
                }
                p[c][v] = load(here);
            }
        for (int d = 0; d < rows; d++)
            for (int w = 0; w < LANES * VECTORS; w++) total[d][w] = 0;
        for (i64 low = first; low < last; low += CHUNK) {
            const i64 high = low + CHUNK < last ? low + CHUNK : last;
            V sum[9][VECTORS];
            for (int d = 0; d < rows; d++)
                for (int v = 0; v < VECTORS; v++) sum[d][v] = spread(0);
            for (i64 j = low; j < high; j++) {
                const real *s = sources + 4 * j, *qj = q + j * D;
                const V X = spread(s[0]), Y = spread(s[1]), Z = spread(s[2]), least = spread(s[3]);
                const V moment = spread((real)(MOMENT / ROOT / ROOT) * s[3]);
                for (int v = 0; v < VECTORS; v++) {
                    const V x = p[0][v] - X, y = p[1][v] - Y, z = p[2][v] - Z;
                    const V R2 = larger(madd(x, x, madd(y, y, z * z)), least);
                    if (what == NORMAL) {
                        const V n_d = madd(x, p[3][v], madd(y, p[4][v], z * p[5][v])), w = root_cube(R2) * n_d;
                        for (int d = 0; d < D; d++) sum[d][v] = madd(spread(qj[d] * (real)(1.0 / CUBE)), w, sum[d][v]);
                    } else if (what == FIELD) {
                        const V cube = root_cube(R2);
                        for (int d = 0; d < D; d++) {
                            const V charge = spread(qj[d] * (real)(1.0 / CUBE)) * cube;
                            sum[3 * d][v] = madd(charge, x, sum[3 * d][v]);
                            sum[3 * d + 1][v] = madd(charge, y, sum[3 * d + 1][v]);
                            sum[3 * d + 2][v] = madd(charge, z, sum[3 * d + 2][v]);
                        }
                    } else {
                        const V a = root(R2), w = madd(moment * a, a * a, a);
                        for (int d = 0; d < D; d++) sum[d][v] = madd(spread(qj[d] * (real)(1.0 / ROOT)), w, sum[d][v]);
                    }
                }
            }
            for (int d = 0; d < rows; d++)
                for (int v = 0; v < VECTORS; v++) store(total[d] + v * LANES, sum[d][v]);
        }
        for (int w = 0; w < LANES * VECTORS; w++) {
            const i64 at = POINT(t, start + w, tiles);
            if (at >= n) continue;
            for (int d = 0; d < rows; d++) out[(part * rows + d) * n + at] = total[d][w];
        }
    }
}

KERNEL1(potential_1, sum_tile(i, n, m, parts, targets, sources, q, out, 1, POTENTIAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(potential_3, sum_tile(i, n, m, parts, targets, sources, q, out, 3, POTENTIAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(potential_9, sum_tile(i, n, m, parts, targets, sources, q, out, 9, POTENTIAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(field_1, sum_tile(i, n, m, parts, targets, sources, q, out, 1, FIELD), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(field_3, sum_tile(i, n, m, parts, targets, sources, q, out, 3, FIELD), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(normal_1, sum_tile(i, n, m, parts, targets, sources, q, out, 1, NORMAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(normal_2, sum_tile(i, n, m, parts, targets, sources, q, out, 2, NORMAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(normal_4, sum_tile(i, n, m, parts, targets, sources, q, out, 4, NORMAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(normal_8, sum_tile(i, n, m, parts, targets, sources, q, out, 8, NORMAL), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)

/* Normal fields of points among themselves: a pair's distance serves both ways. JOINT points meet all those before them and
   add up what these do to them in vectors, one per point and row, to be put together every SPAN points; among themselves
   they meet as in sum_tile. One density adds up three components, of which the normal one is taken in the end: that takes
   fewer operations; more take the normal component of every distance. */
#define JOINT 128
#define SPAN (32 * LANES * VECTORS)
#define MOST 8

FN V points_at(const real *RESTRICT values, i64 start, i64 n) {
    real here[LANES];
    if (start + LANES <= n) return load(values + start);
    for (int w = 0; w < LANES; w++) here[w] = values[start + w < n ? start + w : n - 1];
    return load(here);
}

FN double lanes(V a) {
    double each[LANES], sum = 0;
    for (int w = 0; w < LANES; w++) each[w] = 0;
    store(each, a);
    for (int w = 0; w < LANES; w++) sum += each[w];
    return sum;
}

/* LANES * VECTORS points from `start` on, and those from `first` to `last`: to = what those do to them, back the other way */
FN void meet(i64 start, i64 first, i64 last, i64 n, const real *RESTRICT targets, const real *RESTRICT sources,
             const real *RESTRICT q, const real *RESTRICT across, double *RESTRICT to, V *RESTRICT back,
             const int D, const int both) {
    const int rows = D == 1 ? 3 : D;
    V p[6][VECTORS], charge[MOST][VECTORS], sum[MOST][VECTORS];
    for (int v = 0; v < VECTORS; v++) {
        for (int c = 0; c < 6; c++) p[c][v] = points_at(targets + c * n, start + v * LANES, n);
        if (both)
            for (int d = 0; d < D; d++) charge[d][v] = spread(0) - points_at(across + d * n, start + v * LANES, n);
        for (int r = 0; r < rows; r++) sum[r][v] = spread(0);
    }
    for (i64 j = first; j < last; j++) {
        const real *s = sources + 4 * j, *qj = q + j * D, *nj = targets + 3 * n + j;
        const V X = spread(s[0]), Y = spread(s[1]), Z = spread(s[2]), least = spread(s[3]);
        V here[MOST];
        if (both)
            for (int r = 0; r < rows; r++) here[r] = back[(j - first) * rows + r];
        for (int v = 0; v < VECTORS; v++) {
            const V x = p[0][v] - X, y = p[1][v] - Y, z = p[2][v] - Z;
            const V cube = root_cube(larger(madd(x, x, madd(y, y, z * z)), least));
            if (D == 1) {
                const V out = spread(qj[0]) * cube;
                sum[0][v] = madd(out, x, sum[0][v]);
                sum[1][v] = madd(out, y, sum[1][v]);
                sum[2][v] = madd(out, z, sum[2][v]);
                if (both) {
                    const V in = charge[0][v] * cube;
                    here[0] = madd(in, x, here[0]);
                    here[1] = madd(in, y, here[1]);
                    here[2] = madd(in, z, here[2]);
                }
            } else {
                const V out = cube * madd(x, p[3][v], madd(y, p[4][v], z * p[5][v]));
                for (int d = 0; d < D; d++) sum[d][v] = madd(spread(qj[d]), out, sum[d][v]);
                if (both) {
                    const V in = cube * madd(x, spread(nj[0]), madd(y, spread(nj[n]), z * spread(nj[2 * n])));
                    for (int d = 0; d < D; d++) here[d] = madd(charge[d][v], in, here[d]);
                }
            }
        }
        if (both)
            for (int r = 0; r < rows; r++) back[(j - first) * rows + r] = here[r];
    }
    for (int v = 0; v < VECTORS; v++) {
        if (D == 1) sum[0][v] = madd(sum[0][v], p[3][v], madd(sum[1][v], p[4][v], sum[2][v] * p[5][v]));
        for (int d = 0; d < D; d++) {
            const V scaled = sum[d][v] * spread((real)(1.0 / CUBE));
            double *mine = to + d * n + start + v * LANES, some[LANES];
            if (start + (v + 1) * LANES <= n) {
                store(mine, scaled);
            } else {
                for (int w = 0; w < LANES; w++) some[w] = 0;
                store(some, scaled);
                for (int w = 0; start + v * LANES + w < n; w++) mine[w] += some[w];
            }
        }
    }
}

/* targets (6, n): points and normals; sources (n, 4); q (n, D), across (D, n): charges both ways round; out (parts, D, n) */
FN void sum_joint(i64 i, i64 n, i64 parts, const real *RESTRICT targets, const real *RESTRICT sources,
                  const real *RESTRICT q, const real *RESTRICT across, double *RESTRICT out, const int D) {
    const int rows = D == 1 ? 3 : D;
    double *to = out + i * D * n;
    V back[JOINT * MOST];
    for (i64 k = 0; k < D * n; k++) to[k] = 0;
    for (i64 first = i * JOINT; first < n; first += parts * JOINT) {
        const i64 last = first + JOINT < n ? first + JOINT : n;
        for (i64 low = 0; low < first; low += SPAN) {
            const i64 high = low + SPAN < first ? low + SPAN : first;
            for (int k = 0; k < JOINT * rows; k++) back[k] = spread(0);
            for (i64 start = low; start < high; start += LANES * VECTORS)
                meet(start, first, last, n, targets, sources, q, across, to, back, D, 1);
            for (i64 j = first; j < last; j++) {
                const real *nj = targets + 3 * n + j;
                double all[MOST];
                for (int r = 0; r < rows; r++) all[r] = lanes(back[(j - first) * rows + r]) / CUBE;
                if (D == 1) all[0] = all[0] * nj[0] + all[1] * nj[n] + all[2] * nj[2 * n];
                for (int d = 0; d < D; d++) to[d * n + j] += all[d];
            }
        }
        for (i64 start = first; start < last; start += LANES * VECTORS)
            meet(start, first, last, n, targets, sources, q, across, to, back, D, 0);
    }
}

KERNEL1(joint_1, sum_joint(i, n, parts, targets, sources, q, across, out, 1), i64 n, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, const real *RESTRICT across,
        double *RESTRICT out)
KERNEL1(joint_2, sum_joint(i, n, parts, targets, sources, q, across, out, 2), i64 n, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, const real *RESTRICT across,
        double *RESTRICT out)
KERNEL1(joint_4, sum_joint(i, n, parts, targets, sources, q, across, out, 4), i64 n, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, const real *RESTRICT across,
        double *RESTRICT out)
KERNEL1(joint_8, sum_joint(i, n, parts, targets, sources, q, across, out, 8), i64 n, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, const real *RESTRICT across,
        double *RESTRICT out)

/* Potential and field at a point r of a triangle v of density `value`, or the field alone of value + slope . (r' - centre). */
FN double panel(const double *RESTRICT r, const double *RESTRICT v, double value, const double *RESTRICT slope,
                double *RESTRICT field) {
    double a[3][3], R[3], e[3][3], length[3], n[3], f[3], u[3][3], distance[3], edges[3] = {0, 0, 0}, potential = 0;
    for (int k = 0; k < 3; k++) {
        for (int c = 0; c < 3; c++) {
            a[k][c] = v[3 * k + c] - r[c];
            e[k][c] = v[3 * ((k + 1) % 3) + c] - v[3 * k + c];
        }
        R[k] = sqrt(a[k][0] * a[k][0] + a[k][1] * a[k][1] + a[k][2] * a[k][2]);
        length[k] = sqrt(e[k][0] * e[k][0] + e[k][1] * e[k][1] + e[k][2] * e[k][2]);
    }
    for (int c = 0; c < 3; c++) {
        const int d = (c + 1) % 3, g = (c + 2) % 3;
        n[c] = e[0][d] * e[1][g] - e[0][g] * e[1][d];
    }
    const double area2 = sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    for (int c = 0; c < 3; c++) n[c] /= area2;
    const double height = -(a[0][0] * n[0] + a[0][1] * n[1] + a[0][2] * n[2]);
    for (int k = 0; k < 3; k++) {
        const int l = (k + 1) % 3;
        distance[k] = 0;
        for (int c = 0; c < 3; c++) { /* outward normal of the edge in the plane of the triangle */
            const int d = (c + 1) % 3, g = (c + 2) % 3;
            u[k][c] = (e[k][d] * n[g] - e[k][g] * n[d]) / length[k];
            distance[k] += a[k][c] * u[k][c];
        }
        double ratio = length[k] / (R[k] + R[l]);
        ratio = ratio < 1.0 - 1e-14 ? ratio : 1.0 - 1e-14;
        f[k] = log((1.0 + ratio) / (1.0 - ratio));
        potential += distance[k] * f[k];
        for (int c = 0; c < 3; c++) edges[c] += u[k][c] * f[k];
    }
    double angle = 0; /* solid angle, positive above the triangle; its mean of both sides, 0, within the plane */
    if (fabs(height) > 1e-9 * sqrt(area2)) {
        const double triple = height * area2;
        double dots = R[0] * R[1] * R[2];
        for (int k = 0; k < 3; k++) {
            const int l = (k + 1) % 3;
            dots += (a[k][0] * a[l][0] + a[k][1] * a[l][1] + a[k][2] * a[l][2]) * R[(k + 2) % 3];
        }
        angle = 2.0 * atan2(triple, dots);
    }
    potential -= height * angle;
    if (!slope) {
        for (int c = 0; c < 3; c++) field[c] = value * (edges[c] + n[c] * angle);
        return value * potential;
    }
    /* r' - centre is the foot of r minus the centre, and what is left within the plane */
    double steep = 0, edge = 0, at_foot = value;
    for (int c = 0; c < 3; c++) {
        steep += n[c] * slope[c];
        edge += edges[c] * slope[c];
        at_foot -= slope[c] * (height * n[c] + (a[0][c] + a[1][c] + a[2][c]) / 3.0);
    }
    for (int c = 0; c < 3; c++)
        field[c] = at_foot * (edges[c] + n[c] * angle) - height * n[c] * edge - (slope[c] - n[c] * steep) * potential;
    for (int k = 0; k < 3; k++) {
        double across = 0, along = 0;
        for (int c = 0; c < 3; c++) {
            across += u[k][c] * slope[c];
            along += e[k][c] * slope[c];
        }
        const double weight = distance[k] * f[k] * across + along / length[k] * (R[(k + 1) % 3] - R[k]);
        for (int c = 0; c < 3; c++) field[c] += u[k][c] * weight;
    }
    return 0;
}

/* Potential and field at points (n, 3) of triangles (m, 9), each of unit charge density, for pairs of both: out (4, pairs) */
FN void near_pair(i64 i, i64 pairs, const i64 *RESTRICT point, const i64 *RESTRICT triangle,
                  const double *RESTRICT points, const double *RESTRICT triangles, double *RESTRICT out) {
    double field[3];
    out[i] = panel(points + 3 * point[i], triangles + 9 * triangle[i], 1.0, 0, field);
    for (int c = 0; c < 3; c++) out[(c + 1) * pairs + i] = field[c];
}

KERNEL1(near, near_pair(i, n0, point, triangle, points, triangles, out), const i64 *RESTRICT point,
        const i64 *RESTRICT triangle, const double *RESTRICT points, const double *RESTRICT triangles,
        double *RESTRICT out)

/* Field at points of densities that are linear over triangles, (m, 4): at the centre, and the slope; for pairs: out (3, pairs) */
FN void near_linear_pair(i64 i, i64 pairs, const i64 *RESTRICT point, const i64 *RESTRICT triangle,
                         const double *RESTRICT points, const double *RESTRICT triangles,
                         const double *RESTRICT density, double *RESTRICT out) {
    const double *q = density + 4 * triangle[i];
    double field[3];
    panel(points + 3 * point[i], triangles + 9 * triangle[i], q[0], q + 1, field);
    for (int c = 0; c < 3; c++) out[c * pairs + i] = field[c];
}

KERNEL1(near_linear, near_linear_pair(i, n0, point, triangle, points, triangles, density, out),
        const i64 *RESTRICT point, const i64 *RESTRICT triangle, const double *RESTRICT points,
        const double *RESTRICT triangles, const double *RESTRICT density, double *RESTRICT out)

/* Add a sparse matrix of K kinds, rows of `index` from start[i] to start[i + 1], times q (m, D): out (D, K, n) */
FN void add_row(i64 i, i64 n, i64 entries, int D, int K, const i64 *RESTRICT start, const int *RESTRICT index,
                const real *RESTRICT values, const real *RESTRICT q, double *RESTRICT out) {
    for (int d = 0; d < D; d++)
        for (int k = 0; k < K; k++) {
            double sum = 0;
            for (i64 e = start[i]; e < start[i + 1]; e++) sum += (double)values[k * entries + e] * q[(i64)index[e] * D + d];
            out[((i64)d * K + k) * n + i] += sum;
        }
}

KERNEL1(add_rows, add_row(i, n0, entries, D, K, start, index, values, q, out), i64 entries, int D, int K,
        const i64 *RESTRICT start, const int *RESTRICT index, const real *RESTRICT values, const real *RESTRICT q,
        double *RESTRICT out)
