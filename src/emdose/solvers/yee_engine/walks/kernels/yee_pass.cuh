/* Yee's scheme in one pass over E and H: a block of threads marches along x with a tile of rows and columns. It makes the
   edges of a plane, and then the faces of the plane below from the edges of both, which the tile still holds. Nothing is
   written where it is read: the pass goes from one set of fields (and psi) to another. Edges one beyond the tile are
   made for its faces and not written; their owner makes the same bits. Lists that change edges come after the pass, and
   the faces around those edges are then made once more from what was there before. */
#include "common.cuh"
#include "yee_cell.cuh"
#include "yee_update.cuh"

#define TILE (BLOCK_X * BLOCK_Y)

FN void pass_edges(int i, int j, int k, int own, const Mesh *g, const Medium *m, const real *RESTRICT e,
                   const real *RESTRICT h, const real *RESTRICT psi, real *e_out, real *psi_out, real *tile) {
    real3 f = {0, 0, 0};
    if (j < g->ny && k < g->nz) {
        const Curl d = curl_of_h(h, place_of(i, j, k, g), g);
        f = edges_of(i, j, k, g, m, d, e, psi, psi_out, own);
        if (own) put_edges(i, j, k, g, f, e_out);
    }
    tile[0] = f.x;
    tile[TILE] = f.y;
    tile[2 * TILE] = f.z;
}

/* low, high: the edges of this thread in planes i and i + 1. The curl is spelled once more because it is that of a tile,
   where edges beyond the grid are zero already. */
FN void pass_faces(int i, int j, int k, const Mesh *g, const Medium *m, const real *low, const real *high,
                   const real *RESTRICT h, const real *RESTRICT psi, real *h_out, real *psi_out) {
    const real *ex = low, *ey = low + TILE, *ez = low + 2 * TILE;
    const Curl d = {ex[BLOCK_X] - ex[0], ex[1] - ex[0], high[TILE] - ey[0], ey[1] - ey[0], high[2 * TILE] - ez[0],
                    ez[BLOCK_X] - ez[0]};
    put_faces(i, j, k, g, faces_of(i, j, k, g, m, d, h, psi, psi_out), h_out);
}

FN void pass_block(int slab, int row, int column, real *tile, int planes, Mesh g, Medium m, const real *RESTRICT e,
                   const real *RESTRICT h, const real *RESTRICT psi, real *RESTRICT e_out, real *RESTRICT h_out,
                   real *RESTRICT psi_out) {
    const int first = slab * planes, last = first + planes < g.nx ? first + planes : g.nx;
    /* Three planes of edges: while one is made, a thread that lags behind may still read the two before. */
    int now = 0, before = 2;
    ROLLED for (int i = first; i <= last; i++) {
        real *made = tile + 3 * TILE * now, *kept = tile + 3 * TILE * before;
        if (i < g.nx) {
            THREADS(tx, ty) {
                const int j = row * (BLOCK_Y - 1) + ty, k = column * (BLOCK_X - 1) + tx;
                pass_edges(i, j, k, i < last && ty < BLOCK_Y - 1 && tx < BLOCK_X - 1, &g, &m, e, h, psi, e_out, psi_out,
                           made + ty * BLOCK_X + tx);
            }
        }
        BARRIER;
        if (i > first) {
            THREADS(tx, ty) {
                const int j = row * (BLOCK_Y - 1) + ty, k = column * (BLOCK_X - 1) + tx, at = ty * BLOCK_X + tx;
                if (ty < BLOCK_Y - 1 && tx < BLOCK_X - 1 && j < g.ny && k < g.nz)
                    pass_faces(i - 1, j, k, &g, &m, kept + at, made + at, h, psi, h_out, psi_out);
            }
        }
        before = now;
        now = now == 2 ? 0 : now + 1;
    }
}

FN void faces_again(const int *RESTRICT cell, Mesh g, Medium m, const real *RESTRICT e_out, const real *RESTRICT h,
                    const real *RESTRICT psi, real *RESTRICT h_out, real *RESTRICT psi_out) {
    const int i = cell[0], j = cell[1], k = cell[2];
    const Curl d = curl_of_e(e_out, place_of(i, j, k, &g), i < g.nx - 1, j < g.ny - 1, k < g.nz - 1, &g);
    put_faces(i, j, k, &g, faces_of(i, j, k, &g, &m, d, h, psi, psi_out), h_out);
}

KERNEL_BLOCKS(one_pass, 9 * TILE, pass_block(b0, b1, b2, tile, planes, mesh, medium, e, h, psi, e_out, h_out, psi_out),
              int planes, CONSTANT(Mesh) mesh, CONSTANT(Medium) medium, const real *RESTRICT e, const real *RESTRICT h,
              const real *RESTRICT psi, real *RESTRICT e_out, real *RESTRICT h_out, real *RESTRICT psi_out)

KERNEL1(again, faces_again(cell + 3 * i, mesh, medium, e_out, h, psi, h_out, psi_out), Mesh mesh, Medium medium,
        const int *RESTRICT cell, const real *RESTRICT e_out, const real *RESTRICT h, const real *RESTRICT psi,
        real *RESTRICT h_out, real *RESTRICT psi_out)
