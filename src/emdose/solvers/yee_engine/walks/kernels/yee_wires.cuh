/* Wires thinner than a cell on paths of their own: charges of nodes, currents of segments, and what these add to E.
   All of it happens before the update of E, in this order; "step" counts from the beginning of the tables of drives. */
#include "common.cuh"

/* Segments: edges in their voltage with weights [row[s], row[s + 1]), first node, wire (column of the drive), next current
   by itself and by the voltage, impressed voltage. Nodes: segments that end and begin there or -1, law. Entries of E that
   are changed, by the currents of segments [part[t], part[t + 1]). */
#define NODE_LAW 6
typedef struct {
    int segments, wires, frequencies;
    const i64 *RESTRICT row, *RESTRICT entry, *RESTRICT target, *RESTRICT part;
    const int *RESTRICT first, *RESTRICT wire, *RESTRICT before, *RESTRICT after, *RESTRICT source;
    const double *RESTRICT weight, *RESTRICT keep, *RESTRICT gain, *RESTRICT emf, *RESTRICT law, *RESTRICT spread;
    double dt;
} Wires;

/* law: 1 / change of voltage by charge of the insulated and of the bare part, what is left of a voltage in the medium after a
   step; voltage of coat and of medium by charge of the insulated part, of medium by charge of the bare part.
   charge: voltages of coat, of medium around the insulated part and of medium around the bare part. */
FN void charge_node(i64 n, Wires w, const double *RESTRICT current, double *RESTRICT charge, double *RESTRICT voltage) {
    const double *c = w.law + NODE_LAW * n;
    double *x = charge + 3 * n;
    const int in = w.before[n], out = w.after[n];
    const double gained = w.dt * ((in < 0 ? 0.0 : current[in]) - (out < 0 ? 0.0 : current[out]));
    const double insulated = x[0] + c[2] * x[1], bare = c[2] * x[2];
    const double v = (gained + c[0] * insulated + c[1] * bare) / (c[0] + c[1]);
    const double q = c[0] * (v - insulated), p = c[1] * (v - bare);
    x[0] += c[3] * q;
    x[1] = c[2] * x[1] + c[4] * q;
    x[2] = bare + c[5] * p;
    voltage[n] = v;
}

/* sums: Fourier sums of currents, (frequency, real and imaginary part, segment). */
FN void drive_segment(i64 s, int step, Wires w, const double *RESTRICT drive, const double *RESTRICT phase,
                      const real *RESTRICT e, const double *RESTRICT voltage, double *RESTRICT current,
                      real *RESTRICT sums) {
    double u = w.emf[s] * drive[(i64)step * w.wires + w.wire[s]];
    for (i64 n = w.row[s]; n < w.row[s + 1]; n++) u += w.weight[n] * (double)e[w.entry[n]];
    const int first = w.first[s];
    const double now = w.keep[s] * current[s] + w.gain[s] * (u - (voltage[first + 1] - voltage[first]));
    current[s] = now;
    for (int f = 0; f < w.frequencies; f++) {
        const double *p = phase + ((i64)step * w.frequencies + f) * 2;
        sums[(2 * f) * (i64)w.segments + s] += (real)(p[0] * now);
        sums[(2 * f + 1) * (i64)w.segments + s] += (real)(p[1] * now);
    }
}

FN void spread_current(i64 t, Wires w, const double *RESTRICT current, real *RESTRICT e) {
    double sum = 0;
    for (i64 n = w.part[t]; n < w.part[t + 1]; n++) sum += w.spread[n] * current[w.source[n]];
    e[w.target[t]] += (real)sum;
}

KERNEL1(wire_nodes, charge_node(i, wires, current, charge, voltage), Wires wires, const double *RESTRICT current,
        double *RESTRICT charge, double *RESTRICT voltage)

KERNEL1(wire_segments, drive_segment(i, step, wires, drive, phase, e, voltage, current, sums), int step, Wires wires,
        const double *RESTRICT drive, const double *RESTRICT phase, const real *RESTRICT e,
        const double *RESTRICT voltage, double *RESTRICT current, real *RESTRICT sums)

KERNEL1(wire_spread, spread_current(i, wires, current, e), Wires wires, const double *RESTRICT current,
        real *RESTRICT e)
