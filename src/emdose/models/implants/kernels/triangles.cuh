/* Triangles against voxels, rays and each other. corners is (t, 3, 3): triangle, corner, axis; for the first two kernels
   in units of voxels, so that voxel (i, j, k) is [i, i + 1] x [j, j + 1] x [k, k + 1].
   emdose/models/implants/voxels.py and emdose/models/implants/surface_repair.py describe what is done with them. */
#include "common.cuh"

#define CORNERS 9 /* a triangle cut by six planes */

/* The part of a polygon of n corners where side (x - at) <= 0 along one axis; gives its number of corners. */
FN int cut(double p[CORNERS][3], int n, int axis, double at, double side)
{
    double q[CORNERS][3];
    int m = 0;
    for (int c = 0; c < n; c++) {
        const double *a = p[c], *b = p[c + 1 < n ? c + 1 : 0];
        const double u = side * (a[axis] - at), v = side * (b[axis] - at);
        if (u <= 0 && m < CORNERS) {
            for (int d = 0; d < 3; d++) q[m][d] = a[d];
            m++;
        }
        if (((u < 0 && v > 0) || (u > 0 && v < 0)) && m < CORNERS) {
            const double w = u / (u - v);
            for (int d = 0; d < 3; d++) q[m][d] = d == axis ? at : a[d] + w * (b[d] - a[d]);
            m++;
        }
    }
    for (int c = 0; c < m; c++)
        for (int d = 0; d < 3; d++) p[c][d] = q[c][d];
    return m;
}

FN int cut_to_column(const double *corners, int i, int j, double p[CORNERS][3])
{
    int n = 3;
    for (int c = 0; c < 3; c++)
        for (int d = 0; d < 3; d++) p[c][d] = corners[3 * c + d];
    for (int s = 0; s < 4 && n; s++)
        n = cut(p, n, s / 2, (s / 2 ? j : i) + s % 2, s % 2 ? 1.0 : -1.0);
    return n;
}

/* Voxels [low, high) that the part of a triangle in column (i, j) passes; 0, 0 where there is none. */
FN void span(const double *corners, int i, int j, int *low, int *high)
{
    double p[CORNERS][3], least, most;
    const int n = cut_to_column(corners, i, j, p);
    *low = *high = 0;
    if (n < 3) return;
    least = most = p[0][2];
    for (int c = 1; c < n; c++) {
        least = p[c][2] < least ? p[c][2] : least;
        most = p[c][2] > most ? p[c][2] : most;
    }
    *low = (int)floor(least);
    *high = (int)ceil(most);
    if (*high <= *low) *high = *low + 1;
}

/* Of the part of a triangle in voxel (i, j, k): area times normal (3), and the integral of (k + 1 - z) over it,
   projected along z. */
FN void piece(const double *corners, int i, int j, int k, double *out)
{
    double p[CORNERS][3], area[3] = {0, 0, 0}, moment = 0;
    int n = cut_to_column(corners, i, j, p);
    for (int s = 0; s < 2 && n; s++) n = cut(p, n, 2, k + s, s ? 1.0 : -1.0);
    for (int c = 2; c < n; c++) {
        double u[3], v[3];
        for (int d = 0; d < 3; d++) {
            u[d] = p[c - 1][d] - p[0][d];
            v[d] = p[c][d] - p[0][d];
        }
        const double flat = 0.5 * (u[0] * v[1] - u[1] * v[0]);
        area[0] += 0.5 * (u[1] * v[2] - u[2] * v[1]);
        area[1] += 0.5 * (u[2] * v[0] - u[0] * v[2]);
        area[2] += flat;
        moment += flat * (k + 1 - (p[0][2] + p[c - 1][2] + p[c][2]) / 3.0);
    }
    for (int d = 0; d < 3; d++) out[d] = area[d];
    out[3] = moment;
}

KERNEL1(column_spans, span(corners + 9 * (i64)triangle[i], column[2 * i], column[2 * i + 1], low + i, high + i),
        const double *RESTRICT corners, const int *RESTRICT triangle, const int *RESTRICT column, int *RESTRICT low,
        int *RESTRICT high)
KERNEL1(voxel_pieces, piece(corners + 9 * (i64)triangle[i], voxel[3 * i], voxel[3 * i + 1], voxel[3 * i + 2], out + 4 * i),
        const double *RESTRICT corners, const int *RESTRICT triangle, const int *RESTRICT voxel, double *RESTRICT out)

/* The first triangle along a ray beyond `least` and the distance to it, by the method of Moeller and Trumbore (1997);
   -1 and 1e300 where there is none. */
FN void first_hit(const double *o, const double *d, int triangles, const double *RESTRICT corners, double least,
                  double *distance, int *which)
{
    double nearest = 1e300;
    *which = -1;
    for (int t = 0; t < triangles; t++) {
        const double *a = corners + 9 * (i64)t;
        const double u0 = a[3] - a[0], u1 = a[4] - a[1], u2 = a[5] - a[2];
        const double v0 = a[6] - a[0], v1 = a[7] - a[1], v2 = a[8] - a[2];
        const double p0 = d[1] * v2 - d[2] * v1, p1 = d[2] * v0 - d[0] * v2, p2 = d[0] * v1 - d[1] * v0;
        const double s0 = o[0] - a[0], s1 = o[1] - a[1], s2 = o[2] - a[2];
        const double q0 = s1 * u2 - s2 * u1, q1 = s2 * u0 - s0 * u2, q2 = s0 * u1 - s1 * u0;
        const double det = u0 * p0 + u1 * p1 + u2 * p2, inverse = det != 0 ? 1.0 / det : 0;
        const double b1 = inverse * (s0 * p0 + s1 * p1 + s2 * p2), b2 = inverse * (d[0] * q0 + d[1] * q1 + d[2] * q2);
        const double along = inverse * (v0 * q0 + v1 * q1 + v2 * q2);
        const int hit = det != 0 && b1 >= 0 && b2 >= 0 && b1 + b2 <= 1 && along > least;
        if (hit && along < nearest) {
            nearest = along;
            *which = t;
        }
    }
    *distance = nearest;
}

KERNEL1(first_hits,
        first_hit(origin + 3 * i, direction + 3 * i, triangles, corners, least, distance + i, which + i),
        const double *RESTRICT origin, const double *RESTRICT direction, int triangles,
        const double *RESTRICT corners, double least, double *RESTRICT distance, int *RESTRICT which)

/* Six times the volume of a tetrahedron. */
FN double six_volumes(const double *a, const double *b, const double *c, const double *d)
{
    const double u0 = b[0] - a[0], u1 = b[1] - a[1], u2 = b[2] - a[2];
    const double v0 = c[0] - a[0], v1 = c[1] - a[1], v2 = c[2] - a[2];
    const double w0 = d[0] - a[0], w1 = d[1] - a[1], w2 = d[2] - a[2];
    return u0 * (v1 * w2 - v2 * w1) + u1 * (v2 * w0 - v0 * w2) + u2 * (v0 * w1 - v1 * w0);
}

/* Whether the open segment from p to q passes through the inside of a triangle; volumes up to `least` count as touching. */
FN int pierces(const double *p, const double *q, const double *t, double least)
{
    const double below = six_volumes(t, t + 3, t + 6, p), above = six_volumes(t, t + 3, t + 6, q);
    if (!((below > least && above < -least) || (below < -least && above > least))) return 0;
    const double a = six_volumes(p, q, t, t + 3), b = six_volumes(p, q, t + 3, t + 6), c = six_volumes(p, q, t + 6, t);
    return (a > least && b > least && c > least) || (a < -least && b < -least && c < -least);
}

FN u8 crosses(const double *a, const double *b, double least)
{
    for (int e = 0; e < 3; e++) {
        const int f = e == 2 ? 0 : e + 1;
        if (pierces(a + 3 * e, a + 3 * f, b, least) || pierces(b + 3 * e, b + 3 * f, a, least)) return 1;
    }
    return 0;
}

KERNEL1(crossing_pairs,
        crossing[i] = crosses(corners + 9 * (i64)pair[2 * i], corners + 9 * (i64)pair[2 * i + 1], least),
        const double *RESTRICT corners, const int *RESTRICT pair, double least, u8 *RESTRICT crossing)
