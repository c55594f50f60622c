/* Which of many small Hermitian matrices Q_i lie below a Hermitian matrix P in every direction: P + shift - Q_i has a
   Cholesky factor. Matrices are lower triangles row by row, (n (n + 1) / 2) numbers each; sums are in double whatever
   the type of the matrices, and a row that shows that there is none ends the work on its matrix. P is pairs of real and
   imaginary part. */
#include "common.cuh"

#define MOST 32
typedef struct { double re, im; } cdouble;

FN int lies_below(i64 at, int n, double shift, const double *RESTRICT P, const creal *RESTRICT Q) {
    cdouble L[MOST * (MOST + 1) / 2];
    double inverse[MOST];
    const i64 size = (i64)n * (n + 1) / 2;
    const creal *q = Q + at * size;
    int row = 0;
    for (int j = 0; j < n; j++) {
        double left = shift;
        for (int k = 0, other = 0; k <= j; k++) {
            double re = P[2 * (row + k)] - q[row + k].re, im = P[2 * (row + k) + 1] - q[row + k].im;
            if (k < j) {
                for (int l = 0; l < k; l++) {
                    const cdouble a = L[row + l], b = L[other + l];
                    re -= a.re * b.re + a.im * b.im;
                    im -= a.im * b.re - a.re * b.im;
                }
                re *= inverse[k];
                im *= inverse[k];
                L[row + k].re = re;
                L[row + k].im = im;
                left -= re * re + im * im;
                other += k + 1;
            } else {
                left += re;
            }
        }
        if (!(left > 0)) return 0;
        inverse[j] = 1.0 / sqrt(left);
        row += j + 1;
    }
    return 1;
}

/* below[i] <- whether matrix which[i] lies below P + shift */
FN void dominated_one(i64 i, int n, double shift, const i64 *RESTRICT which, const double *RESTRICT P,
                      const creal *RESTRICT Q, u8 *RESTRICT below) {
    below[i] = (u8)lies_below(which[i], n, shift, P, Q);
}

KERNEL1(dominated, dominated_one(i, n, shift, which, P, Q, below), int n, double shift, const i64 *RESTRICT which,
        const double *RESTRICT P, const creal *RESTRICT Q, u8 *RESTRICT below)
