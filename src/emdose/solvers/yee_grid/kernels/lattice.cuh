/* Products of the Yee lattice operator in Fourier space, one wave vector at a time.
   a is (ports, 3, nx, n1, n2): slabs of n1 rows of the transform along y that start at row `first` of `ny`; the first
   index runs over ports and x together, n0 = ports nx. green is the even Green's function for half of x and y,
   (nx/2 + 1, ny/2 + 1, n2); gx, gy, gz are the symbols of the forward differences along each axis; minus their
   conjugates are those of the backward differences. */
#include "common.cuh"

FN i64 green_row(int i, int j, int nx, int ny, int n2) {
    const int mi = 2 * i <= nx ? i : nx - i, mj = 2 * j <= ny ? j : ny - j;
    return ((i64)mi * (ny / 2 + 1) + mj) * n2;
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
FN void dyadic_mode(int i, int j, int k, int n1, int n2, int nx, int first, int ny, real k2,
                    const creal *RESTRICT green, const creal *RESTRICT gx, const creal *RESTRICT gy,
                    const creal *RESTRICT gz, creal *RESTRICT a) {
    const int p = i / nx, ix = i - p * nx;
    const i64 step = (i64)nx * n1 * n2;
    creal *v = a + 3 * p * step + ((i64)ix * n1 + j) * n2;
    const creal s = green[green_row(ix, first + j, nx, ny, n2) + k], x = gx[ix], y = gy[first + j], z = gz[k];
    const creal ax = v[k], ay = v[step + k], az = v[2 * step + k];
    const creal qx = along(x, ax), qy = along(y, ay), qz = along(z, az);
    creal q, rx, ry, rz;
    q.re = qx.re + qy.re + qz.re;
    q.im = qx.im + qy.im + qz.im;
    rx = times(x, q);
    ry = times(y, q);
    rz = times(z, q);
    rx.re = k2 * ax.re - rx.re;
    rx.im = k2 * ax.im - rx.im;
    ry.re = k2 * ay.re - ry.re;
    ry.im = k2 * ay.im - ry.im;
    rz.re = k2 * az.re - rz.re;
    rz.im = k2 * az.im - rz.im;
    v[k] = times(s, rx);
    v[step + k] = times(s, ry);
    v[2 * step + k] = times(s, rz);
}

/* a <- S a */
FN void scalar_mode(int i, int j, int k, int n1, int n2, int nx, int first, int ny, const creal *RESTRICT green,
                    creal *RESTRICT a) {
    const int p = i / nx, ix = i - p * nx;
    const i64 step = (i64)nx * n1 * n2;
    creal *v = a + 3 * p * step + ((i64)ix * n1 + j) * n2 + k;
    const creal s = green[green_row(ix, first + j, nx, ny, n2) + k];
    for (int c = 0; c < 3; c++) v[c * step] = times(s, v[c * step]);
}

KERNEL3(dyadic, dyadic_mode(i, j, k, n1, n2, nx, first, ny, k2, green, gx, gy, gz, a), int nx, int first, int ny,
        real k2, const creal *RESTRICT green, const creal *RESTRICT gx, const creal *RESTRICT gy,
        const creal *RESTRICT gz, creal *RESTRICT a)
KERNEL3(scalar, scalar_mode(i, j, k, n1, n2, nx, first, ny, green, a), int nx, int first, int ny,
        const creal *RESTRICT green, creal *RESTRICT a)
