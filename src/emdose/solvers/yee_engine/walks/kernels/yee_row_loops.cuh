/* Loops over a row of z, as compilers turn them into vectors: Yee's update of a row, and its absorbing layers. What
   yee_walk.cuh walks with; pointers and factors only, it knows no lattice. */

/* Functions of their own, so that their pointers stay in registers; with the widest vectors that there are, as rows are whole
   cache lines. */
#if defined(__GNUC__) && !defined(__CUDACC__) && !defined(__CUDACC_RTC__)
#  if defined(__AVX512F__) && !defined(__clang__)
#    define ROWS static __attribute__((noinline, target("prefer-vector-width=512")))
#  else
#    define ROWS static __attribute__((noinline))
#  endif
#else
#  define ROWS FN_APART
#endif

/* z, the factor along the row, is zero beyond the row's end, so whole vectors up to the stride may be taken. */

/* All of E, or of H, in a row: every row of the other field is loaded once, and the curl is spelled once for either. The
   places differ only in where the coefficients come from. */
#define E_ROW(ax, bx, ay, by, az, bz)                                                                               \
    const real x = hx[k], y = hy[k], z = hz[k];                                                                     \
    ex[k] = yee_step(ax, bx, ex[k], z, hz[k - stride], y, hy[k - 1]);                                               \
    ey[k] = yee_step(ay, by, ey[k], x, hx[k - 1], z, hz[k - plane]);                                                \
    ez[k] = yee_step(az, bz, ez[k], y, hy[k - plane], x, hx[k - stride]);
#define ALL_OF_E                                                                                                    \
    real *RESTRICT ex, real *RESTRICT ey, real *RESTRICT ez, const real *hx, const real *hy, const real *hz, i64 stride, i64 plane

/* One material per component; z01 is the factor of x and y. */
ROWS void e_row(ALL_OF_E, i64 begin, i64 end, real ax, real ay, real az, real bx, real by, real bz, const real *z01,
                const real *z2) {
    ROLLED for (i64 k = begin; k < end; k++) {
        const real w = z01[k];
        E_ROW(ax, bx * w, ay, by * w, az, bz * z2[k])
    }
}
ROWS void e_row_lossless(ALL_OF_E, i64 begin, i64 end, real bx, real by, real bz, const real *z01, const real *z2) {
    ROLLED for (i64 k = begin; k < end; k++) {
        const real w = z01[k];
        E_ROW(1, bx * w, 1, by * w, 1, bz * z2[k])
    }
}
/* Each entry has its own material; id is that of x, those of y and z lie "apart" and twice that behind. */
#define MIXED_ROW(name, number)                                                                                     \
    ROWS void name(ALL_OF_E, i64 begin, i64 end, const number *id, i64 apart, const real *ca, const real *cb, real bx, \
                   real by, real bz, const real *z01, const real *z2) {                                             \
        ROLLED for (i64 k = begin; k < end; k++) {                                                                  \
            const int m = id[k], n = id[k + apart], o = id[k + 2 * apart];                                          \
            const real w = z01[k];                                                                                  \
            E_ROW(ca[m], (cb[m] * bx) * w, ca[n], (cb[n] * by) * w, ca[o], (cb[o] * bz) * z2[k])                     \
        }                                                                                                           \
    }
MIXED_ROW(e_row_of_8, u8)
MIXED_ROW(e_row_of_16, u16)
/* The same with the coefficients written out, which costs memory and saves six lookups per cell: a and b of x, of y, of z,
   "apart" entries each. */
ROWS void e_row_dense(ALL_OF_E, i64 apart, const real *ax) {
    const real *bx = ax + apart, *ay = bx + apart, *by = ay + apart, *az = by + apart, *bz = az + apart;
    ROLLED for (i64 k = 0; k < apart; k++) {
        E_ROW(ax[k], bx[k], ay[k], by[k], az[k], bz[k])
    }
}
ROWS void h_row(real *RESTRICT hx, real *RESTRICT hy, real *RESTRICT hz, const real *ex, const real *ey, const real *ez,
              i64 stride, i64 plane, real bx, real by, real bz, const real *z01, const real *z2) {
    ROLLED for (i64 k = 0; k < stride; k++) {
        const real x = ex[k], y = ey[k], z = ez[k], w = z01[k];
        hx[k] = yee_step(1, bx * w, hx[k], ez[k + stride], z, ey[k + 1], y);
        hy[k] = yee_step(1, by * w, hy[k], ex[k + 1], x, ez[k + plane], z);
        hz[k] = yee_step(1, bz * z2[k], hz[k], ey[k + plane], y, ex[k + stride], x);
    }
}

/* One component alone, its curl (p - q) - (r - s) named by the caller: on the high walls along x and y some components
   do not exist, and a row there may not touch them. */
ROWS void row_one(real *RESTRICT f, const real *p, const real *q, const real *r, const real *s, int begin, int end,
                real a, real b, const real *z) {
    ROLLED for (int k = begin; k < end; k++) f[k] = yee_step(a, b * z[k], f[k], p[k], q[k], r[k], s[k]);
}
#define ROW_OF(name, number)                                                                                        \
    ROWS void name(real *RESTRICT f, const real *p, const real *q, const real *r, const real *s, int begin, int end, \
                   const number *id, const real *ca, const real *cb, real b, const real *z) {                       \
        ROLLED for (int k = begin; k < end; k++)                                                                    \
            f[k] = yee_step(ca[id[k]], (cb[id[k]] * b) * z[k], f[k], p[k], q[k], r[k], s[k]);                       \
    }
ROW_OF(row_of_8, u8)
ROW_OF(row_of_16, u16)

/* Layer along x or y: one set of coefficients for the row. gain is signed. */
ROWS void row_layer(real *RESTRICT f, real *RESTRICT psi, const real *p, const real *q, int begin, int end, real b, real c,
                  real kappa, real gain, const real *z) {
    ROLLED for (int k = begin; k < end; k++) {
        const real d = p[k] - q[k], now = layer_psi(b, c, psi[k], d);
        psi[k] = now;
        f[k] += layer_gain(gain * z[k], now, kappa, d);
    }
}
/* The same for two components f and g of a whole row. */
ROWS void row_layers(real *RESTRICT f, real *RESTRICT g, real *RESTRICT psi_f, real *RESTRICT psi_g, const real *p,
                     const real *q, i64 apart, i64 n, real b, real c, real kappa, real gain_f, real gain_g,
                     const real *zf, const real *zg) {
    ROLLED for (i64 k = 0; k < n; k++) {
        const real d = p[k] - p[k - apart], now = layer_psi(b, c, psi_f[k], d);
        const real t = q[k] - q[k - apart], then = layer_psi(b, c, psi_g[k], t);
        psi_f[k] = now;
        psi_g[k] = then;
        f[k] += layer_gain(gain_f * zf[k], now, kappa, d);
        g[k] += layer_gain(gain_g * zg[k], then, kappa, t);
    }
}
/* Layer along z, one side: one component, coefficients per entry. */
FN void row_end(real *RESTRICT f, real *RESTRICT psi, const real *p, i64 ahead, int lanes, const real *b, i64 widest,
                real gain, const real *z) {
    const real *c = b + widest, *kappa = c + widest;
    ROLLED for (int k = 0; k < lanes; k++) {
        const real d = p[k + ahead] - p[k + ahead - 1], now = layer_psi(b[k], c[k], psi[k], d);
        psi[k] = now;
        f[k] += layer_gain(gain * z[k], now, kappa[k], d);
    }
}
/* Layer along z: two components f and g of a row with their own gains, whole vectors at [0, low) and from "start" on. */
ROWS void row_ends(real *RESTRICT f, real *RESTRICT g, real *RESTRICT psi_f, real *RESTRICT psi_g, const real *p,
                   const real *q, i64 ahead, int low, int start, int lanes, const real *b, i64 widest, real gain_f,
                   real gain_g, const real *z) {
    const real *c = b + widest, *kappa = c + widest;
    for (int lane = 0; lane < lanes; lane += VECTOR) {
        const int shift = lane < low ? 0 : start - low;
        for (int k = lane; k < lane + VECTOR; k++) {
            const int at = k + shift;
            const real d = p[at + ahead] - p[at + ahead - 1], now = layer_psi(b[k], c[k], psi_f[k], d);
            const real t = q[at + ahead] - q[at + ahead - 1], then = layer_psi(b[k], c[k], psi_g[k], t);
            psi_f[k] = now;
            psi_g[k] = then;
            f[at] += layer_gain(gain_f * z[at], now, kappa[k], d);
            g[at] += layer_gain(gain_g * z[at], then, kappa[k], t);
        }
    }
}
