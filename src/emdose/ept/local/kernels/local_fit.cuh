/* Local polynomial fits with a different set of neighbours (or weights) in every voxel: normal equations from
   filtered moment maps (fit) or gathered from the window (gather), solved by Cholesky; values, noise gains, residuals.
   Compiled for polynomials of degree 2 and of degree 3 or 4. */
#include "common.cuh"

/* Voxels that are solved together: a few vectors on a CPU, one on a GPU. */
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STRIP 1
#else
#  define STRIP 16
#endif
#define REACH 64 /* largest half-width of a window */
#define EACH for (int q = 0; q < STRIP; q++)

/* What to fit, from what and where to put it; the arrays are described in local_fit.py. size: voxels of a row. */
typedef struct {
    int size, degree, channels, functionals, noises, keep;
    double pivot, minimum;
    const double *RESTRICT targets;
} Fit;
typedef struct {
    int r;
    i64 place, row, sheet, total;
    const double *RESTRICT z;
    const u8 *RESTRICT use;
    const double *RESTRICT mask, *RESTRICT data, *RESTRICT square, *RESTRICT noise;
} Maps;
typedef struct {
    int offsets;
    double contrast;
    const int *RESTRICT offset, *RESTRICT region;
    const double *RESTRICT powers, *RESTRICT reference, *RESTRICT data, *RESTRICT noise;
} Neighbours;
typedef struct { double *RESTRICT value, *RESTRICT gain, *RESTRICT residual, *RESTRICT count, *RESTRICT solution; } Results;

FN Results results_of(double *RESTRICT value, double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count,
                      double *RESTRICT solution)
{
    const Results to = {value, gain, residual, count, solution};
    return to;
}

#define NAME(x) x##_2
#define NB 10
#define NM 35
#include "local_fit_body.cuh"
#undef NAME
#undef NB
#undef NM

#define NAME(x) x##_4
#define NB 35
#define NM 165
#include "local_fit_body.cuh"

KERNEL3(fit2, fit_strip_2(fit, i, j, k, n0, n1, maps, results_of(value, gain, residual, count, solution)), Fit fit,
        Maps maps, double *RESTRICT value, double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count,
        double *RESTRICT solution)
KERNEL3(fit4, fit_strip_4(fit, i, j, k, n0, n1, maps, results_of(value, gain, residual, count, solution)), Fit fit,
        Maps maps, double *RESTRICT value, double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count,
        double *RESTRICT solution)
KERNEL3(gather2, gather_strip_2(fit, i, j, k, n0, n1, near, results_of(value, gain, residual, count, solution)), Fit fit,
        Neighbours near, double *RESTRICT value, double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count,
        double *RESTRICT solution)
KERNEL3(gather4, gather_strip_4(fit, i, j, k, n0, n1, near, results_of(value, gain, residual, count, solution)), Fit fit,
        Neighbours near, double *RESTRICT value, double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count,
        double *RESTRICT solution)
