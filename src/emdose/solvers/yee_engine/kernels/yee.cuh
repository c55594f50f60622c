/* Yee's scheme, one index per cell: how a GPU walks the lattice. Each kernel is one half step of the whole lattice or one
   list of entries; the layout and the arithmetic are those of yee_walk.cuh, and so is every bit of the result.
   "step" counts from the beginning of the drive tables. */
#include "common.cuh"
#include "yee_cell.cuh"
#include "yee_update.cuh"

FN void cell_e(int i, int j, int k, Mesh g, int wide, const u8 *RESTRICT ids8, const u16 *RESTRICT ids16,
               const real *RESTRICT ca, const real *RESTRICT cb, const real *RESTRICT factor,
               const real *RESTRICT layer, const real *RESTRICT h, real *e, real *psi) {
    const Turns d = turns_of_h(h, place_of(i, j, k, &g), &g);
    put_edges(i, j, k, &g, edges_of(i, j, k, &g, wide, ids8, ids16, ca, cb, factor, layer, d, e, psi, psi, 1), e);
}

FN void cell_h(int i, int j, int k, Mesh g, const real *RESTRICT factor, const real *RESTRICT layer,
               const real *RESTRICT e, real *h, real *psi) {
    const Turns d = turns_of_e(e, place_of(i, j, k, &g), i < g.nx - 1, j < g.ny - 1, k < g.nz - 1, &g);
    put_faces(i, j, k, &g, faces_of(i, j, k, &g, factor, layer, d, h, psi, psi), h);
}

/* One entry (i, j, k) of a box of "size", all components and frequencies; low is its offset in a field. */
FN void fourier_cell(int i, int j, int k, int n0, int n1, int n2, int sample, i64 low, i64 plane, i64 stride,
                     i64 component, int frequencies, int magnetic, const double *RESTRICT phase,
                     const real *RESTRICT field, real *RESTRICT sums) {
    const i64 size = (i64)n0 * n1 * n2, cell = ((i64)i * n1 + j) * n2 + k;
    for (int c = 0; c < 3; c++) {
        const real x = field[c * component + low + i * plane + j * stride + k];
        for (int f = 0; f < frequencies; f++) {
            const double *p = phase + (((i64)sample * frequencies + f) * 2 + magnetic) * 2;
            sums[(6 * f + c) * size + cell] += (real)p[0] * x;
            sums[(6 * f + 3 + c) * size + cell] += (real)p[1] * x;
        }
    }
}

KERNEL3(cells_e, cell_e(i, j, k, mesh_of(n0, n1, n2, stride, component, longest, low_x, high_x, low_y, high_y, lanes_low,
                                         lanes_high, widest, psi_x, psi_y, psi_z),
                        wide, ids8, ids16, ca, cb, factor, layer, h, e, psi),
        i64 stride, i64 component, int longest, int wide, int low_x, int high_x, int low_y, int high_y, int lanes_low,
        int lanes_high, int widest, i64 psi_x, i64 psi_y, i64 psi_z, const u8 *RESTRICT ids8,
        const u16 *RESTRICT ids16, const real *RESTRICT ca, const real *RESTRICT cb, const real *RESTRICT factor,
        const real *RESTRICT layer, const real *RESTRICT h, real *RESTRICT e, real *RESTRICT psi)

KERNEL3(cells_h, cell_h(i, j, k, mesh_of(n0, n1, n2, stride, component, longest, low_x, high_x, low_y, high_y, lanes_low,
                                         lanes_high, widest, psi_x, psi_y, psi_z),
                        factor, layer, e, h, psi),
        i64 stride, i64 component, int longest, int low_x, int high_x, int low_y, int high_y, int lanes_low,
        int lanes_high, int widest, i64 psi_x, i64 psi_y, i64 psi_z, const real *RESTRICT factor,
        const real *RESTRICT layer, const real *RESTRICT e, real *RESTRICT h, real *RESTRICT psi)

KERNEL1(terms, add_terms(first + i, entry, term_row, column, coefficient, drive + (i64)step * columns, f), int step,
        i64 first, int columns, const i64 *RESTRICT entry, const i64 *RESTRICT term_row, const int *RESTRICT column,
        const double *RESTRICT coefficient, const double *RESTRICT drive, real *RESTRICT f)

KERNEL1(faces, face_term(i, face, turn, face_gain, e, h), const i64 *RESTRICT face, const i64 *RESTRICT turn,
        const double *RESTRICT face_gain, const real *RESTRICT e, real *RESTRICT h)

KERNEL1(branches, branch_term(i, path_row, path_edge, sign, path_gain, law, source[step * n0 + i], state, e,
                              record + 2 * (step * n0 + i)),
        int step, const i64 *RESTRICT path_row, const i64 *RESTRICT path_edge, const double *RESTRICT sign,
        const double *RESTRICT path_gain, const double *RESTRICT law, const double *RESTRICT source,
        double *RESTRICT state, real *RESTRICT e, double *RESTRICT record)

KERNEL3(fourier, fourier_cell(i, j, k, n0, n1, n2, sample, low, plane, stride, component, frequencies, magnetic, phase,
                              field, sums),
        int sample, i64 low, i64 plane, i64 stride, i64 component, int frequencies, int magnetic,
        const double *RESTRICT phase, const real *RESTRICT field, real *RESTRICT sums)
