/* Half functions coef (r - v) on triangles and wires: j w mu0 <f, f' G> + <div f, div f' G> / (j w eps0) of all pairs.
   One set of moments of G = exp(-jkR)/R serves triangles and wires: its mean over both elements, times r, r' and r . r',
   from their centres. Far apart ("far_pairs") by three points on each, close by ("near_pairs") with 1/R in closed form.
   "gather_rows" adds half functions to functions. See emdose/solvers/mom/impedance.py for the equations. */
#include "common.cuh"

/* One index of far_pairs is an element beside a tile of TILE others; a CPU walks a tile in step, so that it vectorises. */
#define TILE 16
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STEP 1
#  define POINT(t, w, tiles) ((t) + (w) * (tiles))
#else
#  define STEP TILE
#  define POINT(t, w, tiles) ((void)(tiles), (t) * TILE + (w))
#endif

/* All arrays are (..., count), count a multiple of TILE: after the last element come copies of it. centre (3), corner (3 corners, 3) and offset (3 points, 3) from the centre, weight (3 points)
   with sum 1; measure is area or length, kind 2 or 1 (dimensions), bulk half the square of a wire's radius. */
typedef struct {
    int count;
    double k, magnetic, electric; /* wavenumber, w mu0 / (4 pi), 1 / (4 pi w eps0) */
    const double *RESTRICT centre, *RESTRICT corner, *RESTRICT offset, *RESTRICT weight, *RESTRICT measure;
    const double *RESTRICT kind, *RESTRICT bulk;
} Elements;

/* exp(-jx) */
FN void turn(double x, double *re, double *im) {
    sine_cosine(x, im, re);
    *im = -*im;
}

/* Square of the radius in R^2 + a^2: of two wires the mean of theirs, and none beside a triangle, because the mean around
   a wire of the potential of what is outside it is that on its axis. */
FN double radius2(double kind, double bulk, double other_kind, double other_bulk) {
    return kind == 1.0 && other_kind == 1.0 ? bulk + other_bulk : 0.0;
}

/* Moments of one pair to the nine (corner of t, corner of s): j (magnetic (f . f') - electric div f div f') */
FN void far_tile(i64 i, int tiles, i64 t0, i64 s0, Elements e, double *RESTRICT out) {
    const int n = e.count, row = (int)(i / tiles), tile = (int)(i % tiles), t = (int)t0 + row;
    if (STEP > 1 && tile * TILE + TILE <= s0) return;
    const double kind = LOAD(e.kind + t), bulk = LOAD(e.bulk + t), size = LOAD(e.measure + t);
    for (int first = 0; first < TILE; first += STEP) {
        const int s = POINT(tile, first, tiles);
        double G[2][STEP], D[2][STEP], P[6][STEP], S[6][STEP], a2[STEP];
        for (int w = 0; w < STEP; w++) {
            a2[w] = radius2(kind, bulk, e.kind[s + w], e.bulk[s + w]);
            G[0][w] = G[1][w] = D[0][w] = D[1][w] = 0;
        }
        for (int d = 0; d < 6; d++)
            for (int w = 0; w < STEP; w++) P[d][w] = S[d][w] = 0;
        ROLLED for (int a = 0; a < 3; a++) {
            const double *from = e.offset + 3 * a * n + t, wa = LOAD(e.weight + a * n + t);
            const double px = LOAD(from), py = LOAD(from + n), pz = LOAD(from + 2 * n);
            double g[2][STEP], c[3][STEP];
            for (int d = 0; d < 3; d++) {
                const double place = LOAD(e.centre + d * n + t) + LOAD(from + d * n);
                for (int w = 0; w < STEP; w++) c[d][w] = e.centre[d * n + s + w] - place;
            }
            for (int w = 0; w < STEP; w++) g[0][w] = g[1][w] = 0;
            ROLLED for (int b = 0; b < 3; b++) {
                const double *to = e.offset + 3 * b * n, *wb = e.weight + b * n;
                for (int w = 0; w < STEP; w++) {
                    const double x = to[s + w], y = to[n + s + w], z = to[2 * n + s + w];
                    const double X = c[0][w] + x, Y = c[1][w] + y, Z = c[2][w] + z;
                    const double square = X * X + Y * Y + Z * Z + a2[w], both = px * x + py * y + pz * z;
                    const double R = sqrt(square > 1e-30 ? square : 1e-30), scale = wa * wb[s + w] / R;
                    double re, im;
                    turn(e.k * R, &re, &im);
                    re *= scale;
                    im *= scale;
                    g[0][w] += re;
                    g[1][w] += im;
                    D[0][w] += re * both;
                    D[1][w] += im * both;
                    S[0][w] += re * x;
                    S[1][w] += im * x;
                    S[2][w] += re * y;
                    S[3][w] += im * y;
                    S[4][w] += re * z;
                    S[5][w] += im * z;
                }
            }
            for (int q = 0; q < 2; q++)
                for (int w = 0; w < STEP; w++) {
                    G[q][w] += g[q][w];
                    P[q][w] += px * g[q][w];
                    P[2 + q][w] += py * g[q][w];
                    P[4 + q][w] += pz * g[q][w];
                }
        }
        ROLLED for (int p = 0; p < 3; p++) {
            const double *v = e.corner + 3 * p * n + t, vx = LOAD(v), vy = LOAD(v + n), vz = LOAD(v + 2 * n);
            ROLLED for (int q = 0; q < 3; q++) {
                const double *u = e.corner + 3 * q * n;
                for (int w = 0; w < STEP; w++) {
                    const double ux = u[s + w], uy = u[n + s + w], uz = u[2 * n + s + w], scale = size * e.measure[s + w];
                    const double both = vx * ux + vy * uy + vz * uz, charge = e.electric * kind * e.kind[s + w];
                    double value[2];
                    for (int z = 0; z < 2; z++)
                        value[z] = e.magnetic * (D[z][w] - (P[z][w] * ux + P[2 + z][w] * uy + P[4 + z][w] * uz)
                                                 - (S[z][w] * vx + S[2 + z][w] * vy + S[4 + z][w] * vz) + both * G[z][w])
                                   - charge * G[z][w];
                    double *to = out + 2 * ((((i64)row * 3 + p) * 3 + q) * n + s + w);
                    to[0] = -scale * value[1];
                    to[1] = scale * value[0];
                }
            }
        }
    }
}

KERNEL1(far_pairs, far_tile(i, tiles, t0, s0, e, out), int tiles, i64 t0, i64 s0, CONSTANT(Elements) e,
        double *RESTRICT out)

/* Points on the outer element of a pair: barycentric coordinates and weight (., 4), place from 0 to 1 and weight (., 2) */
typedef struct {
    int triangle_points, wire_points;
    const double *RESTRICT triangle, *RESTRICT wire;
} Rule;

/* log((R1 + R2 + L) / (R1 + R2 - L)), the integral of 1/R along a straight piece from whose ends it is R1 and R2 to r */
FN double along(double L, double R1, double R2) {
    double ratio = L / (R1 + R2);
    ratio = ratio < 1.0 - 1e-15 ? ratio : 1.0 - 1e-15;
    return log((1.0 + ratio) / (1.0 - ratio));
}

/* Means over a triangle with corners v of 1/R and r'/R at r */
FN_APART void triangle_mean(const double *r, double v[3][3], double area, double *mean) {
    double a[3][3], R[3], side[3][3], length[3], n[3], total = 0, vector[3] = {0, 0, 0};
    ROLLED for (int k = 0; k < 3; k++) {
        for (int c = 0; c < 3; c++) {
            a[k][c] = v[k][c] - r[c];
            side[k][c] = v[(k + 1) % 3][c] - v[k][c];
        }
        R[k] = sqrt(a[k][0] * a[k][0] + a[k][1] * a[k][1] + a[k][2] * a[k][2]);
        length[k] = sqrt(side[k][0] * side[k][0] + side[k][1] * side[k][1] + side[k][2] * side[k][2]);
    }
    for (int c = 0; c < 3; c++) {
        const int d = (c + 1) % 3, g = (c + 2) % 3;
        n[c] = (side[0][d] * side[1][g] - side[0][g] * side[1][d]) / (2.0 * area);
    }
    const double height = -(a[0][0] * n[0] + a[0][1] * n[1] + a[0][2] * n[2]);
    ROLLED for (int k = 0; k < 3; k++) {
        const int l = (k + 1) % 3;
        const double L = length[k];
        double outward[3], distance = 0, from = 0;
        for (int c = 0; c < 3; c++) {
            const int d = (c + 1) % 3, g = (c + 2) % 3;
            outward[c] = (side[k][d] * n[g] - side[k][g] * n[d]) / L;
            distance += a[k][c] * outward[c];
            from += a[k][c] * side[k][c] / L;
        }
        const double f = along(L, R[k], R[l]), square = distance * distance + height * height;
        const double half = 0.5 * (square * f + (from + L) * R[l] - from * R[k]);
        total += distance * f;
        for (int c = 0; c < 3; c++) vector[c] += outward[c] * half;
    }
    if (fabs(height) > 1e-10 * sqrt(area)) { /* solid angle */
        double dots = R[0] * R[1] * R[2];
        ROLLED for (int k = 0; k < 3; k++) {
            const int l = (k + 1) % 3;
            dots += (a[k][0] * a[l][0] + a[k][1] * a[l][1] + a[k][2] * a[l][2]) * R[(k + 2) % 3];
        }
        total -= height * 2.0 * atan2(2.0 * height * area, dots);
    }
    mean[0] = total / area;
    for (int c = 0; c < 3; c++) mean[c + 1] = (vector[c] + (r[c] - height * n[c]) * total) / area;
}

/* Means over a wire around the origin, ending at v and -v, of 1/R and r'/R at r with R^2 + a2 */
FN void wire_mean(const double *r, const double *v, double a2, double *mean) {
    const double half = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    const double u = (r[0] * v[0] + r[1] * v[1] + r[2] * v[2]) / half, rest = r[0] * r[0] + r[1] * r[1] + r[2] * r[2] - u * u;
    const double across = (rest > 0 ? rest : 0) + a2, s1 = -half - u, s2 = half - u;
    const double R1 = sqrt(s1 * s1 + across), R2 = sqrt(s2 * s2 + across);
    mean[0] = along(2.0 * half, R1, R2) / (2.0 * half);
    /* R2 - R1 without its cancellation far away */
    const double first = (u * mean[0] + (s2 * s2 - s1 * s1) / ((R1 + R2) * 2.0 * half)) / half;
    for (int c = 0; c < 3; c++) mean[c + 1] = first * v[c];
}

/* Moments of a pair with the points of `rule` on t: mean (2), times r (6), r' (6) and r . r' (2), re and im in turn */
FN_APART void near_moments(i64 t, i64 s, const Elements *e, const Rule *rule, double *m) {
    const i64 n = e->count;
    double v[3][3], u[3][3], centre[3];
    ROLLED for (int p = 0; p < 3; p++)
        for (int c = 0; c < 3; c++) {
            v[p][c] = e->corner[(3 * p + c) * n + t];
            u[p][c] = e->corner[(3 * p + c) * n + s];
        }
    for (int c = 0; c < 3; c++) centre[c] = e->centre[c * n + t] - e->centre[c * n + s];
    const int wire = e->kind[t] == 1.0, points = wire ? rule->wire_points : rule->triangle_points;
    const double a2 = radius2(e->kind[t], e->bulk[t], e->kind[s], e->bulk[s]), k = e->k;
    for (int z = 0; z < 16; z++) m[z] = 0;
    ROLLED for (int a = 0; a < points; a++) {
        double r[3], at[3], mean[4], sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        const double *node = wire ? rule->wire + 2 * a : rule->triangle + 4 * a, weight = wire ? node[1] : node[3];
        for (int c = 0; c < 3; c++) {
            r[c] = wire ? (1.0 - node[0]) * v[0][c] + node[0] * v[1][c]
                        : node[0] * v[0][c] + node[1] * v[1][c] + node[2] * v[2][c];
            at[c] = r[c] + centre[c];
        }
        if (e->kind[s] == 1.0)
            wire_mean(at, u[1], a2, mean);
        else
            triangle_mean(at, u, e->measure[s], mean);
        for (int c = 0; c < 4; c++) sum[2 * c] = mean[c];
        ROLLED for (int b = 0; b < 3; b++) { /* (exp(-jkR) - 1) / R, which is smooth */
            double to[3], square = a2;
            for (int c = 0; c < 3; c++) {
                to[c] = e->offset[(3 * b + c) * n + s];
                square += (at[c] - to[c]) * (at[c] - to[c]);
            }
            const double R = sqrt(square > 1e-30 ? square : 1e-30), w = e->weight[b * n + s];
            double re, im, half, half_im;
            turn(k * R, &re, &im);
            turn(0.5 * k * R, &half, &half_im);
            re = -2.0 * half_im * half_im * w / R;
            im *= w / R;
            sum[0] += re;
            sum[1] += im;
            for (int c = 0; c < 3; c++) {
                sum[2 * c + 2] += re * to[c];
                sum[2 * c + 3] += im * to[c];
            }
        }
        ROLLED for (int z = 0; z < 2; z++) {
            m[z] += weight * sum[z];
            for (int c = 0; c < 3; c++) {
                m[2 + 2 * c + z] += weight * r[c] * sum[z];
                m[8 + 2 * c + z] += weight * sum[2 * c + 2 + z];
                m[14 + z] += weight * r[c] * sum[2 * c + 2 + z];
            }
        }
    }
}

/* The mean of both ways round, so that the order of a pair does not matter. */
FN void near_pair(i64 i, i64 t0, const i64 *RESTRICT one, const i64 *RESTRICT other, const Elements *e,
                  const Rule *rule, double *RESTRICT out) {
    const i64 t = one[i], s = other[i], n = e->count;
    double m[16], back[16];
    near_moments(t, s, e, rule, m);
    near_moments(s, t, e, rule, back);
    for (int z = 0; z < 2; z++) {
        m[z] = 0.5 * (m[z] + back[z]);
        m[14 + z] = 0.5 * (m[14 + z] + back[14 + z]);
    }
    for (int z = 0; z < 6; z++) {
        const double P = m[2 + z];
        m[2 + z] = 0.5 * (P + back[8 + z]);
        m[8 + z] = 0.5 * (m[8 + z] + back[2 + z]);
    }
    const double scale = e->measure[t] * e->measure[s], charge = e->electric * e->kind[t] * e->kind[s];
    ROLLED for (int p = 0; p < 3; p++)
        ROLLED for (int q = 0; q < 3; q++) {
            double value[2];
            ROLLED for (int z = 0; z < 2; z++) {
                double dot = m[14 + z], both = 0;
                for (int c = 0; c < 3; c++) {
                    const double v = e->corner[(3 * p + c) * n + t], u = e->corner[(3 * q + c) * n + s];
                    dot -= m[2 + 2 * c + z] * u + m[8 + 2 * c + z] * v;
                    both += u * v;
                }
                value[z] = scale * (e->magnetic * (dot + both * m[z]) - charge * m[z]);
            }
            double *to = out + 2 * ((((t - t0) * 3 + p) * 3 + q) * n + s);
            to[0] = -value[1];
            to[1] = value[0];
        }
}

KERNEL1(near_pairs, near_pair(i, t0, one, other, &e, &rule, out), i64 t0, const i64 *RESTRICT one, const i64 *RESTRICT other,
        CONSTANT(Elements) e, CONSTANT(Rule) rule, double *RESTRICT out)

/* Half functions of every function m: those from first[m] to first[m + 1]. An element is one of a sector's `elements`, and
   `sector` says how many sectors on; `half` is the corner of coef (r - v). */
typedef struct {
    int sectors, elements, stride; /* of pairs */
    const int *RESTRICT first, *RESTRICT element, *RESTRICT sector, *RESTRICT half;
    const double *RESTRICT coef;
} Functions;

/* Z (sectors, n, n) of the functions `rows` with halves on elements t0 <= t < t1, whose pairs (., 3, 3, stride) are
   given. Where `symmetric`, only pairs with s >= t0 are there, and Z plus its transpose is wanted. */
FN void gather_row(int i, int d, int col, int n, i64 t0, i64 t1, int symmetric, const int *RESTRICT rows, Functions f,
                   const double *RESTRICT pairs, double *RESTRICT Z) {
    const int row = rows[i];
        double re = 0, im = 0;
    for (int b = f.first[col]; b < f.first[col + 1]; b++) {
        const int s = f.element[b];
        if (symmetric && s < t0) continue;
        const double share = (symmetric && s < t1 ? 0.5 : 1.0) * f.coef[b];
        for (int a = f.first[row]; a < f.first[row + 1]; a++) {
            const int t = f.element[a];
            if (t < t0 || t >= t1) continue;
            const int turned = (d + f.sector[b] - f.sector[a] + 2 * f.sectors) % f.sectors;
            const i64 at = (((t - t0) * 3 + f.half[a]) * 3 + f.half[b]) * f.stride + (i64)turned * f.elements + s;
            re += share * f.coef[a] * pairs[2 * at];
            im += share * f.coef[a] * pairs[2 * at + 1];
        }
    }
    double *to = Z + 2 * (((i64)d * n + row) * n + col);
    to[0] += re;
    to[1] += im;
}

KERNEL3(gather_rows, gather_row(i, j, k, n2, t0, t1, symmetric, rows, f, pairs, Z), i64 t0, i64 t1, int symmetric,
        const int *RESTRICT rows, Functions f, const double *RESTRICT pairs, double *RESTRICT Z)
