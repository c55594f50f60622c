/* Currents in the branches of a network of voxels: what a source drives, and what is left of it beside a potential.
   Arrays over branches (3, nx + 2, n1, n2) and corners (nx + 2, n1, n2) have a plane of zeros before and after those that
   count, as in multigrid.cuh; a branch has the place of its high corner, and g is zero where there is none, also for what
   is read across the ends of rows. Sums are over rows of corners, as far as these exist (span). */
#include "common.cuh"

#define LANES 8

typedef struct {
    int nx, n1, n2;
    double scale; /* conductances are scale g */
    const real *RESTRICT g;
    const double *RESTRICT emf;
} Network;

#define PLACES_OF(net)                                                                                        \
    const i64 sx = (i64)net.n1 * net.n2, axis = sx * (net.nx + 2), n2 = net.n2

/* Integrals of a field up the branches along axis p, from splines along the last axis; rows (3, nx, n1, samples) hold
   their coefficients, weights (2, n2, width) what each counts for in a value and in an integral, first (2, n2) which is
   the first. */
FN void impress_branch(int p, int i, int j, int k, int n1, int n2, int nx, int samples, int width,
                       const double *RESTRICT rows, const double *RESTRICT weights, const int *RESTRICT first,
                       double *RESTRICT emf) {
    const i64 place = (p == 2 ? n2 : 0) + k;
    const double *w = weights + place * width, *row = rows + (((i64)p * nx + i) * n1 + j) * samples + first[place];
    double sum = 0;
    for (int m = 0; m < width; m++) sum += w[m] * row[m];
    emf[(((i64)p * (nx + 2) + i + 1) * n1 + j) * n2 + k] = sum;
}

/* b <- what the source drives into every corner; sums (rows, 2) of the squares of its currents, and of their work */
FN void drive_corner(i64 at, i64 axis, i64 sx, i64 n2, Network net, double *RESTRICT b, double *squares, double *work) {
    const i64 step[3] = {sx, n2, 1};
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        const i64 here = c * axis + at, next = here + step[c];
        const double flow = net.scale * net.g[here] * net.emf[here];
        sum += flow - net.scale * net.g[next] * net.emf[next];
        *squares += flow * flow;
        *work += flow * net.emf[here];
    }
    b[at] = sum;
}
FN void drive_row(i64 row, const int *RESTRICT span, Network net, double *RESTRICT b, double *RESTRICT sums) {
    PLACES_OF(net);
    const i64 base = (row + net.n1) * n2;
    double squares[LANES] = {0}, work[LANES] = {0}, total[2] = {0, 0};
    int k = span[2 * row];
    const int last = span[2 * row + 1];
    for (; k + LANES <= last; k += LANES)
        for (int m = 0; m < LANES; m++) drive_corner(base + k + m, axis, sx, n2, net, b, squares + m, work + m);
    for (; k < last; k++) drive_corner(base + k, axis, sx, n2, net, b, squares, work);
    for (int m = 0; m < LANES; m++) total[0] += squares[m], total[1] += work[m];
    sums[2 * row] = total[0];
    sums[2 * row + 1] = total[1];
}

/* sums (rows, 3): squares of what is left at corners, power in the branches, and work of the source on their currents */
FN void judge_corner(i64 at, i64 axis, i64 sx, i64 n2, Network net, const double *RESTRICT phi, double *left,
                     double *power, double *work) {
    const i64 step[3] = {sx, n2, 1};
    double sum = 0;
    for (int c = 0; c < 3; c++) {
        const i64 here = c * axis + at, next = here + step[c];
        const double voltage = net.emf[here] - phi[at] + phi[at - step[c]], flow = net.scale * net.g[here] * voltage;
        sum += flow - net.scale * net.g[next] * (net.emf[next] - phi[at + step[c]] + phi[at]);
        *power += flow * voltage;
        *work += flow * net.emf[here];
    }
    *left += sum * sum;
}
FN void judge_row(i64 row, const int *RESTRICT span, Network net, const double *RESTRICT phi, double *RESTRICT sums) {
    PLACES_OF(net);
    const i64 base = (row + net.n1) * n2;
    double left[LANES] = {0}, power[LANES] = {0}, work[LANES] = {0}, total[3] = {0, 0, 0};
    int k = span[2 * row];
    const int last = span[2 * row + 1];
    for (; k + LANES <= last; k += LANES)
        for (int m = 0; m < LANES; m++)
            judge_corner(base + k + m, axis, sx, n2, net, phi, left + m, power + m, work + m);
    for (; k < last; k++) judge_corner(base + k, axis, sx, n2, net, phi, left, power, work);
    for (int m = 0; m < LANES; m++) total[0] += left[m], total[1] += power[m], total[2] += work[m];
    for (int m = 0; m < 3; m++) sums[3 * row + m] = total[m];
}

/* E (3, voxels) at the centres of voxels given by their flat indices: the mean over the four edges along an axis; parts
   is a quarter over the length of each */
FN double fall_of(i64 at, i64 step, const double *RESTRICT emf, const double *RESTRICT phi) {
    return emf[at] - phi[at] + phi[at - step];
}
FN void centre_of(i64 n, i64 voxels, Network net, const i64 *RESTRICT cells, const double *RESTRICT parts,
                  const double *RESTRICT phi, float *RESTRICT E) {
    PLACES_OF(net);
    const int m1 = net.n1 - 1, m2 = net.n2 - 1;
    const i64 cell = cells[n], x = cell / ((i64)m1 * m2), y = cell / m2 % m1, z = cell % m2;
    const i64 at = ((x + 1) * net.n1 + y) * n2 + z, step[3] = {sx, n2, 1};
    for (int c = 0; c < 3; c++) {
        const i64 s = step[c], a = at + s, u = step[c == 0 ? 1 : 0], v = step[c == 2 ? 1 : 2];
        const double *RESTRICT emf = net.emf + c * axis;
        E[c * voxels + n] = (float)(parts[c] * (fall_of(a, s, emf, phi) + fall_of(a + u, s, emf, phi) +
                                                fall_of(a + v, s, emf, phi) + fall_of(a + u + v, s, emf, phi)));
    }
}

KERNEL_SPANS(impress, impress_branch(p, i, j, k, n1, n2, spans, samples, width, rows, weights, first, emf), int samples,
             int width, const double *RESTRICT rows, const double *RESTRICT weights, const int *RESTRICT first,
             double *RESTRICT emf)
KERNEL1(drive, drive_row(i, span, net, b, sums), const int *RESTRICT span, Network net, double *RESTRICT b,
        double *RESTRICT sums)
KERNEL1(judge, judge_row(i, span, net, phi, sums), const int *RESTRICT span, Network net, const double *RESTRICT phi,
        double *RESTRICT sums)
KERNEL1(centres, centre_of(i, n0, net, cells, parts, phi, E), Network net, const i64 *RESTRICT cells,
        const double *RESTRICT parts, const double *RESTRICT phi, float *RESTRICT E)
