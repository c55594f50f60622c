/* Correlation of maps with short filters along one axis, and what EPT does before and after it.
   Arrays are (map, n0, n1, n2); outside the grid everything is 0. */
#include "common.cuh"

/* Voxels that one call handles along the last axis: a vector's worth on a CPU, one on a GPU. */
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#  define STRIP 1
#else
#  define STRIP 64
#endif

/* out[f] = sum over inputs b and taps t of w[f][b][t] in[b] shifted by t - r along the axis */
FN void contract_strip(int i, int j, int s, int n0, int n1, int n2, int axis, int inputs, int outputs, int r,
                       const double *RESTRICT w, const double *RESTRICT in, double *RESTRICT out)
{
    const i64 plane = (i64)n1 * n2, volume = (i64)n0 * plane;
    const int k = s * STRIP, m = n2 - k < STRIP ? n2 - k : STRIP;
    const i64 at = i * plane + (i64)j * n2 + k, stride = axis == 0 ? plane : axis == 1 ? n2 : 1;
    const int here = axis == 0 ? i : axis == 1 ? j : k, n = axis == 0 ? n0 : axis == 1 ? n1 : n2;
    for (int f = 0; f < outputs; f++) {
        double sum[STRIP];
        for (int q = 0; q < STRIP; q++) sum[q] = 0;
        for (int b = 0; b < inputs; b++)
            for (int t = -r; t <= r; t++) {
                const double c = w[((i64)f * inputs + b) * (2 * r + 1) + t + r];
                if (c == 0) continue;
                const double *from = in + b * volume + at + t * stride;
                if (axis < 2) {
                    if (here + t < 0 || here + t >= n) continue;
                    if (m == STRIP)
                        for (int q = 0; q < STRIP; q++) sum[q] += c * from[q];
                    else
                        for (int q = 0; q < m; q++) sum[q] += c * from[q];
                } else {
                    const int low = k + t < 0 ? -k - t : 0, high = k + m + t > n ? n - k - t : m;
                    if (low == 0 && high == STRIP)
                        for (int q = 0; q < STRIP; q++) sum[q] += c * from[q];
                    else
                        for (int q = low; q < high; q++) sum[q] += c * from[q];
                }
            }
        for (int q = 0; q < m; q++) out[f * volume + at + q] = sum[q];
    }
}

KERNEL3(contract, contract_strip(i, j, k, n0, n1, size, axis, inputs, outputs, r, w, in, out),
        int size, int axis, int inputs, int outputs, int r, const double *RESTRICT w, const double *RESTRICT in,
        double *RESTRICT out)

/* Complex B1+ of magnitude and transmit phase; 0 outside the mask */
KERNEL1(phasor, const double a = mask[i] ? magnitude[i] : 0.0; const double p = mask[i] ? factor * phase[i] : 0.0;
        re[i] = (double)(a * cos(p)); im[i] = (double)(a * sin(p)),
        double factor, const double *RESTRICT magnitude, const double *RESTRICT phase, const u8 *RESTRICT mask,
        double *RESTRICT re, double *RESTRICT im)

/* Laplacian lr + j li over value cr + j ci where usable, and the factors of both parts. */
typedef struct {
    const u8 *RESTRICT use;
    const double *RESTRICT lr, *RESTRICT li, *RESTRICT cr, *RESTRICT ci;
    double to_re, to_im;
} Quotient;

/* (re, im) of the quotient; NaN where not usable */
FN void quotient_voxel(i64 i, Quotient v, double *RESTRICT re, double *RESTRICT im)
{
    const double d = v.cr[i] * v.cr[i] + v.ci[i] * v.ci[i];
    const double scale = v.use[i] && d > 0 ? 1 / d : nan("");
    re[i] = v.to_re * scale * (v.lr[i] * v.cr[i] + v.li[i] * v.ci[i]);
    im[i] = v.to_im * scale * (v.li[i] * v.cr[i] - v.lr[i] * v.ci[i]);
}

KERNEL1(quotient, quotient_voxel(i, of, re, im), Quotient of, double *RESTRICT re, double *RESTRICT im)

/* Noise of one voxel of a exp(j p): E|d|^2 and E d^2 */
FN void noise_voxel(i64 i, int maps, double factor, const double *RESTRICT a, const double *RESTRICT p,
                    const double *RESTRICT ua, const double *RESTRICT up, const u8 *RESTRICT mask,
                    double *RESTRICT power, double *RESTRICT re, double *RESTRICT im)
{
    if (!mask[i]) {
        power[i] = re[i] = im[i] = 0;
        return;
    }
    const double s = ua[maps & 1 ? i : 0], t = factor * a[i] * up[maps & 2 ? i : 0], angle = 2 * factor * p[i];
    power[i] = s * s + t * t;
    re[i] = (s * s - t * t) * cos(angle);
    im[i] = (s * s - t * t) * sin(angle);
}

KERNEL1(complex_noise, noise_voxel(i, maps, factor, magnitude, phase, u_magnitude, u_phase, mask, power, re, im),
        int maps, double factor, const double *RESTRICT magnitude, const double *RESTRICT phase,
        const double *RESTRICT u_magnitude, const double *RESTRICT u_phase, const u8 *RESTRICT mask,
        double *RESTRICT power, double *RESTRICT re, double *RESTRICT im)

/* Covariance of (re, im) of q = L/C from filtered noise. k: (9, n) = (power, re, im) x (CC, CL, LL). */
FN void spread_voxel(i64 i, i64 n, Quotient v, const double *RESTRICT k, double *RESTRICT u_re, double *RESTRICT u_im,
                     double *RESTRICT cov)
{
    if (!v.use[i]) {
        u_re[i] = u_im[i] = cov[i] = nan("");
        return;
    }
    const double c = v.cr[i], s = v.ci[i], d = c * c + s * s;
    const double x = (v.lr[i] * c + v.li[i] * s) / d, y = (v.li[i] * c - v.lr[i] * s) / d; /* q */
    const double x2 = x * x - y * y, y2 = 2 * x * y;                               /* q^2 */
    const double power = (k[2 * n + i] - 2 * x * k[n + i] + (x * x + y * y) * k[i]) / d;
    /* P = (P_LL - 2 q P_CL + q^2 P_CC) / C^2 */
    const double pr = k[5 * n + i] - 2 * (x * k[4 * n + i] - y * k[7 * n + i]) + x2 * k[3 * n + i] - y2 * k[6 * n + i];
    const double pi = k[8 * n + i] - 2 * (x * k[7 * n + i] + y * k[4 * n + i]) + x2 * k[6 * n + i] + y2 * k[3 * n + i];
    const double cr2 = (c * c - s * s) / (d * d), ci2 = -2 * c * s / (d * d); /* 1 / C^2 */
    const double qr = pr * cr2 - pi * ci2, qi = pr * ci2 + pi * cr2;
    const double vr = 0.5 * (power + qr), vi = 0.5 * (power - qr);
    u_re[i] = fabs(v.to_re) * sqrt(vr > 0 ? vr : 0);
    u_im[i] = fabs(v.to_im) * sqrt(vi > 0 ? vi : 0);
    cov[i] = 0.5 * v.to_re * v.to_im * qi;
}

KERNEL1(spread, spread_voxel(i, n0, of, k, u_re, u_im, cov), Quotient of, const double *RESTRICT k, double *RESTRICT u_re,
        double *RESTRICT u_im, double *RESTRICT cov)
