/* Yee's scheme for one entry, and what acts on single edges and faces; the same on both devices.
   e holds voltages of edges, h magnetomotive forces of dual edges; see emdose/solvers/yee_engine/lattice.py for the scaling. */

/* Entries that rows, layers along z and runs of mixed material are rounded to; where the last one of a row of nz nodes ends. */
enum { VECTOR = 16 };
FN int end_of(int nz) { return (nz + VECTOR - 1) / VECTOR * VECTOR; }

/* One update; p - q and r - s are the two differences of the curl. */
FN real yee_step(real a, real b, real f, real p, real q, real r, real s) { return a * f + b * ((p - q) - (r - s)); }

/* Absorbing layer: new psi from the difference d, and what the layer adds to the entry. */
FN real layer_psi(real b, real c, real psi, real d) { return b * psi + c * d; }
FN real layer_gain(real b, real psi, real kappa, real d) { return b * (psi + kappa * d); }

/* Impressed terms: entry t of f gains the sum over its columns of coefficient times the drive of this step. */
FN void add_terms(i64 t, const i64 *RESTRICT entry, const i64 *RESTRICT row, const int *RESTRICT column,
                  const double *RESTRICT coefficient, const double *RESTRICT drive, real *RESTRICT f) {
    double sum = 0;
    for (i64 n = row[t]; n < row[t + 1]; n++) sum += coefficient[n] * drive[column[n]];
    f[entry[t]] += (real)sum;
}

/* A face of another permeability: the rest of its update; gain is (1 / mu_r - 1) times the face's factor. */
FN void face_term(i64 t, const i64 *RESTRICT face, const i64 *RESTRICT turn, const double *RESTRICT gain,
                  const real *RESTRICT e, real *RESTRICT h) {
    /* turn: the offsets from the face to the four edges around it, two that count and two that count back */
    const i64 at = face[t];
    const real p = e[at + turn[4 * t]], q = e[at + turn[4 * t + 1]], r = e[at + turn[4 * t + 2]], s = e[at + turn[4 * t + 3]];
    h[at] -= (real)(gain[t] * (double)((p - q) - (r - s)));
}

/* A branch (port or lumped element) across a path of edges: trapezium rule, implicit in the path's voltage.
   law: Y, by current, by charge voltage, by voltage, current: by itself, by mean current, by mean voltage; charge by mean
   current, gain of the path; state: voltage, inductor current, capacitor voltage. Writes voltage and mean current. */
#define LAW 9
FN void branch_term(i64 b, const i64 *RESTRICT row, const i64 *RESTRICT edge, const double *RESTRICT sign,
                    const double *RESTRICT gain, const double *RESTRICT law, double source, double *RESTRICT state,
                    real *RESTRICT e, double *RESTRICT record) {
    const double *c = law + LAW * b;
    double *x = state + 3 * b;
    double v = 0, after = 0;
    for (i64 n = row[b]; n < row[b + 1]; n++) v += sign[n] * (double)e[edge[n]];
    const double history = c[1] * x[1] + c[2] * x[2] + c[3] * x[0] - c[0] * source;
    const double current = (0.5 * c[0] * (v + x[0]) + history) / (1.0 + 0.5 * c[0] * c[8]);
    for (i64 n = row[b]; n < row[b + 1]; n++) {
        const real changed = (real)((double)e[edge[n]] - sign[n] * gain[n] * current);
        e[edge[n]] = changed;
        after += sign[n] * (double)changed;
    }
    const double mean = 0.5 * (after + x[0]);
    x[1] = c[4] * x[1] + c[5] * current + c[6] * mean;
    x[2] += c[7] * current;
    x[0] = after;
    record[0] = after;
    record[1] = current;
}
