/* The triad of the STREAM benchmark: how fast memory is read and written.
   Source: J. D. McCalpin, IEEE TCCA Newsletter, December 1995, 19-25. */
#include "common.cuh"

KERNEL1(triad, a[i] = b[i] + s * c[i], real s, const real *RESTRICT b, const real *RESTRICT c, real *RESTRICT a)
