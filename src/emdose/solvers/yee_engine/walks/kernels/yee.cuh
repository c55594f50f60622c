/* Yee's scheme, one index per cell: how a GPU walks the lattice. Each kernel is one half step of the whole lattice or one
   list of entries; the layout and the arithmetic are those of yee_walk.cuh, and so is every bit of the result.
   "step" counts from the beginning of the drive tables. */
#include "common.cuh"
#include "yee_cell.cuh"
#include "yee_update.cuh"

FN void cell_e(int i, int j, int k, Mesh g, Medium m, const real *RESTRICT h, real *e, real *psi) {
    const Curl d = curl_of_h(h, place_of(i, j, k, &g), &g);
    put_edges(i, j, k, &g, edges_of(i, j, k, &g, &m, d, e, psi, psi, 1), e);
}

FN void cell_h(int i, int j, int k, Mesh g, Medium m, const real *RESTRICT e, real *h, real *psi) {
    const Curl d = curl_of_e(e, place_of(i, j, k, &g), i < g.nx - 1, j < g.ny - 1, k < g.nz - 1, &g);
    put_faces(i, j, k, &g, faces_of(i, j, k, &g, &m, d, h, psi, psi), h);
}

/* A box whose fields are transformed: offset of its first entry in a field, and the field's strides. */
typedef struct { i64 low, plane, stride, component; int frequencies, magnetic; } Box;

/* One entry (i, j, k) of a box of a size, all components and frequencies. */
FN void fourier_cell(int i, int j, int k, int n0, int n1, int n2, int sample, Box box, const double *RESTRICT phase,
                     const real *RESTRICT field, real *RESTRICT sums) {
    const i64 size = (i64)n0 * n1 * n2, cell = ((i64)i * n1 + j) * n2 + k;
    for (int c = 0; c < 3; c++) {
        const real x = field[c * box.component + box.low + i * box.plane + j * box.stride + k];
        for (int f = 0; f < box.frequencies; f++) {
            const double *p = phase + (((i64)sample * box.frequencies + f) * 2 + box.magnetic) * 2;
            sums[(6 * f + c) * size + cell] += (real)p[0] * x;
            sums[(6 * f + 3 + c) * size + cell] += (real)p[1] * x;
        }
    }
}

KERNEL3(cells_e, cell_e(i, j, k, mesh, medium, h, e, psi), Mesh mesh, Medium medium, const real *RESTRICT h,
        real *RESTRICT e, real *RESTRICT psi)

KERNEL3(cells_h, cell_h(i, j, k, mesh, medium, e, h, psi), Mesh mesh, Medium medium, const real *RESTRICT e,
        real *RESTRICT h, real *RESTRICT psi)

KERNEL1(terms, add_terms(first + i, listed, drive + (i64)step * listed.columns, f), int step, i64 first, Terms listed,
        const double *RESTRICT drive, real *RESTRICT f)

KERNEL1(faces, face_term(i, listed, e, h), Faces listed, const real *RESTRICT e, real *RESTRICT h)

KERNEL1(branches, branch_term(i, listed, source[step * n0 + i], state, e, record + 2 * (step * n0 + i)), int step,
        Branches listed, const double *RESTRICT source, double *RESTRICT state, real *RESTRICT e, double *RESTRICT record)

KERNEL3(fourier, fourier_cell(i, j, k, n0, n1, n2, sample, box, phase, field, sums), int sample, Box box,
        const double *RESTRICT phase, const real *RESTRICT field, real *RESTRICT sums)
