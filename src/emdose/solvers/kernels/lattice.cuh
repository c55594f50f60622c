/* Products of the Yee lattice operator in Fourier space, one wave vector at a time.
   a is (ports, 3, n0, n1, n2): a slab of n1 rows of the transform along y that starts at row `first` of `ny`.
   green is the even Green's function on its octant (n0/2 + 1, ny/2 + 1, n2/2 + 1); gx, gy, gz are the symbols of the
   forward differences along each axis; minus their conjugates are those of the backward differences. */
#include "common.cuh"

FN creal green_of(const creal *RESTRICT green, int i, int j, int k, int n0, int ny, int n2) {
    const int mi = 2 * i <= n0 ? i : n0 - i, mj = 2 * j <= ny ? j : ny - j, mk = 2 * k <= n2 ? k : n2 - k;
    return green[((i64)mi * (ny / 2 + 1) + mj) * (n2 / 2 + 1) + mk];
}

FN creal times(creal a, creal b) {
    creal c;
    c.re = a.re * b.re - a.im * b.im;
    c.im = a.re * b.im + a.im * b.re;
    return c;
}

/* conj(a) b */
FN creal along(creal a, creal b) {
    creal c;
    c.re = a.re * b.re + a.im * b.im;
    c.im = a.re * b.im - a.im * b.re;
    return c;
}

/* a <- (k^2 - g g^H) S a */
FN void dyadic_mode(int i, int j, int k, int n0, int n1, int n2, int ports, int first, int ny, real k2,
                    const creal *RESTRICT green, const creal *RESTRICT gx, const creal *RESTRICT gy,
                    const creal *RESTRICT gz, creal *RESTRICT a) {
    const creal s = green_of(green, i, first + j, k, n0, ny, n2);
    const creal x = gx[i], y = gy[first + j], z = gz[k];
    const i64 step = (i64)n0 * n1 * n2, here = ((i64)i * n1 + j) * n2 + k;
    for (int p = 0; p < ports; p++) {
        creal *v = a + 3 * p * step + here;
        const creal ax = v[0], ay = v[step], az = v[2 * step];
        const creal qx = along(x, ax), qy = along(y, ay), qz = along(z, az);
        creal q, r;
        q.re = qx.re + qy.re + qz.re;
        q.im = qx.im + qy.im + qz.im;
        r = times(x, q);
        r.re = k2 * ax.re - r.re;
        r.im = k2 * ax.im - r.im;
        v[0] = times(s, r);
        r = times(y, q);
        r.re = k2 * ay.re - r.re;
        r.im = k2 * ay.im - r.im;
        v[step] = times(s, r);
        r = times(z, q);
        r.re = k2 * az.re - r.re;
        r.im = k2 * az.im - r.im;
        v[2 * step] = times(s, r);
    }
}

/* a <- S a */
FN void scalar_mode(int i, int j, int k, int n0, int n1, int n2, int ports, int first, int ny,
                    const creal *RESTRICT green, creal *RESTRICT a) {
    const creal s = green_of(green, i, first + j, k, n0, ny, n2);
    const i64 step = (i64)n0 * n1 * n2, here = ((i64)i * n1 + j) * n2 + k;
    for (int c = 0; c < 3 * ports; c++) a[c * step + here] = times(s, a[c * step + here]);
}

KERNEL3(dyadic, dyadic_mode(i, j, k, n0, n1, n2, ports, first, ny, k2, green, gx, gy, gz, a), int ports, int first,
        int ny, real k2, const creal *RESTRICT green, const creal *RESTRICT gx, const creal *RESTRICT gy,
        const creal *RESTRICT gz, creal *RESTRICT a)
KERNEL3(scalar, scalar_mode(i, j, k, n0, n1, n2, ports, first, ny, green, a), int ports, int first, int ny,
        const creal *RESTRICT green, creal *RESTRICT a)
