/* Static fields of straight wires: flux density and vector potential, each point a sum over all wires, in double.
   A wire is its two ends, (6) numbers; pull is its current, times mu0 / (4 pi). */
#include "common.cuh"

FN double root_sum(double x, double y, double z) { return sqrt(x * x + y * y + z * z); }

/* artanh; by its series where the next term is below rounding of the sum of many wires */
FN double artanh_of(double x) {
    const double s = x * x;
    if (s < 0.04)
        return x * (1 + s * (1.0 / 3 + s * (1.0 / 5 + s * (1.0 / 7 + s * (1.0 / 9 + s * (1.0 / 11 + s * (1.0 / 13 + s * (
                   1.0 / 15 + s / 17))))))));
    return 0.5 * log((1 + x) / (1 - x));
}

FN void potential_at(i64 i, i64 wires, const double *RESTRICT ends, const double *RESTRICT pull,
                     const double *RESTRICT points, double *RESTRICT out) {
    const double x = points[3 * i], y = points[3 * i + 1], z = points[3 * i + 2];
    double ax = 0, ay = 0, az = 0;
    for (i64 s = 0; s < wires; s++) {
        const double *e = ends + 6 * s;
        const double tx = e[3] - e[0], ty = e[4] - e[1], tz = e[5] - e[2];
        const double length = root_sum(tx, ty, tz);
        const double R = root_sum(x - e[0], y - e[1], z - e[2]) + root_sum(x - e[3], y - e[4], z - e[5]);
        const double share = length < R * (1 - 1e-15) ? length / R : 1 - 1e-15;
        const double weight = 2 * artanh_of(share) * pull[s] / length;
        ax += weight * tx;
        ay += weight * ty;
        az += weight * tz;
    }
    out[3 * i] = ax;
    out[3 * i + 1] = ay;
    out[3 * i + 2] = az;
}

FN void field_at(i64 i, i64 wires, const double *RESTRICT ends, const double *RESTRICT pull,
                 const double *RESTRICT points, double *RESTRICT out) {
    const double x = points[3 * i], y = points[3 * i + 1], z = points[3 * i + 2];
    double bx = 0, by = 0, bz = 0;
    for (i64 s = 0; s < wires; s++) {
        const double *e = ends + 6 * s;
        const double ux = x - e[0], uy = y - e[1], uz = z - e[2], vx = x - e[3], vy = y - e[4], vz = z - e[5];
        const double U = root_sum(ux, uy, uz), V = root_sum(vx, vy, vz);
        const double below = U * V * (U * V + ux * vx + uy * vy + uz * vz);
        const double weight = below > 0 ? (U + V) / below * pull[s] : 0;
        bx += weight * (uy * vz - uz * vy);
        by += weight * (uz * vx - ux * vz);
        bz += weight * (ux * vy - uy * vx);
    }
    out[3 * i] = bx;
    out[3 * i + 1] = by;
    out[3 * i + 2] = bz;
}

KERNEL1(wire_potentials, potential_at(i, wires, ends, pull, points, out), i64 wires, const double *RESTRICT ends,
        const double *RESTRICT pull, const double *RESTRICT points, double *RESTRICT out)
KERNEL1(wire_fields, field_at(i, wires, ends, pull, points, out), i64 wires, const double *RESTRICT ends,
        const double *RESTRICT pull, const double *RESTRICT points, double *RESTRICT out)
