/* Gram-Schmidt against a Krylov basis: V is (ports, capacity, n), of which the first `vectors` rows count; w is (ports, n).
   A threaded BLAS does the same, but its idle threads spin on the cores that the FFTs between two calls need. */
#include "common.cuh"

#define LANES 16
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define ELEMENT(t, q, parts, span) ((t) + (i64)(q) * (parts))
#else
#  define ELEMENT(t, q, parts, span) ((t) * (span) + (q))
#endif

/* Part t of the sum over elements of conj(V) w, for one port and one vector */
FN void project_part(i64 i, i64 n, int vectors, int capacity, i64 parts, const creal *RESTRICT V,
                     const creal *RESTRICT w, creal *RESTRICT out) {
    const i64 t = i % parts, row = i / parts, p = row / vectors, v = row % vectors, span = (n + parts - 1) / parts;
    const creal *a = V + (p * capacity + v) * n, *b = w + p * n;
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    real re = 0, im = 0;
    for (i64 q = 0; q < span; q++) {
        const i64 e = ELEMENT(t, q, parts, span);
        if (e >= n) break;
        re += a[e].re * b[e].re + a[e].im * b[e].im;
        im += a[e].re * b[e].im - a[e].im * b[e].re;
    }
#else
    const i64 first = t * span, last = first + span < n ? first + span : n;
    real sum_re[LANES] = {0}, sum_im[LANES] = {0}, re = 0, im = 0;
    i64 e = first;
    for (; e + LANES <= last; e += LANES)
        for (int l = 0; l < LANES; l++) {
            sum_re[l] += a[e + l].re * b[e + l].re + a[e + l].im * b[e + l].im;
            sum_im[l] += a[e + l].re * b[e + l].im - a[e + l].im * b[e + l].re;
        }
    for (; e < last; e++) {
        re += a[e].re * b[e].re + a[e].im * b[e].im;
        im += a[e].re * b[e].im - a[e].im * b[e].re;
    }
    for (int l = 0; l < LANES; l++) {
        re += sum_re[l];
        im += sum_im[l];
    }
#endif
    out[i].re = re;
    out[i].im = im;
}

/* w <- w - sum h V on LANES elements of one port */
FN void subtract_part(i64 i, i64 n, int vectors, int capacity, i64 parts, const creal *RESTRICT V,
                      const creal *RESTRICT h, creal *RESTRICT w) {
    const i64 t = i % parts, p = i / parts;
    creal *b = w + p * n;
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
    for (int l = 0; l < LANES; l++) {
        const i64 e = ELEMENT(t, l, parts, LANES);
        if (e >= n) break;
        creal sum = b[e];
        for (int v = 0; v < vectors; v++) {
            const creal a = V[(p * capacity + v) * n + e], c = h[p * vectors + v];
            sum.re -= c.re * a.re - c.im * a.im;
            sum.im -= c.re * a.im + c.im * a.re;
        }
        b[e] = sum;
    }
#else
    const i64 first = t * LANES;
    const int count = n - first < LANES ? (int)(n - first) : LANES;
    real re[LANES] = {0}, im[LANES] = {0};
    for (int v = 0; v < vectors; v++) {
        const creal *a = V + (p * capacity + v) * n + first, c = h[p * vectors + v];
        if (count == LANES)
            for (int l = 0; l < LANES; l++) {
                re[l] += c.re * a[l].re - c.im * a[l].im;
                im[l] += c.re * a[l].im + c.im * a[l].re;
            }
        else
            for (int l = 0; l < count; l++) {
                re[l] += c.re * a[l].re - c.im * a[l].im;
                im[l] += c.re * a[l].im + c.im * a[l].re;
            }
    }
    for (int l = 0; l < count; l++) {
        b[first + l].re -= re[l];
        b[first + l].im -= im[l];
    }
#endif
}

KERNEL1(project, project_part(i, n, vectors, capacity, parts, V, w, out), i64 n, int vectors, int capacity, i64 parts,
        const creal *RESTRICT V, const creal *RESTRICT w, creal *RESTRICT out)
KERNEL1(subtract, subtract_part(i, n, vectors, capacity, parts, V, h, w), i64 n, int vectors, int capacity, i64 parts,
        const creal *RESTRICT V, const creal *RESTRICT h, creal *RESTRICT w)
