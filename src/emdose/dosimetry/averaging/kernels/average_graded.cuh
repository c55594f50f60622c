/* Averages over cubes of a given mass on voxels whose edges differ from each other: the cubes have real sides, and a
   summed-area table is read between its nodes. emdose/dosimetry/averaging/graded.py describes the algorithm.

   A table of an (n0, n1, n2) map has the shape (n0 + 1, n1 + 1, n2 + 1); its entry (i, j, k) is the integral of the map
   below node (i, j, k). The map is constant in a voxel, so between the nodes the integral is exactly trilinear.

   Item i of a list of voxels is the cube centred on voxel i (faces 1), or cube i % 6 (-x, +x, -y, +y, -z, +z) of voxel
   i / 6, which has that voxel at the centre of the opposite face (faces 6). nodes holds the coordinates of the three axes
   one after the other. */
#include "common.cuh"

#define MASS_TOLERANCE 1e-9  /* relative; keeps a cube of whole voxels from reaching for the next one by rounding */
#define LENGTH_TOLERANCE 5e-7 /* relative to the side; a cube that enters a voxel by less does not touch it */
#define FULLY_INSIDE 0.999
#define BACKGROUND_LIMIT 0.1

/* The grid as a kernel gets it: voxels along the axes, coordinates of their nodes. */
typedef struct { int nx, ny, nz; const double *RESTRICT nodes; } Voxels;
typedef struct { int n[3]; const double *nodes[3]; } Axes;
typedef struct { double low[3], high[3]; } Box;

FN Axes axes_of(Voxels v) {
    Axes a;
    a.n[0] = v.nx, a.n[1] = v.ny, a.n[2] = v.nz;
    a.nodes[0] = v.nodes, a.nodes[1] = v.nodes + v.nx + 1, a.nodes[2] = v.nodes + v.nx + v.ny + 2;
    return a;
}

/* Cell that holds a coordinate, the outermost one for what lies beyond. */
FN int cell_of(const double *RESTRICT nodes, int n, double x) {
    int low = 0, high = n;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (nodes[middle] <= x) low = middle; else high = middle;
    }
    return low;
}

FN double inside(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

FN_APART double box_integral(const double *RESTRICT table, const Axes *a, const Box *box) {
    const i64 Y = a->n[2] + 1, X = Y * (a->n[1] + 1);
    int cell[3][2];
    double part[3][2], sum = 0;
    for (int axis = 0; axis < 3; axis++)
        for (int end = 0; end < 2; end++) {
            const double *nodes = a->nodes[axis];
            const double x = inside(end ? box->high[axis] : box->low[axis], nodes[0], nodes[a->n[axis]]);
            const int at = cell_of(nodes, a->n[axis], x);
            cell[axis][end] = at;
            part[axis][end] = (x - nodes[at]) / (nodes[at + 1] - nodes[at]);
        }
    for (int end = 0; end < 8; end++) { /* differences from the inside out keep the digits */
        const int x = end >> 2, y = end >> 1 & 1, z = end & 1;
        const double *t = table + cell[0][x] * X + cell[1][y] * Y + cell[2][z];
        const double fx = part[0][x], fy = part[1][y], fz = part[2][z];
        const double v00 = t[0] + fz * (t[1] - t[0]), v01 = t[Y] + fz * (t[Y + 1] - t[Y]);
        const double v10 = t[X] + fz * (t[X + 1] - t[X]), v11 = t[X + Y] + fz * (t[X + Y + 1] - t[X + Y]);
        const double v0 = v00 + fy * (v01 - v00), v1 = v10 + fy * (v11 - v10), v = v0 + fx * (v1 - v0);
        sum += (x + y + z) % 2 ? v : -v;
    }
    return sum;
}

FN double box_tissue(const u32 *RESTRICT counts, const Axes *a, const int *low, const int *high) {
    const i64 Y = a->n[2] + 1, X = Y * (a->n[1] + 1);
    const u32 *p = counts + low[0] * X, *q = counts + high[0] * X;
    const i64 y0 = low[1] * Y, y1 = high[1] * Y, z0 = low[2], z1 = high[2];
    return (double)(((q[y1 + z1] - p[y1 + z1]) - (q[y0 + z1] - p[y0 + z1])) -
                    ((q[y1 + z0] - p[y1 + z0]) - (q[y0 + z0] - p[y0 + z0])));
}

FN Box cube_of(const Axes *a, const int *at, int face, double side) {
    Box box;
    for (int axis = 0; axis < 3; axis++) {
        const double low = a->nodes[axis][at[axis]], high = a->nodes[axis][at[axis] + 1], centre = 0.5 * (low + high);
        const int along = face >= 0 && face / 2 == axis, down = face % 2 == 0;
        box.low[axis] = !along ? centre - 0.5 * side : down ? high - side : low;
        box.high[axis] = !along ? centre + 0.5 * side : down ? high : low + side;
    }
    return box;
}

FN double mass_in(const double *RESTRICT masses, const Axes *a, const int *at, int face, double side) {
    const Box box = cube_of(a, at, face, side);
    return box_integral(masses, a, &box);
}

/* Smallest side at which the cube holds the mass, or -1 where even the largest one does not. */
FN double side_of(const double *RESTRICT masses, const Axes *a, const int *at, int face, double guess, double largest,
                  double target) {
    double low = 0, high = guess < largest ? guess : largest, below = -target, above;
    int kept = 0;
    while ((above = mass_in(masses, a, at, face, high) - target) < 0) {
        if (high >= largest) return -1;
        low = high;
        below = above;
        high = 1.25 * high < largest ? 1.25 * high : largest;
    }
    for (int n = 0; n < 200 && high - low > 1e-14 * high; n++) { /* regula falsi after Illinois, every third a bisection */
        const double middle = n % 3 == 2 ? 0.5 * (low + high) : low - below * (high - low) / (above - below);
        const double next = middle > low && middle < high ? middle : 0.5 * (low + high);
        const double value = mass_in(masses, a, at, face, next) - target;
        if (value >= 0) {
            high = next;
            above = value;
            if (kept == 1) below *= 0.5;
            kept = 1;
        } else {
            low = next;
            below = value;
            if (kept == -1) above *= 0.5;
            kept = -1;
        }
        if (value == 0) break;
    }
    return high;
}

/* Whether a face of the growing cube lay wholly in the background in any layer of voxels that it crossed. */
FN_APART int face_in_background(const u32 *RESTRICT counts, const Axes *a, const int *at, double side) {
    for (int face = 0; face < 6; face++) {
        const int axis = face / 2, step = face % 2 ? 1 : -1;
        const double *nodes = a->nodes[axis];
        const double centre = 0.5 * (nodes[at[axis]] + nodes[at[axis] + 1]);
        for (int layer = at[axis] + step; layer >= 0 && layer < a->n[axis]; layer += step) {
            const double entered = 2 * (step > 0 ? nodes[layer] - centre : centre - nodes[layer + 1]);
            const double more = LENGTH_TOLERANCE * entered;
            int low[3], high[3];
            if (entered + 2 * more >= side) break;
            for (int other = 0; other < 3; other++) {
                const double *n = a->nodes[other], middle = 0.5 * (n[at[other]] + n[at[other] + 1]);
                low[other] = other == axis ? layer : cell_of(n, a->n[other], middle - 0.5 * entered - more);
                high[other] = other == axis ? layer + 1 : cell_of(n, a->n[other], middle + 0.5 * entered + more) + 1;
            }
            if (box_tissue(counts, a, low, high) == 0) return 1;
        }
    }
    return 0;
}

FN void grow_graded(i64 item, Axes a, int faces, double target, const i64 *RESTRICT voxels,
                    const double *RESTRICT weight, const double *RESTRICT masses, const double *RESTRICT volumes,
                    const u32 *RESTRICT counts, double *RESTRICT side, double *RESTRICT mass) {
    const i64 q = voxels[item / faces];
    const int face = faces == 1 ? -1 : (int)(item % 6);
    const int at[3] = {(int)(q / a.n[2] / a.n[1]), (int)(q / a.n[2] % a.n[1]), (int)(q % a.n[2])};
    const double goal = target * (1 - MASS_TOLERANCE), guess = cbrt(target / weight[q]);
    double largest = face < 0 ? 1e300 : 0, found;
    for (int axis = 0; axis < 3; axis++) { /* a centred cube stays in the grid; beyond it the others find background */
        const double *n = a.nodes[axis], length = n[a.n[axis]] - n[0];
        const double centre = 0.5 * (n[at[axis]] + n[at[axis] + 1]);
        const double down = 2 * (centre - n[0]), up = 2 * (n[a.n[axis]] - centre);
        if (face >= 0) largest = largest > 2 * length ? largest : 2 * length;
        else largest = inside(largest, 0, down < up ? down : up);
    }
    mass[item] = 1;
    side[item] = found = side_of(masses, &a, at, face, guess, largest * (1 + LENGTH_TOLERANCE), goal);
    if (found < 0) return;
    if (face < 0) {
        const Box box = cube_of(&a, at, face, found);
        const double volume = found * found * found;
        if (volume - box_integral(volumes, &a, &box) > BACKGROUND_LIMIT * volume ||
            face_in_background(counts, &a, at, found)) {
            side[item] = -1;
            return;
        }
    }
    mass[item] = mass_in(masses, &a, at, face, found);
}

FN double graded_sum(i64 item, Axes a, int faces, const i64 *RESTRICT voxels, const double *RESTRICT side,
                     const double *RESTRICT table) {
    const i64 q = voxels[item / faces];
    const int at[3] = {(int)(q / a.n[2] / a.n[1]), (int)(q / a.n[2] % a.n[1]), (int)(q % a.n[2])};
    return side[item] < 0 ? 0 : mass_in(table, &a, at, faces == 1 ? -1 : (int)(item % 6), side[item]);
}

/* Largest mean among the centred cubes that hold a voxel; minus infinity (-1e300) where there is none. side and mean
   have one entry per voxel of the grid; side is -1 without a cube. */
FN double largest_graded(i64 q, Axes a, double reach, const double *RESTRICT side, const double *RESTRICT mean) {
    const int at[3] = {(int)(q / a.n[2] / a.n[1]), (int)(q / a.n[2] % a.n[1]), (int)(q % a.n[2])};
    double low[3], high[3], best = -1e300;
    int first[3], last[3];
    for (int axis = 0; axis < 3; axis++) {
        low[axis] = a.nodes[axis][at[axis]];
        high[axis] = a.nodes[axis][at[axis] + 1];
        first[axis] = cell_of(a.nodes[axis], a.n[axis], low[axis] - 0.5 * reach);
        last[axis] = cell_of(a.nodes[axis], a.n[axis], high[axis] + 0.5 * reach);
    }
    for (int x = first[0]; x <= last[0]; x++)
        for (int y = first[1]; y <= last[1]; y++)
            for (int z = first[2]; z <= last[2]; z++) {
                const i64 other = ((i64)x * a.n[1] + y) * a.n[2] + z;
                const int cell[3] = {x, y, z};
                double held = 1;
                if (side[other] < 0 || mean[other] <= best) continue;
                for (int axis = 0; axis < 3; axis++) {
                    const double *n = a.nodes[axis], centre = 0.5 * (n[cell[axis]] + n[cell[axis] + 1]);
                    const double from = inside(centre - 0.5 * side[other], low[axis], high[axis]);
                    const double to = inside(centre + 0.5 * side[other], low[axis], high[axis]);
                    held *= (to - from) / (high[axis] - low[axis]);
                }
                if (held > FULLY_INSIDE) best = mean[other];
            }
    return best;
}

KERNEL1(grow_graded_cubes, grow_graded(i, axes_of(grid), faces, target, voxels, weight, masses, volumes, counts, side, mass),
        Voxels grid, int faces, double target, const i64 *RESTRICT voxels, const double *RESTRICT weight,
        const double *RESTRICT masses, const double *RESTRICT volumes, const u32 *RESTRICT counts, double *RESTRICT side,
        double *RESTRICT mass)
KERNEL1(graded_cube_sums, sums[i] = graded_sum(i, axes_of(grid), faces, voxels, side, table), Voxels grid, int faces,
        const i64 *RESTRICT voxels, const double *RESTRICT side, const double *RESTRICT table, double *RESTRICT sums)
KERNEL1(graded_largest, best[i] = largest_graded(voxels[i], axes_of(grid), reach, side, mean), Voxels grid, double reach,
        const i64 *RESTRICT voxels, const double *RESTRICT side, const double *RESTRICT mean, double *RESTRICT best)
