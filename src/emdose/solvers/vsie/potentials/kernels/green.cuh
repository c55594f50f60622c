/* Green's function exp(-jkR) / (4 pi R) between targets (3, n0) and sources (3, n2): one row of out (n0, n2) per target.
   A target on a source gets what it has at a distance of `least`. */
#include "common.cuh"

/* sin and cos to the rounding of floats, in floats where these are asked for, for x up to some 1e3 */
FN void fast_sine_cosine(real x, real *s, real *c) {
    const real n = (real)floor(x * (real)0.63661977236758134308 + (real)0.5);
    const real q = n - 4 * (real)floor((real)0.25 * n);
    const real r = (x - n * (real)1.5707963267341256) - n * (real)6.0771005065061922e-11, r2 = r * r;
    const real a = r + r * r2 * ((real)(-1.0 / 6) + r2 * ((real)(1.0 / 120) + r2 * ((real)(-1.0 / 5040)
                   + r2 * ((real)(1.0 / 362880) - r2 * (real)(1.0 / 39916800)))));
    const real b = 1 + r2 * ((real)-0.5 + r2 * ((real)(1.0 / 24) + r2 * ((real)(-1.0 / 720) + r2 * ((real)(1.0 / 40320)
                   - r2 * ((real)(1.0 / 3628800) - r2 * (real)(1.0 / 479001600))))));
    const int odd = q == 1 || q == 3;
    const real big = odd ? b : a, small = odd ? a : b;
    *s = q >= 2 ? -big : big;
    *c = q == 1 || q == 2 ? -small : small;
}

FN void green_pair(int i, int j, int k, int n0, int n2, real wavenumber, real least, const real *RESTRICT targets,
                   const real *RESTRICT sources, creal *RESTRICT out) {
    (void)j; /* there is one row of targets */
    const real x = targets[i] - sources[k], y = targets[n0 + i] - sources[n2 + k];
    const real z = targets[2 * (i64)n0 + i] - sources[2 * (i64)n2 + k];
    real R = (real)sqrt(x * x + y * y + z * z), s, c;
    R = R > least ? R : least;
    const real scale = (real)0.07957747154594767 / R;
    fast_sine_cosine(wavenumber * R, &s, &c);
    out[(i64)i * n2 + k].re = scale * c;
    out[(i64)i * n2 + k].im = -scale * s;
}

KERNEL3(green, green_pair(i, j, k, n0, n2, wavenumber, least, targets, sources, out), real wavenumber, real least,
        const real *RESTRICT targets, const real *RESTRICT sources, creal *RESTRICT out)
