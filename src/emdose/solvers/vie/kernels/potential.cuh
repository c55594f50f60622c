/* Seven-point equations div eps grad phi on nodes with complex eps, for a multigrid cycle. Arrays of a level hold one
   node more at every end, which stays zero: x, b, r are (ports, nx + 2, n1 + 2, n2 + 2), g is (3, ...), the weight of the
   edge from a node to the next one along each axis, zero where there is no such node; total is the sum of the six and of
   what leads to potential zero, over is one over it. The first index of a kernel runs over ports and x together.
   Coarse nodes stand for two of the finer level along every axis. */
#include "common.cuh"

typedef struct {
    int nx, ny, nz;
    const creal *RESTRICT g, *RESTRICT total, *RESTRICT over;
} Nodes;

/* Place of a node within one port */
FN i64 node_at(int i, int j, int k, int ny, int nz) { return ((i64)(i + 1) * (ny + 2) + j + 1) * (nz + 2) + k + 1; }

FN void add_product(creal *sum, creal a, creal b) {
    sum->re += a.re * b.re - a.im * b.im;
    sum->im += a.re * b.im + a.im * b.re;
}

/* Sum of g times the value over the six neighbours */
FN creal around(const creal *RESTRICT g, const creal *RESTRICT v, i64 e, int nx, int ny, int nz) {
    const i64 sy = nz + 2, sx = sy * (ny + 2), step = sx * (nx + 2);
    creal sum;
    sum.re = 0;
    sum.im = 0;
    add_product(&sum, g[e], v[e + sx]);
    add_product(&sum, g[e - sx], v[e - sx]);
    add_product(&sum, g[step + e], v[e + sy]);
    add_product(&sum, g[step + e - sy], v[e - sy]);
    add_product(&sum, g[2 * step + e], v[e + 1]);
    add_product(&sum, g[2 * step + e - 1], v[e - 1]);
    return sum;
}

/* x <- (b + sum g x') / total on nodes of one colour of a chessboard; n2 is half of the nodes along z, rounded up */
FN void relax_node(int n, int j, int half, Nodes level, int colour, const creal *RESTRICT b, creal *x) {
    const int p = n / level.nx, i = n - p * level.nx, k = 2 * half + ((i + j + colour) & 1);
    if (k < level.nz) {
        const i64 base = (i64)p * (level.nx + 2) * (level.ny + 2) * (level.nz + 2);
        const i64 e = node_at(i, j, k, level.ny, level.nz);
        creal sum = around(level.g, x + base, e, level.nx, level.ny, level.nz), value;
        sum.re += b[base + e].re;
        sum.im += b[base + e].im;
        value.re = 0;
        value.im = 0;
        add_product(&value, level.over[e], sum);
        x[base + e] = value;
    }
}

/* out <- total x - sum g x' */
FN void conduct_node(int n, int j, int k, Nodes level, const creal *RESTRICT x, creal *RESTRICT out) {
    const int p = n / level.nx, i = n - p * level.nx;
    const i64 base = (i64)p * (level.nx + 2) * (level.ny + 2) * (level.nz + 2);
    const i64 e = node_at(i, j, k, level.ny, level.nz);
    const creal sum = around(level.g, x + base, e, level.nx, level.ny, level.nz);
    creal value;
    value.re = -sum.re;
    value.im = -sum.im;
    add_product(&value, level.total[e], x[base + e]);
    out[base + e] = value;
}

/* Residual b - A x; zero on the colour that was relaxed last, which is not looked at */
FN void residual_node(int n, int j, int half, Nodes level, int colour, const creal *RESTRICT b,
                      const creal *RESTRICT x, creal *RESTRICT out) {
    const int p = n / level.nx, i = n - p * level.nx, k = 2 * half + ((i + j + colour) & 1);
    if (k < level.nz) {
        const i64 base = (i64)p * (level.nx + 2) * (level.ny + 2) * (level.nz + 2);
        const i64 e = node_at(i, j, k, level.ny, level.nz);
        const creal v = x[base + e];
        creal sum = around(level.g, x + base, e, level.nx, level.ny, level.nz), minus;
        sum.re += b[base + e].re;
        sum.im += b[base + e].im;
        minus.re = -v.re;
        minus.im = -v.im;
        add_product(&sum, level.total[e], minus);
        out[base + e] = sum;
    }
}

/* coarse <- sum over 4 x 4 x 4 nodes of weight fine; level is the coarse one, (fx, fy, fz) the finer one */
FN void restrict_node(int n, int j, int k, int nx, int ny, int nz, int fx, int fy, int fz,
                      const creal *RESTRICT fine, creal *RESTRICT coarse) {
    const int p = n / nx, i = n - p * nx;
    const i64 base = (i64)p * (fx + 2) * (fy + 2) * (fz + 2);
    creal sum;
    sum.re = 0;
    sum.im = 0;
    for (int a = 2 * i - 1; a <= 2 * i + 2 && a <= fx; a++) {
        const real wa = a / 2 == i && a >= 0 ? (real)0.75 : (real)0.25;
        for (int b = 2 * j - 1; b <= 2 * j + 2 && b <= fy; b++) {
            const real wb = b / 2 == j && b >= 0 ? wa * (real)0.75 : wa * (real)0.25;
            for (int d = 2 * k - 1; d <= 2 * k + 2 && d <= fz; d++) {
                const real w = d / 2 == k && d >= 0 ? wb * (real)0.75 : wb * (real)0.25;
                const creal v = fine[base + node_at(a, b, d, fy, fz)];
                sum.re += w * v.re;
                sum.im += w * v.im;
            }
        }
    }
    coarse[(i64)p * (nx + 2) * (ny + 2) * (nz + 2) + node_at(i, j, k, ny, nz)] = sum;
}

/* fine <- fine + sum over 2 x 2 x 2 coarse nodes of weight coarse; n1, n2, nx are of the fine level */
FN void prolong_node(int n, int j, int k, int nx, int ny, int nz, int cx, int cy, int cz,
                     const creal *RESTRICT coarse, creal *RESTRICT fine) {
    const int p = n / nx, i = n - p * nx;
    const int ai = i / 2, bi = j / 2, di = k / 2;
    const int an = i % 2 ? ai + 1 : ai - 1, bn = j % 2 ? bi + 1 : bi - 1, dn = k % 2 ? di + 1 : di - 1;
    const creal *v = coarse + (i64)p * (cx + 2) * (cy + 2) * (cz + 2);
    const i64 e = (i64)p * (nx + 2) * (ny + 2) * (nz + 2) + node_at(i, j, k, ny, nz);
    creal sum = fine[e];
    for (int m = 0; m < 8; m++) {
        const real w = (m & 1 ? (real)0.25 : (real)0.75) * (m & 2 ? (real)0.25 : (real)0.75) *
                       (m & 4 ? (real)0.25 : (real)0.75);
        const creal c = v[node_at(m & 1 ? an : ai, m & 2 ? bn : bi, m & 4 ? dn : di, cy, cz)];
        sum.re += w * c.re;
        sum.im += w * c.im;
    }
    fine[e] = sum;
}

KERNEL3(relax, relax_node(i, j, k, level, colour, b, x), Nodes level, int colour, const creal *RESTRICT b, creal *x)
KERNEL3(conduct, conduct_node(i, j, k, level, x, out), Nodes level, const creal *RESTRICT x, creal *RESTRICT out)
KERNEL3(residual, residual_node(i, j, k, level, colour, b, x, out), Nodes level, int colour,
        const creal *RESTRICT b, const creal *RESTRICT x, creal *RESTRICT out)
KERNEL3(restrict_nodes, restrict_node(i, j, k, nx, n1, n2, fx, fy, fz, fine, coarse), int nx, int fx, int fy, int fz,
        const creal *RESTRICT fine, creal *RESTRICT coarse)
KERNEL3(prolong_nodes, prolong_node(i, j, k, nx, n1, n2, cx, cy, cz, coarse, fine), int nx, int cx, int cy, int cz,
        const creal *RESTRICT coarse, creal *RESTRICT fine)
