/* Body of local_fit.cuh for polynomials with up to NB coefficients and NM moments. */

/* Index of the moment x^b y^c z^a, ordered by (b, c), then a, in a set of total degree d */
FN int NAME(moment)(int d, int a, int b, int c)
{
    int at = 0;
    for (int y = 0; y < b; y++)
        for (int z = 0; z <= d - y; z++) at += d - y - z + 1;
    for (int z = 0; z < c; z++) at += d - b - z + 1;
    return at + a;
}

/* A strip of a row with r voxels more on both sides, 0 outside the image */
FN void NAME(load_line)(const double *from, int k, int n2, int r, double *line)
{
    for (int q = 0; q < STRIP + 2 * r; q++) {
        const int here = k + q - r;
        line[q] = here >= 0 && here < n2 ? LOAD(from + q - r) : 0;
    }
}

/* Moments z^0 ... z^top of a strip */
FN void NAME(along_z)(const double *line, const double *x, int taps, int top, double (*to)[STRIP])
{
    for (int e = 0; e <= top; e++) {
        double sum[STRIP];
        EACH sum[q] = 0;
        for (int t = 0; t < taps; t++) {
            const double c = LOAD(x + e * taps + t);
            EACH sum[q] += c * line[q + t];
        }
        EACH to[e][q] = sum[q];
    }
}

/* Moments m (NM), right-hand sides b (channel, NB), noise moments v (noise, NM), sums of squares s -> results.
   The basis is ordered like the moments. */
FN void NAME(solve)(Fit p, i64 at, i64 volume, int n, double (*m)[STRIP], double (*b)[STRIP], double (*v)[STRIP],
                    double (*s)[STRIP], const int *use, Results to)
{
    double a[NB * (NB + 1) / 2][STRIP], scale[NB][STRIP], x[5 * NB][STRIP], bad[STRIP];
    short pair[NB * (NB + 1) / 2];
    int ea[NB], eb[NB], ec[NB], nb = 0, nm = 0;
    for (int y = 0; y <= p.degree; y++)
        for (int z = 0; z <= p.degree - y; z++)
            for (int e = 0; e <= p.degree - y - z; e++) {
                ea[nb] = e;
                eb[nb] = y;
                ec[nb++] = z;
            }
    for (int y = 0; y <= 2 * p.degree; y++)
        for (int z = 0; z <= 2 * p.degree - y; z++) nm += 2 * p.degree - y - z + 1;
    for (int f = 0; f < nb; f++)
        for (int g = 0; g <= f; g++)
            pair[f * (f + 1) / 2 + g] = (short)NAME(moment)(2 * p.degree, ea[f] + ea[g], eb[f] + eb[g], ec[f] + ec[g]);
    for (int f = 0; f < nb; f++)
        EACH {
            const double d = m[pair[f * (f + 1) / 2 + f]][q];
            scale[f][q] = d > 0 ? 1 / sqrt(d) : 0;
        }
    EACH bad[q] = m[0][q] < p.minimum;
    /* Cholesky of the matrix with unit diagonal; a pivot is the part of a column that the others do not explain. */
    for (int f = 0; f < nb; f++)
        for (int g = 0; g <= f; g++) {
            double *l = a[f * (f + 1) / 2 + g];
            const double *mm = m[pair[f * (f + 1) / 2 + g]];
            double sum[STRIP];
            EACH sum[q] = mm[q] * scale[f][q] * scale[g][q];
            for (int h = 0; h < g; h++) {
                const double *lf = a[f * (f + 1) / 2 + h], *lg = a[g * (g + 1) / 2 + h];
                EACH sum[q] -= lf[q] * lg[q];
            }
            if (f == g)
                EACH {
                    bad[q] = sum[q] < p.pivot ? 1 : bad[q];
                    l[q] = 1 / sqrt(sum[q] < p.pivot ? 1 : sum[q]); /* the inverse of the diagonal */
                }
            else {
                const double *inverse = a[g * (g + 1) / 2 + g];
                EACH l[q] = sum[q] * inverse[q];
            }
        }
    /* Residual sums of squares: s - (L^-1 b) (L^-1 b)' */
    double y[2 * NB][STRIP];
    for (int c = 0; c < p.channels; c++)
        for (int f = 0; f < nb; f++) {
            double sum[STRIP];
            EACH sum[q] = b[c * NB + f][q] * scale[f][q];
            for (int h = 0; h < f; h++) EACH sum[q] -= a[f * (f + 1) / 2 + h][q] * y[c * NB + h][q];
            EACH y[c * NB + f][q] = sum[q] * a[f * (f + 1) / 2 + f][q];
        }
    for (int c = 0, w = 0; c < p.channels; c++)
        for (int e = c; e < p.channels; e++, w++) {
            double sum[STRIP];
            EACH sum[q] = s[w][q];
            for (int f = 0; f < nb; f++) EACH sum[q] -= y[c * NB + f][q] * y[e * NB + f][q];
            for (int q = 0; q < n; q++)
                if (use[q]) to.residual[w * volume + at + q] = (double)(bad[q] ? nan("") : sum[q]);
        }
    /* x_f = A^-1 row_f: the filter of a functional is x_f . phi(k) */
    for (int o = 0; o < p.functionals; o++) {
        double(*u)[STRIP] = x + o * NB;
        for (int f = 0; f < nb; f++) {
            double sum[STRIP];
            EACH sum[q] = LOAD(p.targets + o * nb + f) * scale[f][q];
            for (int h = 0; h < f; h++) EACH sum[q] -= a[f * (f + 1) / 2 + h][q] * u[h][q];
            EACH u[f][q] = sum[q] * a[f * (f + 1) / 2 + f][q];
        }
        for (int f = nb - 1; f >= 0; f--) {
            double sum[STRIP];
            EACH sum[q] = u[f][q];
            for (int h = f + 1; h < nb; h++) EACH sum[q] -= a[h * (h + 1) / 2 + f][q] * u[h][q];
            EACH u[f][q] = sum[q] * a[f * (f + 1) / 2 + f][q];
        }
        for (int f = 0; f < nb; f++) {
            EACH u[f][q] *= scale[f][q];
            if (p.keep)
                for (int q = 0; q < n; q++)
                    if (use[q]) to.solution[(o * nb + f) * volume + at + q] = (double)(bad[q] ? 0 : u[f][q]);
        }
        for (int c = 0; c < p.channels; c++) {
            double sum[STRIP];
            EACH sum[q] = 0;
            for (int f = 0; f < nb; f++) EACH sum[q] += u[f][q] * b[c * NB + f][q];
            for (int q = 0; q < n; q++)
                if (use[q]) to.value[(c * p.functionals + o) * volume + at + q] = (double)(bad[q] ? nan("") : sum[q]);
        }
    }
    /* Gains: without noise maps x_f . row_g (unit noise, weights 0 or 1), else x_f' V x_g */
    const int products = p.functionals * (p.functionals + 1) / 2;
    for (int t = 0; t < (p.noises > 0 ? p.noises : 1); t++)
        for (int e = 0, w = 0; e < p.functionals; e++) {
            double u[NB][STRIP];
            if (p.noises > 0)
                for (int f = 0; f < nb; f++) {
                    EACH u[f][q] = 0;
                    for (int h = 0; h < nb; h++) {
                        const double *vv = v[t * NM + pair[h <= f ? f * (f + 1) / 2 + h : h * (h + 1) / 2 + f]];
                        EACH u[f][q] += vv[q] * x[e * NB + h][q];
                    }
                }
            for (int o = e; o < p.functionals; o++, w++) {
                double sum[STRIP];
                EACH sum[q] = 0;
                if (p.noises > 0)
                    for (int f = 0; f < nb; f++) EACH sum[q] += u[f][q] * x[o * NB + f][q];
                else
                    for (int f = 0; f < nb; f++) EACH sum[q] += x[e * NB + f][q] * LOAD(p.targets + o * nb + f);
                for (int q = 0; q < n; q++)
                    if (use[q]) to.gain[(t * products + w) * volume + at + q] = (double)(bad[q] ? nan("") : sum[q]);
            }
        }
    for (int q = 0; q < n; q++)
        if (use[q]) to.count[at + q] = (double)(bad[q] ? -m[0][q] : m[0][q]);
}

/* Last pass, along z, over maps that are already filtered along x and y, then the solution. */
FN void NAME(fit_strip)(Fit p, int i, int j, int strip, int n0, int n1, Maps f, Results to)
{
    const int n2 = p.size, r = f.r;
    const int k = strip * STRIP, n = n2 - k < STRIP ? n2 - k : STRIP, taps = 2 * r + 1, d = p.degree;
    const i64 plane = (i64)n1 * n2, volume = n0 * plane, at = i * plane + (i64)j * n2 + k;
    int wanted[STRIP], any = 0;
    for (int q = 0; q < n; q++) any |= wanted[q] = LOAD(f.use + at + q);
    if (!any) return;
    double m[NM][STRIP], b[2 * NB][STRIP], v[3 * NM][STRIP], s[3][STRIP], line[STRIP + 2 * REACH];
    for (int o = -1; o < p.noises; o++)
        for (int y = 0, map = 0, out = 0; y <= 2 * d; y++)
            for (int z = 0; z <= 2 * d - y; z++, map++) {
                const int top = 2 * d - y - z;
                NAME(load_line)(o < 0 ? f.mask + map * volume + at : f.noise + ((i64)o * (d + 1) * (2 * d + 1) + map) * volume + at,
                                k, n2, r, line);
                NAME(along_z)(line, f.z, taps, top, o < 0 ? m + out : v + o * NM + out);
                out += top + 1;
            }
    for (int c = 0; c < p.channels; c++)
        for (int y = 0, map = 0, out = 0; y <= d; y++)
            for (int z = 0; z <= d - y; z++, map++) {
                NAME(load_line)(f.data + ((i64)c * (d + 1) * (d + 2) / 2 + map) * volume + at, k, n2, r, line);
                NAME(along_z)(line, f.z, taps, d - y - z, b + c * NB + out);
                out += d - y - z + 1;
            }
    for (int c = 0; c < p.channels * (p.channels + 1) / 2; c++) {
        NAME(load_line)(f.square + c * volume + at, k, n2, r, line);
        NAME(along_z)(line, f.z, taps, 0, s + c);
    }
    NAME(solve)(p, f.place + i * f.sheet + j * f.row + k, f.total, n, m, b, v, s, wanted, to);
}

/* Moments gathered from the neighbours of the same region (negative labels: neighbours only), weighted by their contrast to the centre:
   w = exp(-((ref - ref0) / min(ref, ref0))^2 / contrast^2), no contrast weight for contrast 0. */
FN void NAME(gather_strip)(Fit p, int i, int j, int strip, int n0, int n1, Neighbours g, Results to)
{
    const int n2 = p.size;
    const int k = strip * STRIP, n = n2 - k < STRIP ? n2 - k : STRIP;
    const i64 plane = (i64)n1 * n2, volume = n0 * plane, at = i * plane + (i64)j * n2 + k;
    int wanted[STRIP], any = 0, nb = 0, nm = 0;
    for (int q = 0; q < n; q++) any |= wanted[q] = LOAD(g.region + at + q) > 0;
    if (!any) return;
    for (int y = 0; y <= 2 * p.degree; y++)
        for (int z = 0; z <= 2 * p.degree - y; z++) {
            nm += 2 * p.degree - y - z + 1;
            if (y + z <= p.degree) nb += p.degree - y - z + 1;
        }
    double m[NM][STRIP], b[2 * NB][STRIP], v[3 * NM][STRIP], s[3][STRIP];
    for (int f = 0; f < NM; f++) EACH m[f][q] = 0;
    for (int f = 0; f < 2 * NB; f++) EACH b[f][q] = 0;
    for (int f = 0; f < p.noises * NM; f++) EACH v[f][q] = 0;
    for (int f = 0; f < 3; f++) EACH s[f][q] = 0;
    for (int o = 0; o < g.offsets; o++) {
        const int di = LOAD(g.offset + 3 * o), dj = LOAD(g.offset + 3 * o + 1), dk = LOAD(g.offset + 3 * o + 2);
        if (i + di < 0 || i + di >= n0 || j + dj < 0 || j + dj >= n1) continue;
        const i64 there = at + di * plane + (i64)dj * n2 + dk;
        const double *phi = g.powers + (i64)o * (nm + nb), *base = phi + nm;
        double w[STRIP], load[STRIP];
        int some = 0;
        EACH w[q] = load[q] = 0;
        for (int q = 0; q < n; q++) {
            if (k + q + dk < 0 || k + q + dk >= n2 || !wanted[q]) continue;
            const int label = LOAD(g.region + there + q);
            if ((label < 0 ? -label : label) != LOAD(g.region + at + q)) continue;
            w[q] = 1;
            if (g.contrast > 0) {
                const double here = LOAD(g.reference + at + q), far = LOAD(g.reference + there + q);
                const double c = (far - here) / ((far < here ? far : here) * g.contrast);
                w[q] = far == here ? 1 : here > 0 && far > 0 ? exp(-c * c) : 0;
            }
            some |= w[q] > 0;
        }
        if (!some) continue;
        for (int f = 0; f < nm; f++) EACH m[f][q] += w[q] * LOAD(phi + f);
        for (int c = 0, z = 0; c < p.channels; c++) {
            for (int q = 0; q < n; q++) load[q] = w[q] > 0 ? w[q] * LOAD(g.data + c * volume + there + q) : 0;
            for (int f = 0; f < nb; f++) EACH b[c * NB + f][q] += LOAD(base + f) * load[q];
            for (int e = c; e < p.channels; e++, z++)
                for (int q = 0; q < n; q++) s[z][q] += w[q] > 0 ? load[q] * LOAD(g.data + e * volume + there + q) : 0;
        }
        for (int t = 0; t < p.noises; t++) {
            for (int q = 0; q < n; q++) load[q] = w[q] > 0 ? w[q] * w[q] * LOAD(g.noise + t * volume + there + q) : 0;
            for (int f = 0; f < nm; f++) EACH v[t * NM + f][q] += load[q] * LOAD(phi + f);
        }
    }
    NAME(solve)(p, at, volume, n, m, b, v, s, wanted, to);
}
