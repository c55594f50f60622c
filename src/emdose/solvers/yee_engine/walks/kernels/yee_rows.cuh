/* Rows of one material: what fills a row from both ends, and the range [begin, end) between; (i, j, component, 3). */
#include "common.cuh"

FN int id_of(i64 at, int wide, const u8 *RESTRICT ids8, const u16 *RESTRICT ids16) { return wide ? ids16[at] : ids8[at]; }

FN void uniform_row(i64 row, i64 rows_of_one, int nz, int stride, int wide, const u8 *RESTRICT ids8,
                    const u16 *RESTRICT ids16, int *RESTRICT rows) {
    const int count = nz - (row / rows_of_one == 2); /* the last entry of a row along z is no edge */
    const i64 at = row * stride;
    int low = 0, high = count;
    const int first = id_of(at, wide, ids8, ids16), last = id_of(at + count - 1, wide, ids8, ids16);
    while (low < count && id_of(at + low, wide, ids8, ids16) == first) low++;
    while (high > low && id_of(at + high - 1, wide, ids8, ids16) == last) high--;
    const int one = low >= count - high ? first : last;
    int *out = rows + 3 * (3 * (row % rows_of_one) + row / rows_of_one);
    out[0] = one;
    out[1] = low == count ? count : one == first ? low : 0;
    out[2] = low == count ? count : one == last ? high : count;
}

KERNEL1(uniform_rows, uniform_row(i, rows_of_one, nz, stride, wide, ids8, ids16, rows), i64 rows_of_one, int nz,
        int stride, int wide, const u8 *RESTRICT ids8, const u16 *RESTRICT ids16, int *RESTRICT rows)
