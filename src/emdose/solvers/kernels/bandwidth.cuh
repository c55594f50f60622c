/* How fast memory is read and written: the triad of the STREAM benchmark, and an update in place.
   Source: J. D. McCalpin, IEEE TCCA Newsletter, December 1995, 19-25. */
#include "common.cuh"

KERNEL1(triad, a[i] = b[i] + s * c[i], real s, const real *RESTRICT b, const real *RESTRICT c, real *RESTRICT a)
KERNEL1(scaled_add, a[i] = b[i] + s * a[i], real s, const real *RESTRICT b, real *RESTRICT a)
