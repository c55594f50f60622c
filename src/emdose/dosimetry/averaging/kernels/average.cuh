/* Averages over cubes of a given mass: summed-area tables, growing cubes, and the largest average around a voxel.
   The algorithm is that of IEC/IEEE 62704-1 (spatial averaging of SAR); emdose/dosimetry/averaging/cubic.py describes it.

   A table of an (n0, n1, n2) map has the shape (n0 + 1, n1 + 1, n2 + 1); its entry (i, j, k) is the sum of the map over
   the voxels [0, i) x [0, j) x [0, k). The sum over any box of voxels is then a combination of eight entries.

   A cube whose faces cut voxels lies between two boxes per axis, the inner one of whole voxels and the outer one of all
   voxels touched; the ring between them counts with a fraction base + slope t, and t in [0, 1] is what the mass fixes.
   Both kinds of cubes have this form, so one cubic polynomial in t gives the mass of either. */
#include "common.cuh"

#define MASS_TOLERANCE 1e-6 /* relative; a box that misses the mass by less is not grown further */
#define FULLY_INSIDE 0.999  /* a voxel counts as inside a cube when more than this part of it is */
#define BACKGROUND_LIMIT 0.1 /* largest part of a valid cube's volume that may be background */

typedef struct { int low[2], high[2]; double base, slope; } Span; /* [0] inner box, [1] outer box, along one axis */

/* ---- summed-area tables ------------------------------------------------------------------------------------- */

FN void sum_row(i64 row, int n1, int n2, const double *RESTRICT weight, const double *RESTRICT map,
                double *RESTRICT table)
{
    const double *w = weight + row * n2, *m = map + row * n2;
    double *t = table + ((row / n1 + 1) * (n1 + 1) + row % n1 + 1) * (n2 + 1) + 1;
    double sum = 0;
    for (int k = 0; k < n2; k++) {
        sum += w[k] > 0 ? w[k] * m[k] : 0; /* the map may hold anything in the background */
        t[k] = sum;
    }
}

FN void count_row(i64 row, int n1, int n2, const double *RESTRICT weight, u32 *RESTRICT table)
{
    const double *w = weight + row * n2;
    u32 *t = table + ((row / n1 + 1) * (n1 + 1) + row % n1 + 1) * (n2 + 1) + 1;
    u32 sum = 0;
    for (int k = 0; k < n2; k++) {
        sum += w[k] > 0;
        t[k] = sum;
    }
}

KERNEL1(sum_rows, sum_row(i, n1, n2, weight, map, table), int n1, int n2, const double *RESTRICT weight,
        const double *RESTRICT map, double *RESTRICT table)
KERNEL1(count_rows, count_row(i, n1, n2, weight, table), int n1, int n2, const double *RESTRICT weight,
        u32 *RESTRICT table)


/* Running sums along another axis: one line per index, its entries `inner` apart, `length` of them. */
FN i64 line_start(i64 line, int length, i64 inner) { return line / inner * length * inner + line % inner; }

FN void add_along(double *RESTRICT line, int length, i64 inner)
{
    for (i64 n = 1; n < length; n++)
        line[n * inner] += line[(n - 1) * inner];
}

FN void count_along(u32 *RESTRICT line, int length, i64 inner)
{
    for (i64 n = 1; n < length; n++)
        line[n * inner] += line[(n - 1) * inner];
}

KERNEL1(sum_lines, add_along(table + line_start(i, length, inner), length, inner), int length, i64 inner,
        double *RESTRICT table)
KERNEL1(count_lines, count_along(table + line_start(i, length, inner), length, inner), int length, i64 inner,
        u32 *RESTRICT table)

/* ---- boxes, cubes and their polynomial ------------------------------------------------------------------------ */

FN double box_sum(const double *RESTRICT table, int n1, int n2, int x0, int x1, int y0, int y1, int z0, int z1)
{
    const i64 Y = n2 + 1, X = Y * (n1 + 1);
    const double *a = table + x0 * X, *b = table + x1 * X;
    return ((b[y1 * Y + z1] - a[y1 * Y + z1]) - (b[y0 * Y + z1] - a[y0 * Y + z1])) -
           ((b[y1 * Y + z0] - a[y1 * Y + z0]) - (b[y0 * Y + z0] - a[y0 * Y + z0]));
}

FN u32 box_count(const u32 *RESTRICT table, int n1, int n2, int x0, int x1, int y0, int y1, int z0, int z1)
{
    const i64 Y = n2 + 1, X = Y * (n1 + 1);
    const u32 *a = table + x0 * X, *b = table + x1 * X;
    return ((b[y1 * Y + z1] - a[y1 * Y + z1]) - (b[y0 * Y + z1] - a[y0 * Y + z1])) -
           ((b[y1 * Y + z0] - a[y1 * Y + z0]) - (b[y0 * Y + z0] - a[y0 * Y + z0]));
}

/* Sums over the eight boxes that are inner (0) or outer (1) along x, y and z: entry 4 x + 2 y + z. */
FN void eight_sums(const double *RESTRICT table, int n1, int n2, const Span *s, double *v)
{
    for (int e = 0; e < 8; e++) {
        const int x = e >> 2, y = e >> 1 & 1, z = e & 1;
        v[e] = box_sum(table, n1, n2, s[0].low[x], s[0].high[x], s[1].low[y], s[1].high[y], s[2].low[z], s[2].high[z]);
    }
}

FN_APART void eight_counts(const u32 *RESTRICT table, int n1, int n2, const Span *s, double *v)
{
    for (int e = 0; e < 8; e++) {
        const int x = e >> 2, y = e >> 1 & 1, z = e & 1;
        v[e] = box_count(table, n1, n2, s[0].low[x], s[0].high[x], s[1].low[y], s[1].high[y], s[2].low[z], s[2].high[z]);
    }
}

/* Coefficients in t of the sum over a cube: linear along every axis, multiplied out axis by axis. */
FN void polynomial(const double *v, const Span *s, double *c)
{
    double p[4][2], q[2][3], d[3];
    for (int e = 0; e < 4; e++) {
        p[e][0] = v[e] + s[0].base * (v[e + 4] - v[e]);
        p[e][1] = s[0].slope * (v[e + 4] - v[e]);
    }
    for (int z = 0; z < 2; z++) {
        d[0] = p[z + 2][0] - p[z][0];
        d[1] = p[z + 2][1] - p[z][1];
        q[z][0] = p[z][0] + s[1].base * d[0];
        q[z][1] = p[z][1] + s[1].base * d[1] + s[1].slope * d[0];
        q[z][2] = s[1].slope * d[1];
    }
    for (int n = 0; n < 3; n++)
        d[n] = q[1][n] - q[0][n];
    c[0] = q[0][0] + s[2].base * d[0];
    c[1] = q[0][1] + s[2].base * d[1] + s[2].slope * d[0];
    c[2] = q[0][2] + s[2].base * d[2] + s[2].slope * d[1];
    c[3] = s[2].slope * d[2];
}

FN double cubic(const double *c, double t) { return c[0] + t * (c[1] + t * (c[2] + t * c[3])); }

/* Root of cubic(t) = target in (0, 1], by Newton's method kept inside a shrinking bracket. All coefficients are >= 0 up
   to rounding, so the cubic is convex and Newton from t = 1 comes down monotonically. Closed forms lose the root at
   t = 1, where a whole number of voxels holds the mass. */
FN double cubic_root(const double *c, double target)
{
    double low = 0, high = 1, t = 1;
    for (int n = 0; n < 100; n++) {
        const double f = cubic(c, t) - target, slope = c[1] + t * (2 * c[2] + t * 3 * c[3]);
        double next;
        if (t == 1 && f <= 0)
            return 1;
        if (f > 0)
            high = t;
        else
            low = t;
        next = t - f / slope;
        if (fabs(next - t) <= 1e-15)
            return t;
        t = next > low && next < high ? next : 0.5 * (low + high);
    }
    return t;
}

/* ---- step 1: the cube centred on a voxel -------------------------------------------------------------------- */

FN double centred_box(const double *RESTRICT table, int i, int j, int k, int n1, int n2, int half)
{
    return box_sum(table, n1, n2, i - half, i + half + 1, j - half, j + half + 1, k - half, k + half + 1);
}

/* Whether one of the six faces of shell `half` lies wholly in the background. Mostly its middle voxel, read from the
   weights, shows that it does not. */
FN int face_in_background(const u32 *RESTRICT table, const double *RESTRICT weight, int i, int j, int k, int n1, int n2,
                          int half)
{
    const int x0 = i - half, x1 = i + half + 1, y0 = j - half, y1 = j + half + 1, z0 = k - half, z1 = k + half + 1;
    const i64 q = ((i64)i * n1 + j) * n2 + k;
    ROLLED for (int f = 0; f < 6; f++) { /* -x, +x, -y, +y, -z, +z */
        const i64 step = f < 2 ? (i64)n1 * n2 : f < 4 ? n2 : 1;
        if (!(weight[q + (f % 2 ? step : -step) * half] > 0) &&
            box_count(table, n1, n2, f == 1 ? x1 - 1 : x0, f == 0 ? x0 + 1 : x1, f == 3 ? y1 - 1 : y0,
                      f == 2 ? y0 + 1 : y1, f == 5 ? z1 - 1 : z0, f == 4 ? z0 + 1 : z1) == 0)
            return 1;
    }
    return 0;
}

FN int lesser(int a, int b) { return a < b ? a : b; }
FN int greater(int a, int b) { return a > b ? a : b; }
FN double larger(double a, double b) { return a > b ? a : b; }

FN Span centred_span(int at, int n, int half)
{
    Span s;
    s.low[0] = at - half;
    s.high[0] = at + half + 1;
    s.low[1] = greater(at - half - 1, 0); /* the outer box leaves the grid only where t <= 0 */
    s.high[1] = lesser(at + half + 2, n);
    s.base = 0;
    s.slope = 1;
    return s;
}

FN void centred_spans(int i, int j, int k, int n0, int n1, int n2, int half, Span *s)
{
    s[0] = centred_span(i, n0, half);
    s[1] = centred_span(j, n1, half);
    s[2] = centred_span(k, n2, half);
}

/* Half size (whole voxels on each side, -1: no valid cube), fraction of the next shell, mass (1 without a cube) and
   what lies fully inside: all voxels at a Chebyshev distance <= reach, and of the next shell the faces (rim 1) or the
   faces and edges (rim 2). A voxel that alone is heavier than the target has a fraction in (-1/2, 0]. */
FN void grow_centred(int i, int j, int k, int n0, int n1, int n2, double target, const double *RESTRICT weight,
                     const double *RESTRICT masses, const u32 *RESTRICT counts, i16 *RESTRICT half,
                     double *RESTRICT fraction, double *RESTRICT mass, i16 *RESTRICT reach, u8 *RESTRICT rim)
{
    const i64 q = ((i64)i * n1 + j) * n2 + k;
    const double enough = target * (1 - MASS_TOLERANCE);
    const int limit = lesser(lesser(lesser(i, n0 - 1 - i), lesser(j, n1 - 1 - j)), lesser(k, n2 - 1 - k));
    double v[8], c[4], t, side;
    Span s[3];
    int n;

    half[q] = reach[q] = -1;
    rim[q] = 0;
    fraction[q] = 0;
    mass[q] = 1;
    if (!(weight[q] > 0))
        return;

    /* n: the largest cube of whole voxels that is still too light, looked for from the one that would be right if the
       body had the density of this voxel. */
    n = lesser((int)larger(0.5 * (cbrt(target / weight[q]) - 1), 0), limit);
    if (centred_box(masses, i, j, k, n1, n2, n) < enough) {
        while (n < limit && centred_box(masses, i, j, k, n1, n2, n + 1) < enough)
            n++;
    } else {
        do
            n--;
        while (n >= 0 && centred_box(masses, i, j, k, n1, n2, n) >= enough);
    }
    if (n < 0) {
        half[q] = reach[q] = 0;
        fraction[q] = 0.5 * (cbrt(target / weight[q]) - 1);
        mass[q] = weight[q];
        return;
    }
    if (n == limit) /* the grid ends */
        return;

    centred_spans(i, j, k, n0, n1, n2, n, s);
    eight_sums(masses, n1, n2, s, v);
    polynomial(v, s, c);
    t = cubic_root(c, target);
    mass[q] = cubic(c, t);
    eight_counts(counts, n1, n2, s, v);
    side = 2 * n + 3;
    if (v[7] < side * side * side) { /* some background */
        int shell = v[0] < (side - 2) * (side - 2) * (side - 2) ? 1 : n + 1, good;
        side = 2 * (n + t) + 1;
        polynomial(v, s, c);
        good = side * side * side - cubic(c, t) <= BACKGROUND_LIMIT * (side * side * side);
        for (; good && shell <= n + 1; shell++)
            good = !face_in_background(counts, weight, i, j, k, n1, n2, shell);
        if (!good) {
            mass[q] = 1;
            return;
        }
    }
    half[q] = (i16)n;
    fraction[q] = t;
    reach[q] = (i16)(t * t * t > FULLY_INSIDE ? n + 1 : n);
    rim[q] = reach[q] > n ? 0 : t * t > FULLY_INSIDE ? 2 : t > FULLY_INSIDE ? 1 : 0;
}

/* Sum of a tabled map over the cube of a voxel; 0 without a cube. */
FN double centred_sum(int i, int j, int k, int n0, int n1, int n2, const double *RESTRICT table,
                      const i16 *RESTRICT half, const double *RESTRICT fraction)
{
    const i64 q = ((i64)i * n1 + j) * n2 + k;
    double v[8], c[4];
    Span s[3];
    if (half[q] < 0)
        return 0;
    centred_spans(i, j, k, n0, n1, n2, half[q], s);
    eight_sums(table, n1, n2, s, v);
    polynomial(v, s, c);
    return cubic(c, larger(fraction[q], 0));
}

KERNEL3(grow_cubes, grow_centred(i, j, k, n0, n1, n2, target, weight, masses, counts, half, fraction, mass, reach, rim),
        double target, const double *RESTRICT weight, const double *RESTRICT masses, const u32 *RESTRICT counts,
        i16 *RESTRICT half, double *RESTRICT fraction, double *RESTRICT mass, i16 *RESTRICT reach, u8 *RESTRICT rim)
KERNEL3(cube_sums, sums[((i64)i * n1 + j) * n2 + k] = centred_sum(i, j, k, n0, n1, n2, table, half, fraction),
        const double *RESTRICT table, const i16 *RESTRICT half, const double *RESTRICT fraction, double *RESTRICT sums)

/* ---- the largest average among the valid cubes around a voxel -------------------------------------------------- */

/* One level of a recursion from the largest reach down to 0. Widening a map by one voxel in all directions `reach`
   times covers a cube of that half size, so cubes enter at the level of their reach and all widen together: the cost
   does not depend on how many cubes cover a voxel, and nobody writes where another one does.
   before, after: (n0 + 2, n1 + 2, n2 + 2), minus infinity in the outermost layer. */
FN void widen(int i, int j, int k, int n1, int n2, int level, const i16 *RESTRICT reach, const double *RESTRICT mean,
              const double *RESTRICT before, double *RESTRICT after)
{
    const i64 Y = n2 + 2, X = Y * (n1 + 2), q = ((i64)i * n1 + j) * n2 + k, p = (i + 1) * X + (j + 1) * Y + k + 1;
    double best = reach[q] == level ? mean[q] : before[p];
    for (int x = -1; x < 2; x++)
        for (int y = -1; y < 2; y++) {
            const double *b = before + p + x * X + y * Y;
            best = larger(best, larger(larger(b[-1], b[0]), b[1]));
        }
    after[p] = best;
}

KERNEL3(widen_level, widen(i, j, k, n1, n2, level, reach, mean, before, after), int level, const i16 *RESTRICT reach,
        const double *RESTRICT mean, const double *RESTRICT before, double *RESTRICT after)

/* The few cubes that hold the faces, but not the corners, of their next shell enter one voxel off their centre as well;
   `voxels` lists where. */
FN void enter_rim(i64 q, int n0, int n1, int n2, int level, const i16 *RESTRICT reach, const u8 *RESTRICT rim,
                  const double *RESTRICT mean, double *RESTRICT after)
{
    const int k = (int)(q % n2), j = (int)(q / n2 % n1), i = (int)(q / n2 / n1);
    double *best = after + ((i64)(i + 1) * (n1 + 2) + j + 1) * (n2 + 2) + k + 1;
    for (int x = greater(i - 1, 0); x < lesser(i + 2, n0); x++)
        for (int y = greater(j - 1, 0); y < lesser(j + 2, n1); y++)
            for (int z = greater(k - 1, 0); z < lesser(k + 2, n2); z++) {
                const i64 other = ((i64)x * n1 + y) * n2 + z;
                if (reach[other] == level && (x != i) + (y != j) + (z != k) <= rim[other])
                    *best = larger(*best, mean[other]);
            }
}

KERNEL1(enter_rims, enter_rim(voxels[i], nx, ny, nz, level, reach, rim, mean, after), int nx, int ny, int nz, int level,
        const i64 *RESTRICT voxels, const i16 *RESTRICT reach, const u8 *RESTRICT rim, const double *RESTRICT mean,
        double *RESTRICT after)

/* ---- step 2: the six cubes with a voxel at the centre of a face ----------------------------------------------- */

/* Whole voxels on either side grow by half a voxel per step, away from the face by one. direction: -1 or 1, or 0 for the
   two axes along the face. */
FN Span face_span(int at, int n, int steps, int direction)
{
    const int lateral = steps / 2;
    Span s;
    s.base = direction == 0 && steps % 2 ? 0.5 : 0;
    s.slope = direction == 0 ? 0.5 : 1;
    for (int outer = 0; outer < 2; outer++) {
        const int down = direction == 0 ? lateral + outer : direction < 0 ? steps + outer : 0;
        const int up = direction == 0 ? lateral + outer : direction > 0 ? steps + outer : 0;
        s.low[outer] = greater(at - down, 0); /* beyond the grid there is background, which is ignored */
        s.high[outer] = lesser(at + up + 1, n);
    }
    return s;
}

FN void face_polynomial(int i, int j, int k, int n0, int n1, int n2, int cube, int steps, const double *RESTRICT table,
                        double *c)
{
    const int axis = cube / 2, direction = cube % 2 ? 1 : -1;
    double v[8];
    Span s[3];
    s[0] = face_span(i, n0, steps, axis == 0 ? direction : 0);
    s[1] = face_span(j, n1, steps, axis == 1 ? direction : 0);
    s[2] = face_span(k, n2, steps, axis == 2 ? direction : 0);
    eight_sums(table, n1, n2, s, v);
    polynomial(v, s, c);
}

/* Cube `item % 6` (-x, +x, -y, +y, -z, +z) of the voxel item / 6 in a list: its side is 1 + steps + fraction voxels;
   steps is -1 where the body in that direction is too light. */
FN void grow_face(i64 item, int n0, int n1, int n2, double target, const i64 *RESTRICT voxels,
                  const double *RESTRICT weight, const double *RESTRICT masses, int *RESTRICT steps,
                  double *RESTRICT fraction, double *RESTRICT mass)
{
    const i64 q = voxels[item / 6];
    const int cube = (int)(item % 6), k = (int)(q % n2), j = (int)(q / n2 % n1), i = (int)(q / n2 / n1);
    const int x0 = cube == 1 ? i : 0, x1 = cube == 0 ? i + 1 : n0, y0 = cube == 3 ? j : 0, y1 = cube == 2 ? j + 1 : n1;
    const int z0 = cube == 5 ? k : 0, z1 = cube == 4 ? k + 1 : n2;
    const double enough = target * (1 - MASS_TOLERANCE);
    double c[4], next[4];
    int m;

    steps[item] = -1;
    fraction[item] = 0;
    mass[item] = 1;
    if (box_sum(masses, n1, n2, x0, x1, y0, y1, z0, z1) < enough)
        return;
    m = (int)larger(cbrt(target / weight[q]) - 1, 0);
    face_polynomial(i, j, k, n0, n1, n2, cube, m, masses, c);
    while (m > 0 && c[0] >= enough)
        face_polynomial(i, j, k, n0, n1, n2, cube, --m, masses, c);
    for (;;) {
        face_polynomial(i, j, k, n0, n1, n2, cube, m + 1, masses, next);
        if (next[0] >= enough)
            break;
        m++;
        for (int n = 0; n < 4; n++)
            c[n] = next[n];
    }
    steps[item] = m;
    fraction[item] = cubic_root(c, target);
    mass[item] = cubic(c, fraction[item]);
}

FN double face_sum(i64 item, int n0, int n1, int n2, const i64 *RESTRICT voxels, const double *RESTRICT table,
                   const int *RESTRICT steps, const double *RESTRICT fraction)
{
    const i64 q = voxels[item / 6];
    double c[4];
    if (steps[item] < 0)
        return 0;
    face_polynomial((int)(q / n2 / n1), (int)(q / n2 % n1), (int)(q % n2), n0, n1, n2, (int)(item % 6), steps[item],
                    table, c);
    return cubic(c, fraction[item]);
}

KERNEL1(grow_face_cubes, grow_face(i, nx, ny, nz, target, voxels, weight, masses, steps, fraction, mass), int nx, int ny,
        int nz, double target, const i64 *RESTRICT voxels, const double *RESTRICT weight, const double *RESTRICT masses,
        int *RESTRICT steps, double *RESTRICT fraction, double *RESTRICT mass)
KERNEL1(face_cube_sums, sums[i] = face_sum(i, nx, ny, nz, voxels, table, steps, fraction), int nx, int ny, int nz,
        const i64 *RESTRICT voxels, const double *RESTRICT table, const int *RESTRICT steps,
        const double *RESTRICT fraction, double *RESTRICT sums)
