/* Averages of a vector field around the voxels of a body, over what of their own tissue lies in a small box or along a
   short line. Fields are packed: value p of voxel i is E[p * m + i]; index leads from a cell of the grid to its place
   among the voxels, -1 elsewhere; labels are the tissues. emdose/dosimetry/induced/local.py describes the rules. */
#include "common.cuh"

typedef struct {
    int n0, n1, n2; /* cells of the grid */
    i64 m;          /* voxels */
    const i64 *RESTRICT cells;
    const int *RESTRICT index;
    const i16 *RESTRICT labels;
} Voxels;

/* The voxel of the same tissue at an offset, or -1. */
FN i64 neighbour(Voxels v, i64 i, int x, int y, int z)
{
    if (x < 0 || y < 0 || z < 0 || x >= v.n0 || y >= v.n1 || z >= v.n2) return -1;
    const i64 q = v.index[((i64)x * v.n1 + y) * v.n2 + z];
    return q >= 0 && v.labels[q] == v.labels[i] ? q : -1;
}

/* Box: weights of 2 r + 1 offsets per axis, one axis after the other in `weights`. */
FN void box_mean(i64 i, Voxels v, int r0, int r1, int r2, const real *RESTRICT weights, int planes,
                 const real *RESTRICT E, real *RESTRICT out)
{
    const real *w0 = weights + r0, *w1 = weights + 2 * r0 + 1 + r1, *w2 = weights + 2 * (r0 + r1) + 2 + r2;
    const int z = (int)(v.cells[i] % v.n2), y = (int)(v.cells[i] / v.n2 % v.n1);
    const int x = (int)(v.cells[i] / v.n2 / v.n1);
    real sum[6] = {0, 0, 0, 0, 0, 0}, total = 0;
    for (int a = -r0; a <= r0; a++)
        for (int b = -r1; b <= r1; b++)
            for (int c = -r2; c <= r2; c++) {
                const i64 q = neighbour(v, i, x + a, y + b, z + c);
                if (q < 0) continue;
                const real w = w0[a] * w1[b] * w2[c];
                total += w;
                for (int p = 0; p < planes; p++)
                    sum[p] += w * E[p * v.m + q];
            }
    for (int p = 0; p < planes; p++)
        out[p * v.m + i] = sum[p] / total;
}

/* Line along an axis: weights[|offset|]; it ends where the tissue does. */
FN void axis_mean(i64 i, Voxels v, int axis, int r, const real *RESTRICT weights, const real *RESTRICT E,
                  real *RESTRICT out)
{
    const int z = (int)(v.cells[i] % v.n2), y = (int)(v.cells[i] / v.n2 % v.n1);
    const int x = (int)(v.cells[i] / v.n2 / v.n1);
    real sum = weights[0] * E[i], total = weights[0];
    for (int side = -1; side <= 1; side += 2)
        for (int k = 1; k <= r; k++) {
            const int a = side * k;
            const i64 q = neighbour(v, i, x + (axis == 0 ? a : 0), y + (axis == 1 ? a : 0), z + (axis == 2 ? a : 0));
            if (q < 0) break;
            sum += weights[k] * E[q];
            total += weights[k];
        }
    out[i] = sum / total;
}

/* Line along a direction per voxel (in voxels per step of the line): the component of E along `along` at points
   (k + 1/2) steps to both sides; it ends where the tissue does. */
FN void line_mean(i64 i, Voxels v, int points, const double *RESTRICT step, const real *RESTRICT along, int planes,
                  const real *RESTRICT E, real *RESTRICT out)
{
    const int z = (int)(v.cells[i] % v.n2), y = (int)(v.cells[i] / v.n2 % v.n1);
    const int x = (int)(v.cells[i] / v.n2 / v.n1);
    real sum[2] = {0, 0};
    int count = 0;
    for (int side = -1; side <= 1; side += 2)
        for (int k = 0; k < points; k++) {
            const double s = side * (k + 0.5);
            const i64 q = neighbour(v, i, (int)floor(x + 0.5 + s * step[i]), (int)floor(y + 0.5 + s * step[v.m + i]),
                                    (int)floor(z + 0.5 + s * step[2 * v.m + i]));
            if (q < 0) break;
            count++;
            for (int p = 0; p < planes; p++)
                for (int c = 0; c < 3; c++)
                    sum[p] += along[c * v.m + i] * E[(3 * p + c) * v.m + q];
        }
    for (int p = 0; p < planes; p++)
        out[p * v.m + i] = sum[p] / count;
}

KERNEL1(box_means, box_mean(i, voxels, r0, r1, r2, weights, planes, E, out), Voxels voxels, int r0, int r1, int r2,
        const real *RESTRICT weights, int planes, const real *RESTRICT E, real *RESTRICT out)
KERNEL1(axis_means, axis_mean(i, voxels, axis, r, weights, E, out), Voxels voxels, int axis, int r,
        const real *RESTRICT weights, const real *RESTRICT E, real *RESTRICT out)
KERNEL1(line_means, line_mean(i, voxels, points, step, along, planes, E, out), Voxels voxels, int points,
        const double *RESTRICT step, const real *RESTRICT along, int planes, const real *RESTRICT E,
        real *RESTRICT out)
