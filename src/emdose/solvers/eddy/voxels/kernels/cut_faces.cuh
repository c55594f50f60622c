/* Cut faces on voxels: the current of a cut face sits at the middle of its open part. Arrays of currents are
   (ports, 3, nx, ny, nz), entry [c, i, j, k] the face between a cell and the one below it along c; the first index of a
   kernel runs over ports, components and x, n0 = 3 ports nx. offset is (3, 2, nx, ny, nz): where the middle lies along the
   axes c + 1 and c + 2 (modulo 3), in voxels from the middle of the face. */
#include "common.cuh"

/* Weight of the neighbour on the far (side = 1) or near (side = -1) side of a quadratic through three points. */
FN real side_weight(real d, int side) { return (real)0.5 * d * (d + side); }

/* out <- weights of the quadratics times the values around every face */
FN void collect_face(int n, int j, int k, int n1, int n2, int nx, const real *RESTRICT offset,
                     const creal *RESTRICT field, creal *RESTRICT out) {
    const int c = (n / nx) % 3, i = n % nx;
    const int size[3] = {nx, n1, n2}, at[3] = {i, j, k};
    const i64 stride[3] = {(i64)n1 * n2, n2, 1}, step = (i64)nx * n1 * n2;
    const i64 here = ((i64)n * n1 + j) * n2 + k, e = ((i64)i * n1 + j) * n2 + k;
    creal sum = field[here];
    for (int t = 0; t < 2; t++) {
        const int axis = (c + 1 + t) % 3;
        const real d = offset[(2 * c + t) * step + e];
        if (d == 0 || at[axis] == 0 || at[axis] + 1 == size[axis]) continue;
        const creal low = field[here - stride[axis]], high = field[here + stride[axis]], mid = field[here];
        const real a = side_weight(d, -1), b = side_weight(d, 1), m = d * d;
        sum.re += a * low.re + b * high.re - m * mid.re;
        sum.im += a * low.im + b * high.im - m * mid.im;
    }
    out[here] = sum;
}

/* The transpose: out <- currents as they are seen from the middles of the faces */
FN void spread_face(int n, int j, int k, int n1, int n2, int nx, const real *RESTRICT offset,
                    const creal *RESTRICT current, creal *RESTRICT out) {
    const int c = (n / nx) % 3, i = n % nx;
    const int size[3] = {nx, n1, n2}, at[3] = {i, j, k};
    const i64 stride[3] = {(i64)n1 * n2, n2, 1}, step = (i64)nx * n1 * n2;
    const i64 here = ((i64)n * n1 + j) * n2 + k, e = ((i64)i * n1 + j) * n2 + k;
    creal sum = current[here];
    for (int t = 0; t < 2; t++) {
        const int axis = (c + 1 + t) % 3;
        const real *d = offset + (2 * c + t) * step + e;
        const i64 s = stride[axis];
        if (at[axis] > 0 && at[axis] + 1 < size[axis]) {
            sum.re -= d[0] * d[0] * current[here].re;
            sum.im -= d[0] * d[0] * current[here].im;
        }
        if (at[axis] > 1) {
            const real w = side_weight(d[-s], 1);
            sum.re += w * current[here - s].re;
            sum.im += w * current[here - s].im;
        }
        if (at[axis] + 2 < size[axis]) {
            const real w = side_weight(d[s], -1);
            sum.re += w * current[here + s].re;
            sum.im += w * current[here + s].im;
        }
    }
    out[here] = sum;
}

KERNEL3(collect, collect_face(i, j, k, n1, n2, nx, offset, field, out), int nx, const real *RESTRICT offset,
        const creal *RESTRICT field, creal *RESTRICT out)
KERNEL3(spread, spread_face(i, j, k, n1, n2, nx, offset, current, out), int nx, const real *RESTRICT offset,
        const creal *RESTRICT current, creal *RESTRICT out)
