/* Yee's scheme for one entry, and what acts on single edges and faces; the same on both devices.
   e holds voltages of edges, h magnetomotive forces of dual edges; see emdose/solvers/yee_engine/tables/lattice.py for the scaling. */

/* Entries that rows, layers along z and runs of mixed material are rounded to; where the last one of a row of nz nodes ends. */
enum { VECTOR = 16 };
FN int end_of(int nz) { return (nz + VECTOR - 1) / VECTOR * VECTOR; }

/* Nodes, memory and layers of the lattice: entries of a row and of a component, of the table of factors and of that of
   layers per axis; layers along x and y in planes and rows, along z in lanes; where the psi of E and of H begins. */
typedef struct {
    int nx, ny, nz;
    i64 stride, component;
    int longest, widest, low_x, high_x, low_y, high_y, lanes_low, lanes_high;
    i64 psi_ex, psi_ey, psi_ez, psi_hx, psi_hy, psi_hz;
} Mesh;

/* What the lattice is filled with: materials by their numbers (of 16 bits if wide, else of 8) and their coefficients, factors
   along the axes, coefficients of the layers. */
typedef struct {
    int wide;
    const u8 *RESTRICT ids8;
    const u16 *RESTRICT ids16;
    const real *RESTRICT ca, *RESTRICT cb, *RESTRICT factor, *RESTRICT layer;
} Medium;

/* One update; p - q and r - s are the two differences of the curl. */
FN real yee_step(real a, real b, real f, real p, real q, real r, real s) { return a * f + b * ((p - q) - (r - s)); }

/* Absorbing layer: new psi from the difference d, and what the layer adds to the entry. */
FN real layer_psi(real b, real c, real psi, real d) { return b * psi + c * d; }
FN real layer_gain(real b, real psi, real kappa, real d) { return b * (psi + kappa * d); }

/* Impressed terms: what entries gain in every step. Term t is of the sum over its parts [row[t], row[t + 1]) of coefficient
   times the drive of this step in the part's column. */
typedef struct {
    int columns;
    const i64 *RESTRICT entry, *RESTRICT row;
    const int *RESTRICT column;
    const double *RESTRICT coefficient;
} Terms;
FN void add_terms(i64 t, Terms s, const double *RESTRICT drive, real *RESTRICT f) {
    double sum = 0;
    for (i64 n = s.row[t]; n < s.row[t + 1]; n++) sum += s.coefficient[n] * drive[s.column[n]];
    f[s.entry[t]] += (real)sum;
}

/* Faces of another permeability: the rest of their update; gain is (1 / mu_r - 1) times the face's factor. edges: the offsets
   from the face to the four edges around it, two that count in its curl and two that count back. */
typedef struct {
    const i64 *RESTRICT face, *RESTRICT edges;
    const double *RESTRICT gain;
} Faces;
FN void face_term(i64 t, Faces s, const real *RESTRICT e, real *RESTRICT h) {
    const i64 at = s.face[t], *RESTRICT to = s.edges + 4 * t;
    const real p = e[at + to[0]], q = e[at + to[1]], r = e[at + to[2]], u = e[at + to[3]];
    h[at] -= (real)(s.gain[t] * (double)((p - q) - (r - u)));
}

/* Branches (ports or lumped elements) across paths of edges: trapezium rule, implicit in the path's voltage.
   law: Y, by current, by charge voltage, by voltage, current: by itself, by mean current, by mean voltage; charge by mean
   current, gain of the path; state: voltage, inductor current, capacitor voltage. Writes voltage and mean current. */
#define LAW 9
typedef struct {
    int count;
    const i64 *RESTRICT row, *RESTRICT edge;
    const double *RESTRICT sign, *RESTRICT gain, *RESTRICT law;
} Branches;
FN void branch_term(i64 b, Branches s, double source, double *RESTRICT state, real *RESTRICT e, double *RESTRICT record) {
    const double *c = s.law + LAW * b;
    const i64 first = s.row[b], last = s.row[b + 1];
    double *x = state + 3 * b;
    double v = 0, after = 0;
    for (i64 n = first; n < last; n++) v += s.sign[n] * (double)e[s.edge[n]];
    const double history = c[1] * x[1] + c[2] * x[2] + c[3] * x[0] - c[0] * source;
    const double current = (0.5 * c[0] * (v + x[0]) + history) / (1.0 + 0.5 * c[0] * c[8]);
    for (i64 n = first; n < last; n++) {
        const real changed = (real)((double)e[s.edge[n]] - s.sign[n] * s.gain[n] * current);
        e[s.edge[n]] = changed;
        after += s.sign[n] * (double)changed;
    }
    const double mean = 0.5 * (after + x[0]);
    x[1] = c[4] * x[1] + c[5] * current + c[6] * mean;
    x[2] += c[7] * current;
    x[0] = after;
    record[0] = after;
    record[1] = current;
}
