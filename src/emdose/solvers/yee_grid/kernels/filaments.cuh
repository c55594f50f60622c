/* Retarded fields of straight filaments at points: one component of A (magnetic 0) or of curl A (magnetic 1), without the
   factor mu0 / (4 pi). points is (3, n), start and tangent (pieces, 3), length (pieces), currents (ports, pieces), out
   (ports, n). One index is a tile of TILE points; a CPU walks a tile in step so that its arithmetic vectorises.
   See emdose/solvers/yee_grid/filaments.py for the equations. */
#include "common.cuh"

#define TILE 16
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STEP 1
#  define POINT(i, w, n0) ((i) + (i64)(w) * (n0))
#else
#  define STEP TILE
#  define POINT(i, w, n0) ((void)(n0), (i) * TILE + (w))
#endif
#define FAR 2.0       /* lengths from the middle beyond which three Gauss points alone are good to 1e-6... */
#define VERY_FAR 8.0  /* ...and two are */

/* Gauss points on (0, 1), two or three */
FN double node_of(int q, int count) {
    const double reach = count == 2 ? 0.57735026918962576451 : 0.77459666924148337704;
    return q == 0 ? 0.5 - 0.5 * reach : q == count - 1 ? 0.5 + 0.5 * reach : 0.5;
}
FN double weight_of(int q, int count) { return count == 2 ? 0.5 : q == 1 ? 4.0 / 9.0 : 5.0 / 18.0; }

/* Straight pieces, the currents in them by port, and the wavenumber. */
typedef struct {
    int pieces, ports;
    double k;
    const double *RESTRICT start, *RESTRICT tangent, *RESTRICT length;
    const creal *RESTRICT currents;
} Filaments;

FN void filaments_tile(i64 i, i64 n0, i64 n, const double *RESTRICT points, Filaments wires, int component, int magnetic,
                       creal *RESTRICT out) {
    const int pieces = wires.pieces, ports = wires.ports;
    const double k = wires.k;
    const int a = (component + 1) % 3, b = (component + 2) % 3;
    for (int first = 0; first < TILE; first += STEP) {
        double p[3][STEP], u[STEP], rho2[STEP], factor[STEP], re[STEP], im[STEP];
        for (int w = 0; w < STEP; w++) {
            i64 at = POINT(i, first + w, n0);
            at = at < n ? at : n - 1;
            for (int d = 0; d < 3; d++) p[d][w] = points[d * n + at];
        }
        for (int f = 0; f < pieces; f++) {
            const double *t = wires.tangent + 3 * f, *from = wires.start + 3 * f, L = LOAD(wires.length + f);
            const double t0 = LOAD(t), t1 = LOAD(t + 1), t2 = LOAD(t + 2);
            const double x0 = LOAD(from), y0 = LOAD(from + 1), z0 = LOAD(from + 2);
            const double ta = LOAD(t + a), tb = LOAD(t + b), tc = LOAD(t + component);
            const double sa = LOAD(from + a), sb = LOAD(from + b);
            if (magnetic ? ta * ta + tb * tb < 1e-24 : tc * tc < 1e-24) continue;
            double closest = 1e300;
            for (int w = 0; w < STEP; w++) {
                const double x = p[0][w] - x0, y = p[1][w] - y0, z = p[2][w] - z0;
                const double square = x * x + y * y + z * z, along = t0 * x + t1 * y + t2 * z;
                const double rest = square - along * along, middle = square - along * L;
                u[w] = along;
                rho2[w] = rest > 0 ? rest : 0;
                factor[w] = magnetic ? ta * (p[b][w] - sb) - tb * (p[a][w] - sa) : tc;
                closest = middle < closest ? middle : closest;
            }
            /* Close by, the terms 1/R and R (or 1/R^3 and 1/R) are taken out of the quadrature... */
            const double distance2 = closest + 0.25 * L * L;
            const int count = distance2 > VERY_FAR * VERY_FAR * L * L ? 2 : 3;
            const double close = distance2 > FAR * FAR * L * L ? 0.0 : 1.0, least = 1e-9 * close * L;
            for (int w = 0; w < STEP; w++) re[w] = im[w] = 0;
            for (int q = 0; q < count; q++) {
                const double node = node_of(q, count) * L, weight = weight_of(q, count) * L;
                if (magnetic) {
                    for (int w = 0; w < STEP; w++) {
                        double s, c, R = sqrt(rho2[w] + (node - u[w]) * (node - u[w]));
                        R = R > least ? R : least;
                        const double x = k * R, scale = weight / (R * R * R);
                        sine_cosine(x, &s, &c);
                        re[w] += scale * (c + x * s - close * (1.0 + 0.5 * x * x));
                        im[w] += scale * (x * c - s);
                    }
                } else {
                    for (int w = 0; w < STEP; w++) {
                        double s, c, R = sqrt(rho2[w] + (node - u[w]) * (node - u[w]));
                        R = R > least ? R : least;
                        const double x = k * R, scale = weight / R;
                        sine_cosine(x, &s, &c);
                        re[w] += scale * (c - close * (1.0 - 0.5 * x * x));
                        im[w] += scale * (close * x - s);
                    }
                }
            }
            if (close > 0) { /* ...and added in closed form. */
                double inverse[STEP];
                for (int w = 0; w < STEP; w++) {
                    const double s1 = -u[w], s2 = L - u[w];
                    const double R1 = sqrt(rho2[w] + s1 * s1), R2 = sqrt(rho2[w] + s2 * s2), ratio = L / (R1 + R2);
                    inverse[w] = ratio < 1.0 - 1e-15 ? ratio : 1.0 - 1e-15;
                }
                for (int w = 0; w < STEP; w++) inverse[w] = log((1.0 + inverse[w]) / (1.0 - inverse[w]));
                for (int w = 0; w < STEP; w++) {
                    const double s1 = -u[w], s2 = L - u[w];
                    const double R1 = sqrt(rho2[w] + s1 * s1), R2 = sqrt(rho2[w] + s2 * s2), floor4 = 1e-30 * L * L * L * L;
                    if (magnetic) {
                        double below = R1 * R2 * (R1 * R2 + s1 * s2 + rho2[w]);
                        below = below > floor4 ? below : floor4;
                        re[w] += L * (R1 + R2) / below + 0.5 * k * k * inverse[w];
                    } else {
                        re[w] += inverse[w] - 0.25 * k * k * (s2 * R2 - s1 * R1 + rho2[w] * inverse[w]);
                        im[w] -= k * L;
                    }
                }
            }
            for (int c = 0; c < ports; c++) {
                const creal *I = wires.currents + (i64)c * pieces + f;
                const real I_re = LOAD(&I->re), I_im = LOAD(&I->im);
                if (I_re == 0 && I_im == 0) continue;
                for (int w = 0; w < STEP; w++) {
                    const i64 at = POINT(i, first + w, n0);
                    if (at >= n) continue;
                    creal *o = out + c * n + at;
                    o->re += factor[w] * (I_re * re[w] - I_im * im[w]);
                    o->im += factor[w] * (I_re * im[w] + I_im * re[w]);
                }
            }
        }
    }
}

KERNEL1(filaments, filaments_tile(i, n0, n, points, wires, component, magnetic, out), i64 n, const double *RESTRICT points,
        Filaments wires, int component, int magnetic, creal *RESTRICT out)
