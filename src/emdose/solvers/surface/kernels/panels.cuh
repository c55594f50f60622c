/* Sums over charged triangles: potential 1/R and field (r - r')/R^3 without the factor 1/(4 pi).
   Far apart a triangle is a point at its centroid ("potential_*", "field_*": all pairs); close by its integral is taken in
   closed form ("near": a list of pairs). See docs/theory/bem.md for the equations. */
#include "common.cuh"

/* One index of the sums is a tile of TILE targets and one part of the sources; a CPU walks a tile in step, so that its
   arithmetic vectorises, and adds up CHUNK sources in `real` before it goes to double. */
#define TILE 32
#define CHUNK 256
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STEP 1
#  define POINT(t, w, tiles) ((t) + (i64)(w) * (tiles))
#else
#  define STEP TILE
#  define POINT(t, w, tiles) ((void)(tiles), (t) * TILE + (w))
#endif

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define MADD(a, b, c) fma(a, b, c)
FN float root(float x) { return rsqrtf(x); }
FN double root(double x) { return rsqrt(x); }
#else
#  if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#    define MADD(a, b, c) (sizeof(real) == 4 ? (real)fmaf((float)(a), (float)(b), (float)(c)) : (real)fma(a, b, c))
#  else
#    define MADD(a, b, c) ((a) * (b) + (c))
#  endif
/* 1/sqrt(x) without a division: a guess from the exponent, then Newton steps, the first two with factors that balance
   their error (5e-7 after them). */
FN float root_guess(float x) {
    union { float f; u32 u; } v;
    v.f = x;
    v.u = 0x5f340000u - (v.u >> 1);
    v.f *= 1.52543964f - 0.52504221f * x * v.f * v.f;
    return v.f * (1.50000055f - 0.50000008f * x * v.f * v.f);
}
FN real root(real x) {
    if (sizeof(real) == 4) return (real)root_guess((float)x);
    const double X = x;
    double y = root_guess((float)x);
    y *= 1.5 - 0.5 * X * y * y;
    return (real)(y * (1.5 - 0.5 * X * y * y));
}
#endif

/* Weights of one source at STEP targets: 1/R, or the components of (r - r')/R^3. The potential has the mean over a source
   and a target in one plane to the next order: 1/R + m/R^3 with m = size^2/24 of an equilateral triangle. */
#define MOMENT (2.0 / 3.0) /* m over the least square distance, which is size^2/16 */
FN void weights(const real *RESTRICT source, real p[3][STEP], real *RESTRICT w0, real *RESTRICT w1, real *RESTRICT w2,
                const int field) {
    const real X = source[0], Y = source[1], Z = source[2], least = source[3];
    for (int w = 0; w < STEP; w++) {
        const real x = p[0][w] - X, y = p[1][w] - Y, z = p[2][w] - Z;
        const real R2 = MADD(x, x, MADD(y, y, z * z)), s = root(R2 > least ? R2 : least);
        if (field) {
            const real cube = s * s * s;
            w0[w] = cube * x;
            w1[w] = cube * y;
            w2[w] = cube * z;
        } else
            w0[w] = MADD((real)MOMENT * least * s, s * s, s);
    }
}

/* targets (3, n); sources (m, 4): centroid and the least square distance that counts; q (m, D); out (parts, D or 3D, n) */
FN void sum_tile(i64 i, i64 n, i64 m, i64 parts, const real *RESTRICT targets, const real *RESTRICT sources,
                 const real *RESTRICT q, double *RESTRICT out, const int D, const int field) {
    const i64 tiles = (n + TILE - 1) / TILE, t = i % tiles, part = i / tiles;
    const i64 share = (m + parts - 1) / parts, first = part * share, last = first + share < m ? first + share : m;
    const int kinds = field ? 3 : 1, rows = kinds * D;
    for (int start = 0; start < TILE; start += STEP) {
        real p[3][STEP];
        double total[9][STEP];
        for (int w = 0; w < STEP; w++) {
            i64 at = POINT(t, start + w, tiles);
            at = at < n ? at : n - 1;
            for (int c = 0; c < 3; c++) p[c][w] = targets[c * n + at];
        }
        for (int d = 0; d < rows; d++)
            for (int w = 0; w < STEP; w++) total[d][w] = 0;
        for (i64 low = first; low < last; low += CHUNK) {
            const i64 high = low + CHUNK < last ? low + CHUNK : last;
            real sum[9][STEP];
            for (int d = 0; d < rows; d++)
                for (int w = 0; w < STEP; w++) sum[d][w] = 0;
            i64 j = low;
            for (; j + 4 <= high; j += 4) { /* four sources for one load of the sums */
                real s[4][3][STEP];
                for (int g = 0; g < 4; g++) weights(sources + 4 * (j + g), p, s[g][0], s[g][1], s[g][2], field);
                for (int d = 0; d < D; d++) {
                    const real a = q[j * D + d], b = q[(j + 1) * D + d], c = q[(j + 2) * D + d], e = q[(j + 3) * D + d];
                    for (int k = 0; k < kinds; k++) {
                        real *RESTRICT to = sum[kinds * d + k];
                        for (int w = 0; w < STEP; w++)
                            to[w] = MADD(a, s[0][k][w], MADD(b, s[1][k][w], MADD(c, s[2][k][w], MADD(e, s[3][k][w], to[w]))));
                    }
                }
            }
            for (; j < high; j++) {
                real s[3][STEP];
                weights(sources + 4 * j, p, s[0], s[1], s[2], field);
                for (int d = 0; d < D; d++)
                    for (int k = 0; k < kinds; k++)
                        for (int w = 0; w < STEP; w++)
                            sum[kinds * d + k][w] = MADD(q[j * D + d], s[k][w], sum[kinds * d + k][w]);
            }
            for (int d = 0; d < rows; d++)
                for (int w = 0; w < STEP; w++) total[d][w] += sum[d][w];
        }
        for (int w = 0; w < STEP; w++) {
            const i64 at = POINT(t, start + w, tiles);
            if (at >= n) continue;
            for (int d = 0; d < rows; d++) out[(part * rows + d) * n + at] = total[d][w];
        }
    }
}

KERNEL1(potential_1, sum_tile(i, n, m, parts, targets, sources, q, out, 1, 0), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(potential_3, sum_tile(i, n, m, parts, targets, sources, q, out, 3, 0), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(potential_9, sum_tile(i, n, m, parts, targets, sources, q, out, 9, 0), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(field_1, sum_tile(i, n, m, parts, targets, sources, q, out, 1, 1), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)
KERNEL1(field_3, sum_tile(i, n, m, parts, targets, sources, q, out, 3, 1), i64 n, i64 m, i64 parts,
        const real *RESTRICT targets, const real *RESTRICT sources, const real *RESTRICT q, double *RESTRICT out)

/* Potential and field at a point r of a triangle v of unit charge density; `linear` (unless 0) gets the field of the
   densities (r' - centre)_a, entry 3 c + a its component c. */
FN double panel(const double *RESTRICT r, const double *RESTRICT v, double *RESTRICT field, double *RESTRICT linear) {
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
    for (int c = 0; c < 3; c++) field[c] = edges[c] + n[c] * angle;
    if (linear)
        for (int c = 0; c < 3; c++)
            for (int b = 0; b < 3; b++) {
                /* r' - centre is the foot of r minus the centre, and what is left within the plane */
                const double foot = -height * n[b] - (a[0][b] + a[1][b] + a[2][b]) / 3.0;
                double sum = field[c] * foot - height * n[c] * edges[b] - ((c == b ? 1.0 : 0.0) - n[c] * n[b]) * potential;
                for (int k = 0; k < 3; k++)
                    sum += u[k][c] * (distance[k] * u[k][b] * f[k] + e[k][b] / length[k] * (R[(k + 1) % 3] - R[k]));
                linear[3 * c + b] = sum;
            }
    return potential;
}

/* Potential and field at points (n, 3) of triangles (m, 9), each of unit charge density, for pairs of both: out (4, pairs) */
FN void near_pair(i64 i, i64 pairs, const i64 *RESTRICT point, const i64 *RESTRICT triangle,
                  const double *RESTRICT points, const double *RESTRICT triangles, double *RESTRICT out) {
    double field[3];
    out[i] = panel(points + 3 * point[i], triangles + 9 * triangle[i], field, 0);
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
    double field[3], linear[9];
    panel(points + 3 * point[i], triangles + 9 * triangle[i], field, linear);
    for (int c = 0; c < 3; c++)
        out[c * pairs + i] = field[c] * q[0] + linear[3 * c] * q[1] + linear[3 * c + 1] * q[2] + linear[3 * c + 2] * q[3];
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
