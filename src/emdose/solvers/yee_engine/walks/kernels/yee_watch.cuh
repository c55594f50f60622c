/* Field energy by row of the lattice, for watching a run. One index is a row (i, j) with all its components.
   weight holds the one-dimensional factors of half the capacitance over eps and of half the inductance; h at the whole
   step is replaced by h now times h half a step before, which makes the sum constant where nothing is lost. */
#include "common.cuh"
#include "yee_cell.cuh"

FN void energy_of_row(i64 row, Mesh g, Medium m, const double *RESTRICT eps, const double *RESTRICT weight,
                      const real *RESTRICT e, const real *RESTRICT h, double *RESTRICT out) {
    const int nx = g.nx, ny = g.ny, nz = g.nz, i = (int)(row / ny), j = (int)(row % ny);
    const i64 stride = g.stride, component = g.component, longest = g.longest;
    const i64 plane = ny * stride, at = (i + 1) * plane + j * stride, step[3] = {plane, stride, 1};
    double electric = 0, magnetic = 0;
    for (int c = 0; c < 3; c++) {
        const int u = (c + 1) % 3, v = (c + 2) % 3;
        const int cells_e = nz - (c == 2), cells_h = nz - (c != 2);
        if (!(c == 0 && i == nx - 1) && !(c == 1 && j == ny - 1)) {
            const double *w = weight + 3 * c * longest, row_weight = w[i] * w[longest + j];
            const i64 from = ((i64)c * nx * ny + row) * stride;
            for (int k = 0; k < cells_e; k++) {
                const double x = e[c * component + at + k];
                electric += x * x * (row_weight * w[2 * longest + k] * eps[m.wide ? m.ids16[from + k] : m.ids8[from + k]]);
            }
        }
        if (!(c != 0 && i == nx - 1) && !(c != 1 && j == ny - 1)) {
            const double *w = weight + 3 * (c + 3) * longest, row_weight = w[i] * w[longest + j];
            const real *RESTRICT f = m.factor + 3 * (c + 3) * longest, scale = f[i] * f[longest + j];
            for (int k = 0; k < cells_h; k++) {
                const real *eu = e + u * component + at + k, *ev = e + v * component + at + k;
                const double now = h[c * component + at + k];
                const double curl = ((double)ev[step[u]] - (double)ev[0]) - ((double)eu[step[v]] - (double)eu[0]);
                magnetic += now * (now + (double)(scale * f[2 * longest + k]) * curl) * (row_weight * w[2 * longest + k]);
            }
        }
    }
    out[2 * row] = electric;
    out[2 * row + 1] = magnetic;
}

KERNEL1(row_energy, energy_of_row(i, mesh, medium, eps, weight, e, h, out), Mesh mesh, Medium medium,
        const double *RESTRICT eps, const double *RESTRICT weight, const real *RESTRICT e, const real *RESTRICT h,
        double *RESTRICT out)
