/* One step of the bioheat equation by Douglas' splitting: three tridiagonal sweeps; and the stencil of its steady state.
   Maps are (nx, ny, nz) with one empty plane before and after along x and nz a multiple of LANES. gx, gy, gz are
   conductances of the faces on the high side of every cell [W/m^3/K], 0 where no heat passes; sink is what perfusion and
   the surface take [W/m^3/K]; heat the heat capacity [J/m^3/K]. T, d and q hold `sources` maps one after the other.

   A tile is a number of neighbouring lines: first[t] is the first cell of its first line, count[t] the cells along a
   line. Its lines are neighbours in memory for the sweeps along x and y, rows for the sweep along z, whose factors are
   stored in the order in which a tile is walked (tile t from cell packed[t] on). A CPU walks a tile in step so that its
   arithmetic vectorises; a GPU gives every line to a thread. See docs/theory/bioheat.md for the equations. */
#include "common.cuh"

#define LANES 32 /* the lines of a tile along x or y are a multiple of this */
#define ROWS 16  /* the lines of a tile along z */
/* Tiles of lines along x or y: their lines, maps (or sources) one after the other, cells of a map, cells to the next one
   along a line. */
typedef struct {
    int lanes, maps;
    i64 n, along;
    const i64 *RESTRICT first;
    const int *RESTRICT count;
} Tiles;
/* Tiles of rows along z. */
typedef struct {
    int sources;
    i64 n, row;
    const i64 *RESTRICT first, *RESTRICT packed;
    const int *RESTRICT count;
} Columns;
/* What moves and takes heat; plane and row: cells to the next along x and y. */
typedef struct {
    i64 plane, row;
    const real *RESTRICT gx, *RESTRICT gy, *RESTRICT gz, *RESTRICT sink;
} Flow;

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STEP 1
#  define WIDEST 1
#  define GROUPS(lanes) 1
#  define LANE_OF(i, lanes) ((int)((i) % (lanes)))
#  define TILE_OF(i, n0, lanes, sources) (((i) / (lanes)) % ((n0) / (lanes) / (sources)))
#  define SOURCE_OF(i, n0, lanes, sources) ((int)((i) / (lanes) / ((n0) / (lanes) / (sources))))
#else
#  define STEP LANES
#  define WIDEST 256
#  define GROUPS(lanes) ((lanes) / STEP)
#  define LANE_OF(i, lanes) 0
#  define TILE_OF(i, n0, lanes, sources) ((void)(n0), (i) / (sources))
#  define SOURCE_OF(i, n0, lanes, sources) ((int)((i) % (sources)))
#endif

/* Added to the heat of every cell and step [J/m^3]: too little to count, but far from every source it keeps the rise
   from decaying below what a float holds, and arithmetic with such remnants is slow. */
#define FAINT (real)1e-12

/* Inverse pivots of (heat + h (g + g' + sink)) x - h g' x[before] - h g x[after] along x or y; maps = 0: one, no sink */
FN void pivots_tile(i64 i, i64 n0, Tiles tiles, real h, const real *RESTRICT heat, const real *RESTRICT g,
                    const real *RESTRICT sink, real *RESTRICT m)
{
    const int maps = tiles.maps;
    const int lanes = tiles.lanes;
    const i64 n = tiles.n, along = tiles.along, *RESTRICT first = tiles.first;
    const int *RESTRICT count = tiles.count;
    const int several = maps > 0 ? maps : 1;
    const i64 t = TILE_OF(i, n0, lanes, several), map = SOURCE_OF(i, n0, lanes, several) * n;
    i64 p = first[t] + LANE_OF(i, lanes);
    real before[WIDEST];
    for (int l = 0; l < WIDEST; l++) before[l] = 0;
    for (int c = 0; c < count[t]; c++, p += along)
        for (int b = 0; b < GROUPS(lanes); b++)
            for (int l = b * STEP; l < b * STEP + STEP; l++) {
                const real low = h * g[p + l - along], S = maps > 0 ? sink[map + p + l] : 0;
                before[l] = 1 / (heat[p + l] + low + h * (g[p + l] + S) - low * low * before[l]);
                m[map + p + l] = before[l];
            }
}

KERNEL1(pivots, pivots_tile(i, n0, tiles, h, heat, g, sink, m), Tiles tiles, real h, const real *RESTRICT heat,
        const real *RESTRICT g, const real *RESTRICT sink, real *RESTRICT m)

/* The same along z, as the three factors of the sweep: d <- u d + a d[before], then d <- d + c d[after] */
FN void pivots_z_tile(i64 i, i64 n0, Columns columns, real h, const real *RESTRICT heat, const real *RESTRICT g,
                      real *RESTRICT u, real *RESTRICT a, real *RESTRICT c)
{
    const i64 row = columns.row, *RESTRICT first = columns.first, *RESTRICT packed = columns.packed;
    const int *RESTRICT count = columns.count;
    const i64 t = TILE_OF(i, n0, ROWS, 1);
    const int lane = LANE_OF(i, ROWS);
    for (int l = lane; l < lane + (STEP == LANES ? ROWS : 1); l++) {
        real before = 0;
        for (int k = 0; k < count[t]; k++) {
            const i64 p = first[t] + l * row + k, w = packed[t] + (i64)k * ROWS + l;
            const real low = h * g[p - 1], high = h * g[p];
            before = 1 / (heat[p] + low + high - low * low * before);
            u[w] = heat[p] * before;
            a[w] = low * before;
            c[w] = high * before;
        }
    }
}

KERNEL1(pivots_z, pivots_z_tile(i, n0, columns, h, heat, g, u, a, c), Columns columns, real h, const real *RESTRICT heat,
        const real *RESTRICT g, real *RESTRICT u, real *RESTRICT a, real *RESTRICT c)

/* Heat that flows into a cell [W/m^3] */
FN real inflow(i64 p, Flow f, const real *RESTRICT T)
{
    const real here = T[p];
    return f.gx[p] * (T[p + f.plane] - here) + f.gx[p - f.plane] * (T[p - f.plane] - here)
           + f.gy[p] * (T[p + f.row] - here) + f.gy[p - f.row] * (T[p - f.row] - here) + f.gz[p] * (T[p + 1] - here)
           + f.gz[p - 1] * (T[p - 1] - here);
}

/* The first sweep: (heat - h La) d = dt (L T + scale q); g is that of gx, gy, gz which belongs to the line's axis */
FN void first_tile(i64 i, i64 n0, Tiles tiles, Flow flow, real dt, int own, const real *RESTRICT g, const real *RESTRICT m,
                   const real *RESTRICT scale, const real *RESTRICT q, const real *RESTRICT T, real *RESTRICT d)
{
    const int sources = tiles.maps;
    const int lanes = tiles.lanes;
    const i64 n = tiles.n, along = tiles.along, *RESTRICT first = tiles.first;
    const int *RESTRICT count = tiles.count;
    const i64 t = TILE_OF(i, n0, lanes, sources);
    const int s = SOURCE_OF(i, n0, lanes, sources), length = count[t];
    const i64 map = s * n, shared = own ? map : 0;
    const real h = (real)0.5 * dt, f = scale[s];
    const real *RESTRICT Ts = T + map, *RESTRICT qs = q + map, *RESTRICT S = flow.sink + shared, *RESTRICT ms = m + shared;
    real *RESTRICT ds = d + map;
    real other[WIDEST], gain[STEP];
    i64 p = first[t] + LANE_OF(i, lanes);
    for (int l = 0; l < WIDEST; l++) other[l] = 0;
    for (int c = 0; c < length; c++, p += along)
        for (int b = 0; b < GROUPS(lanes); b++) {
            const i64 w = p + b * STEP;
            real *o = other + b * STEP;
            for (int l = 0; l < STEP; l++)
                gain[l] = dt * (inflow(w + l, flow, Ts) - S[w + l] * Ts[w + l] + f * qs[w + l]) + FAINT;
            for (int l = 0; l < STEP; l++) o[l] = (gain[l] + h * g[w + l - along] * o[l]) * ms[w + l];
            for (int l = 0; l < STEP; l++) ds[w + l] = o[l];
        }
    for (int l = 0; l < WIDEST; l++) other[l] = 0;
    for (int c = 0; c < length; c++) {
        p -= along;
        for (int b = 0; b < GROUPS(lanes); b++) {
            const i64 w = p + b * STEP;
            real *o = other + b * STEP;
            for (int l = 0; l < STEP; l++) o[l] = ds[w + l] + h * g[w + l] * ms[w + l] * o[l];
            for (int l = 0; l < STEP; l++) ds[w + l] = o[l];
        }
    }
}

KERNEL1(first_sweep, first_tile(i, n0, tiles, flow, dt, own, g, m, scale, q, T, d), Tiles tiles, Flow flow, real dt, int own,
        const real *RESTRICT g, const real *RESTRICT m, const real *RESTRICT scale, const real *RESTRICT q,
        const real *RESTRICT T, real *RESTRICT d)

/* The second sweep: (heat - h Lb) d' = heat d, in place */
FN void second_tile(i64 i, i64 n0, Tiles tiles, real h, const real *RESTRICT heat, const real *RESTRICT g,
                    const real *RESTRICT m, real *RESTRICT d)
{
    const int sources = tiles.maps;
    const int lanes = tiles.lanes;
    const i64 n = tiles.n, along = tiles.along, *RESTRICT first = tiles.first;
    const int *RESTRICT count = tiles.count;
    const i64 t = TILE_OF(i, n0, lanes, sources);
    const int length = count[t];
    real *RESTRICT ds = d + SOURCE_OF(i, n0, lanes, sources) * n;
    real other[WIDEST];
    i64 p = first[t] + LANE_OF(i, lanes);
    for (int l = 0; l < WIDEST; l++) other[l] = 0;
    for (int c = 0; c < length; c++, p += along)
        for (int b = 0; b < GROUPS(lanes); b++) {
            const i64 w = p + b * STEP;
            real *o = other + b * STEP;
            for (int l = 0; l < STEP; l++)
                o[l] = (heat[w + l] * ds[w + l] + h * g[w + l - along] * o[l]) * m[w + l];
            for (int l = 0; l < STEP; l++) ds[w + l] = o[l];
        }
    for (int l = 0; l < WIDEST; l++) other[l] = 0;
    for (int c = 0; c < length; c++) {
        p -= along;
        for (int b = 0; b < GROUPS(lanes); b++) {
            const i64 w = p + b * STEP;
            real *o = other + b * STEP;
            for (int l = 0; l < STEP; l++) o[l] = ds[w + l] + h * g[w + l] * m[w + l] * o[l];
            for (int l = 0; l < STEP; l++) ds[w + l] = o[l];
        }
    }
}

KERNEL1(second_sweep, second_tile(i, n0, tiles, h, heat, g, m, d), Tiles tiles, real h, const real *RESTRICT heat,
        const real *RESTRICT g, const real *RESTRICT m, real *RESTRICT d)

/* (heat - h Lz) d' = heat d, then T += d'; d is used up */
FN void last_lines(int lane, i64 p, i64 w, int length, i64 row, const real *RESTRICT u, const real *RESTRICT a,
                      const real *RESTRICT c, real *RESTRICT d, real *RESTRICT T)
{
    real other = 0;
    for (int k = 0; k < length; k++) {
        const i64 at = w + (i64)k * ROWS + lane, here = p + lane * row + k;
        other = u[at] * d[here] + a[at] * other;
        d[here] = other;
    }
    other = 0;
    for (int k = length - 1; k >= 0; k--) {
        const i64 at = w + (i64)k * ROWS + lane, here = p + lane * row + k;
        other = d[here] + c[at] * other;
        T[here] += other;
    }
}

#if STEP == LANES
#  define LONGEST 1024 /* cells of a line that are turned in a buffer on the stack */
#  define SQUARE (ROWS * ROWS)
/* One perfect shuffle; four of them transpose 16 x 16 values. Compilers vectorise it. */
FN void shuffle(const real *RESTRICT from, real *RESTRICT to)
{
    for (int j = 0; j < SQUARE / 2; j++) {
        to[2 * j] = from[j];
        to[2 * j + 1] = from[j + SQUARE / 2];
    }
}

/* The same for a tile at once: rows are turned into lanes in squares, walked, and turned back. */
FN void last_turned(i64 p, i64 w, int length, i64 row, const real *RESTRICT u, const real *RESTRICT a,
                    const real *RESTRICT c, const real *RESTRICT d, real *RESTRICT T)
{
    real lines[LONGEST * ROWS], one[SQUARE], two[SQUARE], other[ROWS];
    for (int l = 0; l < ROWS; l++) other[l] = 0;
    for (int k0 = 0; k0 < length; k0 += ROWS) {
        real *square = lines + k0 * ROWS;
        const int wide = length - k0 < ROWS ? length - k0 : ROWS;
        if (wide == ROWS) {
            for (int l = 0; l < ROWS; l++)
                for (int k = 0; k < ROWS; k++) one[l * ROWS + k] = d[p + l * row + k0 + k];
            shuffle(one, two);
            shuffle(two, one);
            shuffle(one, two);
            shuffle(two, square);
        } else
            for (int l = 0; l < ROWS; l++)
                for (int k = 0; k < wide; k++) square[k * ROWS + l] = d[p + l * row + k0 + k];
        for (int k = 0; k < wide; k++) {
            const i64 at = w + (i64)(k0 + k) * ROWS;
            for (int l = 0; l < ROWS; l++) other[l] = u[at + l] * square[k * ROWS + l] + a[at + l] * other[l];
            for (int l = 0; l < ROWS; l++) square[k * ROWS + l] = other[l];
        }
    }
    for (int l = 0; l < ROWS; l++) other[l] = 0;
    for (int k0 = (length - 1) / ROWS * ROWS; k0 >= 0; k0 -= ROWS) {
        real *square = lines + k0 * ROWS;
        const int wide = length - k0 < ROWS ? length - k0 : ROWS;
        for (int k = wide - 1; k >= 0; k--) {
            const i64 at = w + (i64)(k0 + k) * ROWS;
            for (int l = 0; l < ROWS; l++) other[l] = square[k * ROWS + l] + c[at + l] * other[l];
            for (int l = 0; l < ROWS; l++) square[k * ROWS + l] = other[l];
        }
        if (wide == ROWS) {
            shuffle(square, one);
            shuffle(one, two);
            shuffle(two, one);
            shuffle(one, two);
            for (int l = 0; l < ROWS; l++)
                for (int k = 0; k < ROWS; k++) T[p + l * row + k0 + k] += two[l * ROWS + k];
        } else
            for (int l = 0; l < ROWS; l++)
                for (int k = 0; k < wide; k++) T[p + l * row + k0 + k] += square[k * ROWS + l];
    }
}
#endif

FN void last_tile(i64 i, i64 n0, Columns columns, const real *RESTRICT u, const real *RESTRICT a, const real *RESTRICT c,
                  real *RESTRICT d, real *RESTRICT T)
{
    const int sources = columns.sources;
    const i64 n = columns.n;
    const i64 row = columns.row, *RESTRICT first = columns.first, *RESTRICT packed = columns.packed;
    const int *RESTRICT count = columns.count;
    const i64 t = TILE_OF(i, n0, ROWS, sources), map = SOURCE_OF(i, n0, ROWS, sources) * n;
#if STEP == LANES
    if (count[t] <= LONGEST) {
        last_turned(first[t], packed[t], count[t], row, u, a, c, d + map, T + map);
        return;
    }
#endif
    for (int l = 0; l < (STEP == LANES ? ROWS : 1); l++)
        last_lines(LANE_OF(i, ROWS) + l, first[t], packed[t], count[t], row, u, a, c, d + map, T + map);
}

KERNEL1(last_sweep, last_tile(i, n0, columns, u, a, c, d, T), Columns columns, const real *RESTRICT u,
        const real *RESTRICT a, const real *RESTRICT c, real *RESTRICT d, real *RESTRICT T)

/* Steady state: out = b - A T, or with a step > 0 one of Jacobi's iterations, out = T + step (b - A T) / diagonal, where
   A T = (sink T - inflow). One index is BLOCK cells of the planes between the first and the last. */
#define BLOCK 64
#if STEP == LANES
#  define CELL(i, l, n0) ((i) * BLOCK + (l))
#else
#  define CELL(i, l, n0) ((i) + (i64)(l) * (n0))
#endif

FN void stencil_block(i64 i, i64 n0, i64 n, Flow f, real step, const real *RESTRICT b, const real *RESTRICT T,
                      real *RESTRICT out)
{
    (void)n0;
    const i64 last = n - f.plane;
    for (int l = 0; l < BLOCK; l++) {
        const i64 p = f.plane + CELL(i, l, n0);
        if (p >= last) break;
        const real rest = b[p] - f.sink[p] * T[p] + inflow(p, f, T);
        const real diagonal = f.sink[p] + f.gx[p] + f.gx[p - f.plane] + f.gy[p] + f.gy[p - f.row] + f.gz[p] + f.gz[p - 1];
        out[p] = step > 0 ? T[p] + (diagonal > 0 ? step * rest / diagonal : 0) : rest;
    }
}

KERNEL1(stencil, stencil_block(i, n0, n, flow, step, b, T, out), i64 n, Flow flow, real step, const real *RESTRICT b,
        const real *RESTRICT T, real *RESTRICT out)
