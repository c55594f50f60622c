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

/* What to fit and where to put it; the arrays are described in local_fit.py. */
typedef struct {
    int degree, channels, functionals, noises, keep;
    double pivot, minimum;
} Fit;

FN Fit settings(int degree, int channels, int functionals, int noises, int keep, double pivot, double minimum)
{
    Fit p;
    p.degree = degree, p.channels = channels, p.functionals = functionals, p.noises = noises, p.keep = keep;
    p.pivot = pivot, p.minimum = minimum;
    return p;
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

KERNEL3(fit2,
        fit_strip_2(settings(degree, channels, functionals, noises, keep, pivot, minimum), i, j, k, n0, n1, size, r,
        place, row, sheet, total, x, targets, use, mask, data, square, noise, value, gain, residual,
        count, solution), int size, int degree, int channels, int functionals, int noises, int keep, double pivot,
        double minimum, int r, i64 place, i64 row, i64 sheet, i64 total,
        const double *RESTRICT x, const double *RESTRICT targets, const u8 *RESTRICT use, const double *RESTRICT mask,
        const double *RESTRICT data, const double *RESTRICT square, const double *RESTRICT noise, double *RESTRICT value,
        double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count, double *RESTRICT solution)

KERNEL3(fit4,
        fit_strip_4(settings(degree, channels, functionals, noises, keep, pivot, minimum), i, j, k, n0, n1, size, r,
        place, row, sheet, total, x, targets, use, mask, data, square, noise, value, gain, residual,
        count, solution), int size, int degree, int channels, int functionals, int noises, int keep, double pivot,
        double minimum, int r, i64 place, i64 row, i64 sheet, i64 total,
        const double *RESTRICT x, const double *RESTRICT targets, const u8 *RESTRICT use, const double *RESTRICT mask,
        const double *RESTRICT data, const double *RESTRICT square, const double *RESTRICT noise, double *RESTRICT value,
        double *RESTRICT gain, double *RESTRICT residual, double *RESTRICT count, double *RESTRICT solution)

KERNEL3(gather2,
        gather_strip_2(settings(degree, channels, functionals, noises, keep, pivot, minimum), i, j, k, n0, n1, size,
        offsets, contrast, offset, powers, targets, region, reference, data, noise, value, gain, residual, count,
        solution), int size, int degree, int channels, int functionals, int noises, int keep, double pivot,
        double minimum, int offsets, double contrast, const int *RESTRICT offset, const double *RESTRICT powers,
        const double *RESTRICT targets, const int *RESTRICT region, const double *RESTRICT reference,
        const double *RESTRICT data, const double *RESTRICT noise, double *RESTRICT value, double *RESTRICT gain,
        double *RESTRICT residual, double *RESTRICT count, double *RESTRICT solution)

KERNEL3(gather4,
        gather_strip_4(settings(degree, channels, functionals, noises, keep, pivot, minimum), i, j, k, n0, n1, size,
        offsets, contrast, offset, powers, targets, region, reference, data, noise, value, gain, residual, count,
        solution), int size, int degree, int channels, int functionals, int noises, int keep, double pivot,
        double minimum, int offsets, double contrast, const int *RESTRICT offset, const double *RESTRICT powers,
        const double *RESTRICT targets, const int *RESTRICT region, const double *RESTRICT reference,
        const double *RESTRICT data, const double *RESTRICT noise, double *RESTRICT value, double *RESTRICT gain,
        double *RESTRICT residual, double *RESTRICT count, double *RESTRICT solution)
