/* Retarded fields of straight filaments at points: one component of A (magnetic 0) or of curl A (magnetic 1), without the
   factor mu0 / (4 pi). points is (3, n), start and tangent (pieces, 3), length (pieces), currents (ports, pieces), out
   (ports, n). One index is a tile of TILE points; a CPU walks a tile in step so that its arithmetic vectorises.
   See emdose/solvers/incident.py for the equations. */
#include "common.cuh"

#define TILE 16
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STEP 1
#  define POINT(i, w, n0) ((i) + (i64)(w) * (n0))
#else
#  define STEP TILE
#  define POINT(i, w, n0) ((i) * TILE + (w))
#endif
#define FAR 3.0 /* lengths from the middle beyond which quadrature alone is good to 1e-7 */

/* sin and cos to 1e-13, without a branch, for x up to some 1e6 */
FN void sine_cosine(double x, double *s, double *c) {
    const double n = floor(x * 0.63661977236758134308 + 0.5), q = n - 4.0 * floor(0.25 * n);
    const double r = (x - n * 1.5707963267341256) - n * 6.0771005065061922e-11, r2 = r * r;
    const double a = r + r * r2 * (-1.0 / 6 + r2 * (1.0 / 120 + r2 * (-1.0 / 5040 + r2 * (1.0 / 362880 + r2 * (
                     -1.0 / 39916800 + r2 / 6227020800.0)))));
    const double b = 1.0 + r2 * (-0.5 + r2 * (1.0 / 24 + r2 * (-1.0 / 720 + r2 * (1.0 / 40320 + r2 * (-1.0 / 3628800
                     + r2 * (1.0 / 479001600 - r2 / 87178291200.0))))));
    const int odd = q == 1.0 || q == 3.0;
    const double big = odd ? b : a, small = odd ? a : b;
    *s = q >= 2.0 ? -big : big;
    *c = q == 1.0 || q == 2.0 ? -small : small;
}

FN double node_of(int q) { return q == 0 ? 0.11270166537925831148 : q == 1 ? 0.5 : 0.88729833462074168852; }
FN double weight_of(int q) { return q == 1 ? 0.44444444444444444444 : 0.27777777777777777778; }

/* Integral of exp(-jkR)/R or (1 + jkR) exp(-jkR)/R^3 over a piece close by: singular terms in closed form. */
FN void near_integral(double u, double rho2, double length, double k, int magnetic, double *re, double *im) {
    double sum_re = 0, sum_im = 0;
    for (int q = 0; q < 3; q++) {
        const double along = node_of(q) * length - u, weight = weight_of(q) * length;
        double R = sqrt(rho2 + along * along), s, c;
        R = R > 1e-9 * length ? R : 1e-9 * length;
        const double x = k * R;
        sine_cosine(x, &s, &c);
        if (magnetic) {
            const double scale = weight / (R * R * R);
            sum_re += scale * (c + x * s - 1.0 - 0.5 * x * x);
            sum_im += scale * (x * c - s);
        } else {
            sum_re += weight / R * (c - 1.0 + 0.5 * x * x);
            sum_im += weight / R * (x - s);
        }
    }
    const double s1 = -u, s2 = length - u, R1 = sqrt(rho2 + s1 * s1), R2 = sqrt(rho2 + s2 * s2);
    double ratio = length / (R1 + R2);
    ratio = ratio < 1.0 - 1e-15 ? ratio : 1.0 - 1e-15;
    const double inverse = log((1.0 + ratio) / (1.0 - ratio));
    if (magnetic) {
        double below = R1 * R2 * (R1 * R2 + s1 * s2 + rho2);
        const double least = 1e-30 * length * length * length * length;
        below = below > least ? below : least;
        sum_re += length * (R1 + R2) / below + 0.5 * k * k * inverse;
    } else {
        sum_re += inverse - 0.25 * k * k * (s2 * R2 - s1 * R1 + rho2 * inverse);
        sum_im -= k * length;
    }
    *re = sum_re;
    *im = sum_im;
}

FN void filaments_tile(i64 i, i64 n0, i64 n, const double *RESTRICT points, int pieces, const double *RESTRICT start,
                       const double *RESTRICT tangent, const double *RESTRICT length, int ports,
                       const creal *RESTRICT currents, double k, int component, int magnetic, creal *RESTRICT out) {
    const int a = (component + 1) % 3, b = (component + 2) % 3;
    for (int first = 0; first < TILE; first += STEP) {
        double p[3][STEP], u[STEP], rho2[STEP], factor[STEP], re[STEP], im[STEP];
        for (int w = 0; w < STEP; w++) {
            i64 at = POINT(i, first + w, n0);
            at = at < n ? at : n - 1;
            for (int d = 0; d < 3; d++) p[d][w] = points[d * n + at];
        }
        for (int f = 0; f < pieces; f++) {
            const double t0 = tangent[3 * f], t1 = tangent[3 * f + 1], t2 = tangent[3 * f + 2], L = length[f];
            const double ta = tangent[3 * f + a], tb = tangent[3 * f + b], tc = tangent[3 * f + component];
            const double sa = start[3 * f + a], sb = start[3 * f + b];
            if (magnetic ? ta * ta + tb * tb < 1e-24 : tc * tc < 1e-24) continue;
            double closest = 1e300;
            for (int w = 0; w < STEP; w++) {
                const double x = p[0][w] - start[3 * f], y = p[1][w] - start[3 * f + 1], z = p[2][w] - start[3 * f + 2];
                const double square = x * x + y * y + z * z, along = t0 * x + t1 * y + t2 * z;
                const double rest = square - along * along, middle = square - along * L;
                u[w] = along;
                rho2[w] = rest > 0 ? rest : 0;
                factor[w] = magnetic ? ta * (p[b][w] - sb) - tb * (p[a][w] - sa) : tc;
                closest = middle < closest ? middle : closest;
            }
            if (closest + 0.25 * L * L > FAR * FAR * L * L) {
                for (int w = 0; w < STEP; w++) re[w] = im[w] = 0;
                for (int q = 0; q < 3; q++) {
                    const double node = node_of(q) * L, weight = weight_of(q) * L;
                    if (magnetic) {
                        for (int w = 0; w < STEP; w++) {
                            const double R2 = rho2[w] + (node - u[w]) * (node - u[w]), R = sqrt(R2), x = k * R;
                            const double scale = weight / (R2 * R);
                            double s, c;
                            sine_cosine(x, &s, &c);
                            re[w] += scale * (c + x * s);
                            im[w] += scale * (x * c - s);
                        }
                    } else {
                        for (int w = 0; w < STEP; w++) {
                            const double R = sqrt(rho2[w] + (node - u[w]) * (node - u[w])), scale = weight / R;
                            double s, c;
                            sine_cosine(k * R, &s, &c);
                            re[w] += scale * c;
                            im[w] -= scale * s;
                        }
                    }
                }
            } else {
                for (int w = 0; w < STEP; w++) near_integral(u[w], rho2[w], L, k, magnetic, &re[w], &im[w]);
            }
            for (int c = 0; c < ports; c++) {
                const creal I = currents[(i64)c * pieces + f];
                if (I.re == 0 && I.im == 0) continue;
                for (int w = 0; w < STEP; w++) {
                    const i64 at = POINT(i, first + w, n0);
                    if (at >= n) continue;
                    creal *o = out + c * n + at;
                    o->re += factor[w] * (I.re * re[w] - I.im * im[w]);
                    o->im += factor[w] * (I.re * im[w] + I.im * re[w]);
                }
            }
        }
    }
}

KERNEL1(filaments,
        filaments_tile(i, n0, n, points, pieces, start, tangent, length, ports, currents, k, component, magnetic, out),
        i64 n, const double *RESTRICT points, int pieces, const double *RESTRICT start,
        const double *RESTRICT tangent, const double *RESTRICT length, int ports, const creal *RESTRICT currents,
        double k, int component, int magnetic, creal *RESTRICT out)
