/* Seven-point conduction on voxels, for a multigrid preconditioner.
   Arrays over cells are (ports, nx + 2, n1, n2): a plane of zeros lies before and after those that count, so that
   neighbours are read without asking whether they are there. g is (3, nx + 2, n1, n2): the conductance between a cell and
   the one below it along each axis, zero at the low ends, and so for what is read across the ends of rows and planes.
   dinv is one over the sum of the six and of that to a place of potential zero; it is zero where there is no cell.
   Rows are walked as far as cells reach (spans). Coarse cells hold two cells of the finer level along every axis. */
#include "common.cuh"

typedef struct {
    int nx;
    const real *RESTRICT g, *RESTRICT dinv, *RESTRICT norm;
} Level;

FN i64 cell_at(int p, int i, int j, int k, int nx, int n1, int n2) {
    return (((i64)p * (nx + 2) + i + 1) * n1 + j) * n2 + k;
}

/* sum over neighbours of g x; e is the cell in arrays of one port, at is the same in those of all */
#define AROUND(X)                                                                                        \
    (level.g[e] * (X)[at - sx] + level.g[e + sx] * (X)[at + sx] + level.g[axis + e] * (X)[at - n2] +     \
     level.g[axis + e + n2] * (X)[at + n2] + level.g[2 * axis + e] * (X)[at - 1] + level.g[2 * axis + e + 1] * (X)[at + 1])
#define PLACES                                                                                           \
    const i64 sx = (i64)n1 * n2, axis = sx * (level.nx + 2), at = cell_at(p, i, j, k, level.nx, n1, n2), \
              e = at - p * axis

/* out <- A x, by differences: what is constant drops out to the last digit */
FN void conduct_cell(int p, int i, int j, int k, int n1, int n2, Level level, const real *RESTRICT x, real *RESTRICT out) {
    PLACES;
    const real here = x[at];
    out[at] = level.g[e] * (here - x[at - sx]) + level.g[e + sx] * (here - x[at + sx]) +
              level.g[axis + e] * (here - x[at - n2]) + level.g[axis + e + n2] * (here - x[at + n2]) +
              level.g[2 * axis + e] * (here - x[at - 1]) + level.g[2 * axis + e + 1] * (here - x[at + 1]);
}

/* r <- b - A x in double, whatever the type of the conductances */
FN void remainder_cell(int p, int i, int j, int k, int n1, int n2, Level level, double scale, const double *RESTRICT b,
                       const double *RESTRICT x, real *RESTRICT r) {
    PLACES;
    const double here = x[at];
    r[at] = (real)(scale * b[at] - (level.g[e] * (here - x[at - sx]) + level.g[e + sx] * (here - x[at + sx]) +
              level.g[axis + e] * (here - x[at - n2]) + level.g[axis + e + n2] * (here - x[at + n2]) +
              level.g[2 * axis + e] * (here - x[at - 1]) + level.g[2 * axis + e + 1] * (here - x[at + 1])));
}

/* x <- two sweeps from zero: x1 = first D^-1 b, x = x1 + second D^-1 (b - A x1) */
FN void begin_cell(int p, int i, int j, int k, int n1, int n2, Level level, real first, real second,
                   const real *RESTRICT b, real *RESTRICT x) {
    PLACES;
    const real d = level.dinv[e];
    const real sum = level.g[e] * level.dinv[e - sx] * b[at - sx] + level.g[e + sx] * level.dinv[e + sx] * b[at + sx] +
                     level.g[axis + e] * level.dinv[e - n2] * b[at - n2] + level.g[axis + e + n2] * level.dinv[e + n2] * b[at + n2] +
                     level.g[2 * axis + e] * level.dinv[e - 1] * b[at - 1] + level.g[2 * axis + e + 1] * level.dinv[e + 1] * b[at + 1];
    x[at] = d * ((first + second - first * second) * b[at] + first * second * sum);
}

/* out <- x + weight D^-1 (b - A x) */
FN void relax_cell(int p, int i, int j, int k, int n1, int n2, Level level, real weight, const real *RESTRICT b,
                   const real *RESTRICT x, real *RESTRICT out) {
    PLACES;
    out[at] = (1 - weight) * x[at] + weight * level.dinv[e] * (b[at] + AROUND(x));
}

/* out <- norm (b - A x): what goes up to the coarser level */
FN void residual_cell(int p, int i, int j, int k, int n1, int n2, Level level, const real *RESTRICT b,
                      const real *RESTRICT x, real *RESTRICT out) {
    PLACES;
    const real d = level.dinv[e];
    out[at] = level.norm[e] * (b[at] + AROUND(x) - x[at] / (d > 0 ? d : (real)1));
}


/* coarse <- sum over 4 x 4 x 4 cells of weight fine; n1, n2 are of the coarse level; f0, f1, f2 those of the fine one. */
FN void restrict_cell(int p, int i, int j, int k, int n1, int n2, Level level, int f0, int f1, int f2,
                      const real *RESTRICT fine, real *RESTRICT coarse) {
    const i64 c = cell_at(p, i, j, k, level.nx, n1, n2);
    real sum = 0;
    if (level.dinv[c - (i64)p * (level.nx + 2) * n1 * n2] > 0)
        for (int a = -1; a < 3; a++) {
            const int x = 2 * i + a;
            if (x < 0 || x >= f0) continue;
            const real wa = a == 0 || a == 1 ? (real)0.75 : (real)0.25;
            for (int b = -1; b < 3; b++) {
                const int y = 2 * j + b;
                if (y < 0 || y >= f1) continue;
                const real wb = b == 0 || b == 1 ? wa * (real)0.75 : wa * (real)0.25;
                const real *v = fine + cell_at(p, x, y, 2 * k, f0, f1, f2);
                real row = (real)0.75 * v[0];
                if (2 * k > 0) row += (real)0.25 * v[-1];
                if (2 * k + 1 < f2) row += (real)0.75 * v[1];
                if (2 * k + 2 < f2) row += (real)0.25 * v[2];
                sum += wb * row;
            }
        }
    coarse[c] = sum;
}

/* fine <- fine + norm sum over 2 x 2 x 2 coarse cells of weight coarse; n1, n2 are of the fine level */
FN void prolong_cell(int p, int i, int j, int k, int n1, int n2, Level level, int c0, int c1, int c2,
                     const real *RESTRICT coarse, real *RESTRICT fine) {
    const i64 at = cell_at(p, i, j, k, level.nx, n1, n2), e = at - (i64)p * (level.nx + 2) * n1 * n2;
    const int ai = i / 2, bi = j / 2, di = k / 2;
    const int an = i % 2 ? ai + 1 : ai - 1, bn = j % 2 ? bi + 1 : bi - 1, dn = k % 2 ? di + 1 : di - 1;
    const int b_in = bn >= 0 && bn < c1, d_in = dn >= 0 && dn < c2;
    /* Planes of zeros lie beyond the ends along x. */
    const real *near = coarse + cell_at(p, ai, bi, 0, c0, c1, c2), *far = coarse + cell_at(p, an, bi, 0, c0, c1, c2);
    const i64 aside = b_in ? (i64)(bn - bi) * c2 : 0;
    const real w = b_in ? (real)0.25 : (real)0, u = d_in ? (real)0.25 : (real)0;
    const int dm = d_in ? dn : di;
    const real own = (real)0.75 * ((real)0.75 * near[di] + (real)0.25 * far[di]) +
                     w * ((real)0.75 * near[aside + di] + (real)0.25 * far[aside + di]);
    const real next = (real)0.75 * ((real)0.75 * near[dm] + (real)0.25 * far[dm]) +
                      w * ((real)0.75 * near[aside + dm] + (real)0.25 * far[aside + dm]);
    fine[at] += level.norm[e] * ((real)0.75 * own + u * next);
}

/* ---- set-up ---- */
/* dinv from conductances and ground */
FN void invert_cell(int p, int i, int j, int k, int n1, int n2, Level level, const real *RESTRICT ground, real *RESTRICT out) {
    PLACES;
    const real sum = ground[at] + level.g[e] + level.g[e + sx] + level.g[axis + e] + level.g[axis + e + n2] +
                     level.g[2 * axis + e] + level.g[2 * axis + e + 1];
    out[at] = sum > 0 ? 1 / sum : 0;
}

/* norm: one over the sum of the weights of the coarse cells that exist; alive is their dinv */
FN void weigh_cell(int p, int i, int j, int k, int n1, int n2, Level level, int c0, int c1, int c2,
                   const real *RESTRICT alive, real *RESTRICT out) {
    const i64 at = cell_at(p, i, j, k, level.nx, n1, n2);
    const int x[2] = {i / 2, i % 2 ? i / 2 + 1 : i / 2 - 1}, y[2] = {j / 2, j % 2 ? j / 2 + 1 : j / 2 - 1},
              z[2] = {k / 2, k % 2 ? k / 2 + 1 : k / 2 - 1};
    real sum = 0;
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++)
            for (int d = 0; d < 2; d++) {
                if (y[b] < 0 || y[b] >= c1 || z[d] < 0 || z[d] >= c2) continue;
                const real w = (a ? (real)0.25 : (real)0.75) * (b ? (real)0.25 : (real)0.75) * (d ? (real)0.25 : (real)0.75);
                if (alive[cell_at(0, x[a], y[b], z[d], c0, c1, c2)] > 0) sum += w;
            }
    out[at] = sum > 0 && level.dinv[at] > 0 ? 1 / sum : 0;
}

FN real fine_g(const real *RESTRICT g, int axis, int x, int y, int z, int f0, int f1, int f2) {
    if (x < 0 || x >= f0 || y < 0 || y >= f1 || z < 0 || z >= f2) return 0;
    return g[(i64)axis * (f0 + 2) * f1 * f2 + cell_at(0, x, y, z, f0, f1, f2)];
}

/* Conductances of the next level; nx, n1, n2 are its own, g that of the finer one */
FN void coarsen_cell(int i, int j, int k, int n1, int n2, int nx, int f0, int f1, int f2, const real *RESTRICT g,
                     real *RESTRICT out) {
    const int c[3] = {i, j, k};
    for (int axis = 0; axis < 3; axis++) {
        const int s = axis == 0 ? 1 : 0, t = axis == 2 ? 1 : 2; /* the two axes across */
        real sum = 0;
        if (c[axis] > 0)
            for (int m = 0; m < 4; m++) {
                int f[3] = {2 * i, 2 * j, 2 * k};
                f[s] += m & 1;
                f[t] += m >> 1;
                const real mid = fine_g(g, axis, f[0], f[1], f[2], f0, f1, f2);
                f[axis] += 1;
                const real high = fine_g(g, axis, f[0], f[1], f[2], f0, f1, f2);
                f[axis] -= 2;
                sum += (real)0.25 * mid + (real)0.125 * (high + fine_g(g, axis, f[0], f[1], f[2], f0, f1, f2));
            }
        out[(i64)axis * (nx + 2) * n1 * n2 + cell_at(0, i, j, k, nx, n1, n2)] = sum;
    }
}

/* Weight of the fine cell x, y, z in the coarse cell i, j, k; 0 where it has none */
FN real weight_of(int x, int y, int z, int i, int j, int k, int f0, int f1, int f2, const real *RESTRICT norm) {
    const int a = x - 2 * i, b = y - 2 * j, d = z - 2 * k;
    if (a < -1 || a > 2 || b < -1 || b > 2 || d < -1 || d > 2) return 0;
    if (x < 0 || x >= f0 || y < 0 || y >= f1 || z < 0 || z >= f2) return 0;
    return (a == 0 || a == 1 ? (real)0.75 : (real)0.25) * (b == 0 || b == 1 ? (real)0.75 : (real)0.25) *
           (d == 0 || d == 1 ? (real)0.75 : (real)0.25) * norm[cell_at(0, x, y, z, f0, f1, f2)];
}

/* What the Galerkin product has on its diagonal beyond the conductances of a coarse cell: a conductance to ground */
FN void ground_cell(int p, int i, int j, int k, int n1, int n2, Level level, int f0, int f1, int f2,
                    const real *RESTRICT g, const real *RESTRICT norm, const real *RESTRICT below, real *RESTRICT ground) {
    PLACES;
    const real own = level.g[e] + level.g[e + sx] + level.g[axis + e] + level.g[axis + e + n2] + level.g[2 * axis + e] +
                     level.g[2 * axis + e + 1];
    real sum = 0;
    if (own > 0)
        for (int a = 2 * i - 1; a <= 2 * i + 3; a++)
            for (int b = 2 * j - 1; b <= 2 * j + 3; b++)
                for (int d = 2 * k - 1; d <= 2 * k + 3; d++) {
                    const real here = weight_of(a, b, d, i, j, k, f0, f1, f2, norm);
                    const real x = here - weight_of(a - 1, b, d, i, j, k, f0, f1, f2, norm);
                    const real y = here - weight_of(a, b - 1, d, i, j, k, f0, f1, f2, norm);
                    const real z = here - weight_of(a, b, d - 1, i, j, k, f0, f1, f2, norm);
                    if (x != 0) sum += fine_g(g, 0, a, b, d, f0, f1, f2) * x * x;
                    if (y != 0) sum += fine_g(g, 1, a, b, d, f0, f1, f2) * y * y;
                    if (z != 0) sum += fine_g(g, 2, a, b, d, f0, f1, f2) * z * z;
                    if (here != 0) sum += below[cell_at(0, a, b, d, f0, f1, f2)] * here * here;
                }
    ground[at] = sum > own ? sum - own : 0;
}

/* ---- vectors ---- */
/* Part t of the sum over elements of a b, for one port; in double whatever the type of the arrays */
FN double sum_of(i64 first, i64 last, const real *RESTRICT a, const real *RESTRICT b) {
    double part[8] = {0, 0, 0, 0, 0, 0, 0, 0}, sum = 0;
    i64 e = first;
    for (; e + 8 <= last; e += 8)
        for (int m = 0; m < 8; m++) part[m] += (double)a[e + m] * (double)b[e + m];
    for (; e < last; e++) sum += (double)a[e] * (double)b[e];
    for (int m = 0; m < 8; m++) sum += part[m];
    return sum;
}
FN void dot_part(i64 i, i64 n, i64 parts, const real *RESTRICT a, const real *RESTRICT b, double *RESTRICT out) {
    const i64 t = i % parts, p = i / parts, span = (n + parts - 1) / parts;
    const i64 first = t * span, last = first + span < n ? first + span : n;
    out[i] = first < last ? sum_of(first, last, a + p * n, b + p * n) : 0;
}

/* Sums over the rows (ports, rows) of a b, each as far as cells reach; planes rows of (nx + 2) n1 that do not count hold none */
FN void row_part(i64 i, int rows, int n1, int n2, const int *RESTRICT span, const real *RESTRICT a,
                 const real *RESTRICT b, double *RESTRICT out) {
    const i64 p = i / rows, row = i - p * rows, base = (p * (rows + 2 * n1) + n1 + row) * n2;
    const int first = span[2 * row], last = span[2 * row + 1];
    out[i] = first < last ? sum_of(base + first, base + last, a, b) : 0;
}

/* Part t of the sum over elements of a_r b_s, for every pair of rows; out is (rows, others, parts) */
FN void gram_part(i64 i, i64 n, i64 others, i64 parts, const real *RESTRICT a, const real *RESTRICT b,
                  double *RESTRICT out) {
    const i64 t = i % parts, pair = i / parts, span = (n + parts - 1) / parts;
    const i64 first = t * span, last = first + span < n ? first + span : n;
    out[i] = first < last ? sum_of(first, last, a + pair / others * n, b + pair % others * n) : 0;
}

/* x <- x + alpha p, r <- r - alpha q, one alpha per port */
FN void step_cell(int p, int i, int j, int k, int n1, int n2, int nx, const double *RESTRICT alpha,
                  const real *RESTRICT d, const real *RESTRICT q, real *RESTRICT x, real *RESTRICT r) {
    const i64 at = cell_at(p, i, j, k, nx, n1, n2);
    const real a = (real)alpha[p];
    x[at] += a * d[at];
    r[at] -= a * q[at];
}

/* d <- z + beta d, one beta per port */
FN void turn_cell(int p, int i, int j, int k, int n1, int n2, int nx, const double *RESTRICT beta,
                  const real *RESTRICT z, real *RESTRICT d) {
    const i64 at = cell_at(p, i, j, k, nx, n1, n2);
    d[at] = z[at] + (real)beta[p] * d[at];
}

/* total <- total + x in double, x <- 0 */
FN void collect_cell(int p, int i, int j, int k, int n1, int n2, int nx, real *RESTRICT x, double *RESTRICT total) {
    const i64 at = cell_at(p, i, j, k, nx, n1, n2);
    total[at] += x[at];
    x[at] = 0;
}

KERNEL_SPANS(conduct, conduct_cell(p, i, j, k, n1, n2, level, x, out), Level level, const real *RESTRICT x,
             real *RESTRICT out)
KERNEL_SPANS(renew, remainder_cell(p, i, j, k, n1, n2, level, scale, b, x, r), Level level, double scale,
             const double *RESTRICT b, const double *RESTRICT x, real *RESTRICT r)
KERNEL_SPANS(begin, begin_cell(p, i, j, k, n1, n2, level, first_weight, second_weight, b, x), Level level, real first_weight,
             real second_weight, const real *RESTRICT b, real *RESTRICT x)
KERNEL_SPANS(relax, relax_cell(p, i, j, k, n1, n2, level, weight, b, x, out), Level level, real weight,
             const real *RESTRICT b, const real *RESTRICT x, real *RESTRICT out)
KERNEL_SPANS(residual, residual_cell(p, i, j, k, n1, n2, level, b, x, out), Level level, const real *RESTRICT b,
             const real *RESTRICT x, real *RESTRICT out)
KERNEL_SPANS(restrict_cells, restrict_cell(p, i, j, k, n1, n2, level, f0, f1, f2, fine, coarse), Level level, int f0, int f1,
             int f2, const real *RESTRICT fine, real *RESTRICT coarse)
KERNEL_SPANS(prolong_cells, prolong_cell(p, i, j, k, n1, n2, level, c0, c1, c2, coarse, fine), Level level, int c0, int c1,
             int c2, const real *RESTRICT coarse, real *RESTRICT fine)
KERNEL_SPANS(invert, invert_cell(p, i, j, k, n1, n2, level, ground, out), Level level, const real *RESTRICT ground,
             real *RESTRICT out)
KERNEL_SPANS(weigh, weigh_cell(p, i, j, k, n1, n2, level, c0, c1, c2, alive, out), Level level, int c0, int c1, int c2,
             const real *RESTRICT alive, real *RESTRICT out)
KERNEL3(coarsen, coarsen_cell(i, j, k, n1, n2, n0, f0, f1, f2, g, out), int f0, int f1, int f2, const real *RESTRICT g,
        real *RESTRICT out)
KERNEL_SPANS(ground, ground_cell(p, i, j, k, n1, n2, level, f0, f1, f2, g, norm, below, out), Level level, int f0, int f1,
             int f2, const real *RESTRICT g, const real *RESTRICT norm, const real *RESTRICT below, real *RESTRICT out)
KERNEL1(dot, dot_part(i, n, parts, a, b, out), i64 n, i64 parts, const real *RESTRICT a, const real *RESTRICT b,
        double *RESTRICT out)
KERNEL1(row_dot, row_part(i, rows, n1, n2, span, a, b, out), int rows, int n1, int n2, const int *RESTRICT span,
        const real *RESTRICT a, const real *RESTRICT b, double *RESTRICT out)
KERNEL1(gram, gram_part(i, n, others, parts, a, b, out), i64 n, i64 others, i64 parts, const real *RESTRICT a,
        const real *RESTRICT b, double *RESTRICT out)
/* Not "step" or "advance", functions of the C library: some callers would find those. */
KERNEL_SPANS(move_along, step_cell(p, i, j, k, n1, n2, spans, alpha, d, q, x, r), const double *RESTRICT alpha,
             const real *RESTRICT d, const real *RESTRICT q, real *RESTRICT x, real *RESTRICT r)
KERNEL_SPANS(turn, turn_cell(p, i, j, k, n1, n2, spans, beta, z, d), const double *RESTRICT beta, const real *RESTRICT z,
             real *RESTRICT d)
KERNEL_SPANS(collect, collect_cell(p, i, j, k, n1, n2, spans, x, total), real *RESTRICT x, double *RESTRICT total)
