/* Seven-point conduction on voxels, for a multigrid preconditioner. x, b, out are (ports, nx, ny, nz); the first index of
   a kernel runs over ports and x together, n0 = ports nx. g is (3, nx, ny, nz): the conductance between a cell and the
   one below it along each axis, zero at the low ends; ground is that to a place of potential zero, (nx, ny, nz). dinv is one over the sum of the seven, zero where there is no cell.
   Coarse cells hold two cells of the finer level along every axis. */
#include "common.cuh"

FN real outflow(i64 e, int i, int j, int k, int nx, int n1, int n2, const real *RESTRICT g,
                const real *RESTRICT ground, const real *RESTRICT x, i64 base) {
    const i64 sx = (i64)n1 * n2, step = sx * nx;
    const real *v = x + base + e;
    const real here = v[0];
    real sum = ground[e] * here;
    if (i > 0) sum += g[e] * (here - v[-sx]);
    if (i + 1 < nx) sum += g[e + sx] * (here - v[sx]);
    if (j > 0) sum += g[step + e] * (here - v[-n2]);
    if (j + 1 < n1) sum += g[step + e + n2] * (here - v[n2]);
    if (k > 0) sum += g[2 * step + e] * (here - v[-1]);
    if (k + 1 < n2) sum += g[2 * step + e + 1] * (here - v[1]);
    return sum;
}

/* out <- A x */
FN void conduct_cell(int n, int j, int k, int n1, int n2, int nx, const real *RESTRICT g,
                     const real *RESTRICT ground, const real *RESTRICT x, real *RESTRICT out) {
    const int p = n / nx, i = n - p * nx;
    const i64 e = ((i64)i * n1 + j) * n2 + k, base = (i64)p * nx * n1 * n2;
    out[base + e] = outflow(e, i, j, k, nx, n1, n2, g, ground, x, base);
}

/* out <- b - A x */
FN void residual_cell(int n, int j, int k, int n1, int n2, int nx, const real *RESTRICT g,
                      const real *RESTRICT ground, const real *RESTRICT b, const real *RESTRICT x, real *RESTRICT out) {
    const int p = n / nx, i = n - p * nx;
    const i64 e = ((i64)i * n1 + j) * n2 + k, base = (i64)p * nx * n1 * n2;
    out[base + e] = b[base + e] - outflow(e, i, j, k, nx, n1, n2, g, ground, x, base);
}

/* out <- x + weight D^-1 (b - A x) */
FN void relax_cell(int n, int j, int k, int n1, int n2, int nx, real weight, const real *RESTRICT g,
                   const real *RESTRICT ground, const real *RESTRICT dinv, const real *RESTRICT b,
                   const real *RESTRICT x, real *RESTRICT out) {
    const int p = n / nx, i = n - p * nx;
    const i64 e = ((i64)i * n1 + j) * n2 + k, base = (i64)p * nx * n1 * n2;
    const real d = dinv[e];
    out[base + e] = d > 0 ? x[base + e] + weight * d * (b[base + e] - outflow(e, i, j, k, nx, n1, n2, g, ground, x, base)) : 0;
}

/* coarse <- alive sum over 4 x 4 x 4 cells of weight norm fine; n1, n2, nx are of the coarse level */
FN void restrict_cell(int n, int j, int k, int n1, int n2, int nx, int fx, int fy, int fz, const real *RESTRICT alive,
                      const real *RESTRICT norm, const real *RESTRICT fine, real *RESTRICT coarse) {
    const int p = n / nx, i = n - p * nx;
    const i64 c = ((i64)i * n1 + j) * n2 + k, base = (i64)p * fx * fy * fz;
    real sum = 0;
    if (alive[c] > 0)
        for (int a = 2 * i - 1; a <= 2 * i + 2; a++) {
            if (a < 0 || a >= fx) continue;
            const real wa = a / 2 == i && a >= 0 ? (real)0.75 : (real)0.25;
            for (int b = 2 * j - 1; b <= 2 * j + 2; b++) {
                if (b < 0 || b >= fy) continue;
                const real wb = b / 2 == j ? wa * (real)0.75 : wa * (real)0.25;
                for (int d = 2 * k - 1; d <= 2 * k + 2; d++) {
                    if (d < 0 || d >= fz) continue;
                    const real w = d / 2 == k ? wb * (real)0.75 : wb * (real)0.25;
                    const i64 e = ((i64)a * fy + b) * fz + d;
                    sum += w * norm[e] * fine[base + e];
                }
            }
        }
    coarse[((i64)p * nx + i) * n1 * n2 + (i64)j * n2 + k] = sum;
}

/* fine <- fine + norm sum over 2 x 2 x 2 coarse cells of weight coarse; n1, n2, nx are of the fine level */
FN void prolong_cell(int n, int j, int k, int n1, int n2, int nx, int cx, int cy, int cz, const real *RESTRICT norm,
                     const real *RESTRICT coarse, real *RESTRICT fine) {
    const int p = n / nx, i = n - p * nx;
    const i64 e = ((i64)i * n1 + j) * n2 + k, base = (i64)p * cx * cy * cz;
    const int ai = i / 2, bi = j / 2, di = k / 2;
    const int an = i % 2 ? ai + 1 : ai - 1, bn = j % 2 ? bi + 1 : bi - 1, dn = k % 2 ? di + 1 : di - 1;
    real sum = 0;
    if (norm[e] > 0)
        for (int m = 0; m < 8; m++) {
            const int a = m & 1 ? an : ai, b = m & 2 ? bn : bi, d = m & 4 ? dn : di;
            if (a < 0 || a >= cx || b < 0 || b >= cy || d < 0 || d >= cz) continue;
            const real w = (m & 1 ? (real)0.25 : (real)0.75) * (m & 2 ? (real)0.25 : (real)0.75) *
                           (m & 4 ? (real)0.25 : (real)0.75);
            sum += w * coarse[base + ((i64)a * cy + b) * cz + d];
        }
    fine[(i64)p * nx * n1 * n2 + e] += norm[e] * sum;
}

/* Part t of the sum over elements of a b, for one port; in double whatever the type of the arrays */
FN void dot_part(i64 i, i64 n, i64 parts, const real *RESTRICT a, const real *RESTRICT b, double *RESTRICT out) {
    const i64 t = i % parts, p = i / parts, span = (n + parts - 1) / parts;
    const i64 first = t * span, last = first + span < n ? first + span : n;
    double sum = 0;
    for (i64 e = first; e < last; e++) sum += (double)a[p * n + e] * (double)b[p * n + e];
    out[i] = sum;
}

/* Part t of the sum over elements of a_r b_s, for every pair of rows; out is (rows, others, parts) */
FN void gram_part(i64 i, i64 n, i64 others, i64 parts, const real *RESTRICT a, const real *RESTRICT b,
                  double *RESTRICT out) {
    const i64 t = i % parts, pair = i / parts, span = (n + parts - 1) / parts;
    const i64 first = t * span, last = first + span < n ? first + span : n;
    const real *u = a + pair / others * n, *v = b + pair % others * n;
    double sum = 0;
    for (i64 e = first; e < last; e++) sum += (double)u[e] * (double)v[e];
    out[i] = sum;
}

/* y <- y + factor x, one factor per port */
FN void add_element(i64 i, i64 n, const double *RESTRICT factor, const real *RESTRICT x, real *RESTRICT y) {
    y[i] += (real)factor[i / n] * x[i];
}

/* y <- x + factor y, one factor per port */
FN void add_to_scaled_element(i64 i, i64 n, const double *RESTRICT factor, const real *RESTRICT x, real *RESTRICT y) {
    y[i] = x[i] + (real)factor[i / n] * y[i];
}

KERNEL3(conduct, conduct_cell(i, j, k, n1, n2, nx, g, ground, x, out), int nx, const real *RESTRICT g,
        const real *RESTRICT ground, const real *RESTRICT x, real *RESTRICT out)
KERNEL3(residual, residual_cell(i, j, k, n1, n2, nx, g, ground, b, x, out), int nx, const real *RESTRICT g,
        const real *RESTRICT ground, const real *RESTRICT b, const real *RESTRICT x, real *RESTRICT out)
KERNEL3(relax, relax_cell(i, j, k, n1, n2, nx, weight, g, ground, dinv, b, x, out), int nx, real weight,
        const real *RESTRICT g, const real *RESTRICT ground, const real *RESTRICT dinv, const real *RESTRICT b,
        const real *RESTRICT x, real *RESTRICT out)
KERNEL3(restrict_cells, restrict_cell(i, j, k, n1, n2, nx, fx, fy, fz, alive, norm, fine, coarse), int nx, int fx,
        int fy, int fz, const real *RESTRICT alive, const real *RESTRICT norm, const real *RESTRICT fine,
        real *RESTRICT coarse)
KERNEL3(prolong_cells, prolong_cell(i, j, k, n1, n2, nx, cx, cy, cz, norm, coarse, fine), int nx, int cx, int cy,
        int cz, const real *RESTRICT norm, const real *RESTRICT coarse, real *RESTRICT fine)
KERNEL1(dot, dot_part(i, n, parts, a, b, out), i64 n, i64 parts, const real *RESTRICT a, const real *RESTRICT b,
        double *RESTRICT out)
KERNEL1(gram, gram_part(i, n, others, parts, a, b, out), i64 n, i64 others, i64 parts, const real *RESTRICT a,
        const real *RESTRICT b, double *RESTRICT out)
KERNEL1(add_scaled, add_element(i, n, factor, x, y), i64 n, const double *RESTRICT factor, const real *RESTRICT x,
        real *RESTRICT y)
KERNEL1(add_to_scaled, add_to_scaled_element(i, n, factor, x, y), i64 n, const double *RESTRICT factor,
        const real *RESTRICT x, real *RESTRICT y)
