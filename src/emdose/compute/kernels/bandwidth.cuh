/* How fast memory is read and written: the triad of the STREAM benchmark, and an update in place.
   Source: J. D. McCalpin, IEEE TCCA Newsletter, December 1995, 19-25. */
#include "common.cuh"

KERNEL1(triad, a[i] = b[i] + s * c[i], real s, const real *RESTRICT b, const real *RESTRICT c, real *RESTRICT a)
/* In rows, so that a CPU's threads take long pieces. */
FN void scale_one(i64 at, real s, const real *RESTRICT b, real *RESTRICT a) { a[at] = b[at] + s * a[at]; }
KERNEL3(scaled_add, scale_one(((i64)i * n1 + j) * n2 + k, s, b, a), real s, const real *RESTRICT b, real *RESTRICT a)
