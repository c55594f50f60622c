/* Yee's scheme in one pass over E and H: a block of threads marches along x with a tile of rows and columns. It makes the
   edges of a plane, and then the faces of the plane below from the edges of both, which the tile still holds. Nothing is
   written where it is read: the pass goes from one set of fields (and psi) to another. Edges one beyond the tile are
   made for its faces and not written; their owner makes the same bits. Lists that change edges come after the pass, and
   the faces around those edges are then made once more from what was there before. */
#include "common.cuh"
#include "yee_cell.cuh"
#include "yee_update.cuh"

#define TILE (BLOCK_X * BLOCK_Y)

FN void pass_edges(int i, int j, int k, int own, const Mesh *g, int wide, const u8 *RESTRICT ids8,
                   const u16 *RESTRICT ids16, const real *RESTRICT ca, const real *RESTRICT cb,
                   const real *RESTRICT factor, const real *RESTRICT layer, const real *RESTRICT e,
                   const real *RESTRICT h, const real *RESTRICT psi, real *e_out, real *psi_out, real *tile) {
    real3 f = {0, 0, 0};
    if (j < g->ny && k < g->nz) {
        const Turns d = turns_of_h(h, place_of(i, j, k, g), g);
        f = edges_of(i, j, k, g, wide, ids8, ids16, ca, cb, factor, layer, d, e, psi, psi_out, own);
        if (own) put_edges(i, j, k, g, f, e_out);
    }
    tile[0] = f.x;
    tile[TILE] = f.y;
    tile[2 * TILE] = f.z;
}

/* low, high: the edges of this thread in planes i and i + 1. */
FN void pass_faces(int i, int j, int k, const Mesh *g, const real *RESTRICT factor, const real *RESTRICT layer,
                   const real *low, const real *high, const real *RESTRICT h, const real *RESTRICT psi, real *h_out,
                   real *psi_out) {
    const real *ex = low, *ey = low + TILE, *ez = low + 2 * TILE;
    const Turns d = {ex[BLOCK_X] - ex[0], ex[1] - ex[0], high[TILE] - ey[0], ey[1] - ey[0], high[2 * TILE] - ez[0],
                     ez[BLOCK_X] - ez[0]};
    put_faces(i, j, k, g, faces_of(i, j, k, g, factor, layer, d, h, psi, psi_out), h_out);
}

FN void pass_block(int slab, int row, int column, real *tile, int planes, Mesh g, i64 psi_hx, i64 psi_hy, i64 psi_hz,
                   int wide, const u8 *RESTRICT ids8, const u16 *RESTRICT ids16, const real *RESTRICT ca,
                   const real *RESTRICT cb, const real *RESTRICT factor, const real *RESTRICT layer,
                   const real *RESTRICT e, const real *RESTRICT h, const real *RESTRICT psi, real *RESTRICT e_out,
                   real *RESTRICT h_out, real *RESTRICT psi_out) {
    const int first = slab * planes, last = first + planes < g.nx ? first + planes : g.nx;
    Mesh gh = g;
    gh.psi_x = psi_hx, gh.psi_y = psi_hy, gh.psi_z = psi_hz;
    /* Three planes of edges: while one is made, a thread that lags behind may still read the two before. */
    int now = 0, before = 2;
    ROLLED for (int i = first; i <= last; i++) {
        real *made = tile + 3 * TILE * now, *kept = tile + 3 * TILE * before;
        if (i < g.nx) {
            THREADS(tx, ty) {
                const int j = row * (BLOCK_Y - 1) + ty, k = column * (BLOCK_X - 1) + tx;
                pass_edges(i, j, k, i < last && ty < BLOCK_Y - 1 && tx < BLOCK_X - 1, &g, wide, ids8, ids16, ca, cb, factor,
                           layer, e, h, psi, e_out, psi_out, made + ty * BLOCK_X + tx);
            }
        }
        BARRIER;
        if (i > first) {
            THREADS(tx, ty) {
                const int j = row * (BLOCK_Y - 1) + ty, k = column * (BLOCK_X - 1) + tx, at = ty * BLOCK_X + tx;
                if (ty < BLOCK_Y - 1 && tx < BLOCK_X - 1 && j < g.ny && k < g.nz)
                    pass_faces(i - 1, j, k, &gh, factor, layer, kept + at, made + at, h, psi, h_out, psi_out);
            }
        }
        before = now;
        now = now == 2 ? 0 : now + 1;
    }
}

FN void faces_again(const int *RESTRICT cell, Mesh g, const real *RESTRICT factor, const real *RESTRICT layer,
                    const real *RESTRICT e_out, const real *RESTRICT h, const real *RESTRICT psi,
                    real *RESTRICT h_out, real *RESTRICT psi_out) {
    const int i = cell[0], j = cell[1], k = cell[2];
    const Turns d = turns_of_e(e_out, place_of(i, j, k, &g), i < g.nx - 1, j < g.ny - 1, k < g.nz - 1, &g);
    put_faces(i, j, k, &g, faces_of(i, j, k, &g, factor, layer, d, h, psi, psi_out), h_out);
}

KERNEL_BLOCKS(one_pass, 9 * TILE,
              pass_block(b0, b1, b2, tile, planes,
                         mesh_of(nx, ny, nz, stride, component, longest, low_x, high_x, low_y, high_y, lanes_low,
                                 lanes_high, widest, psi_x, psi_y, psi_z),
                         psi_hx, psi_hy, psi_hz, wide, ids8, ids16, ca, cb, factor, layer, e, h, psi, e_out, h_out,
                         psi_out),
              int planes, int nx, int ny, int nz, i64 stride, i64 component, int longest, int wide, int low_x,
              int high_x, int low_y, int high_y, int lanes_low, int lanes_high, int widest, i64 psi_x, i64 psi_y,
              i64 psi_z, i64 psi_hx, i64 psi_hy, i64 psi_hz, const u8 *RESTRICT ids8, const u16 *RESTRICT ids16,
              const real *RESTRICT ca, const real *RESTRICT cb, const real *RESTRICT factor,
              const real *RESTRICT layer, const real *RESTRICT e, const real *RESTRICT h, const real *RESTRICT psi,
              real *RESTRICT e_out, real *RESTRICT h_out, real *RESTRICT psi_out)

KERNEL1(again, faces_again(cell + 3 * i,
                           mesh_of(nx, ny, nz, stride, component, longest, low_x, high_x, low_y, high_y, lanes_low,
                                   lanes_high, widest, psi_hx, psi_hy, psi_hz),
                           factor, layer, e_out, h, psi, h_out, psi_out),
        int nx, int ny, int nz, i64 stride, i64 component, int longest, int low_x, int high_x, int low_y, int high_y,
        int lanes_low, int lanes_high, int widest, i64 psi_hx, i64 psi_hy, i64 psi_hz, const int *RESTRICT cell,
        const real *RESTRICT factor, const real *RESTRICT layer, const real *RESTRICT e_out, const real *RESTRICT h,
        const real *RESTRICT psi, real *RESTRICT h_out, real *RESTRICT psi_out)
