"""
An array, decoupled
===================

Four loops around a ball, found once. Inductors between the feeds of neighbours, swept over a factor of four, are
circuit algebra: every value is matched anew, and no field is solved again.
"""

# %%
# The whole script:

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

ball, f, ports = em.phantoms.sphere(radius_m=0.08, spacing_m=10e-3), 127.74e6, [f"loop {n}" for n in (1, 2, 3, 4, 1)]
array = em.CapacitorLoopArray(4, radius_m=0.10, length_m=0.12, coverage=0.8, wire_radius_m=0.5e-3)
tuned = em.Vsie().cosimulate(em.Exposure(ball, array, f), [f]).tune(pattern=np.ones((len(array.elements), 1)))
exact = [em.circuits.decoupling(tuned.network, tuned.circuit, *ports[n : n + 2], f) for n in range(4)]
scales, coupling = np.geomspace(0.5, 2, 21), []
for scale in scales:
    joints = [replace(j, element=em.circuits.RLC(inductance_H=scale * j.element.inductance_H)) for j in exact]
    circuit = em.match(tuned.network, replace(tuned.circuit, couplings=tuple(joints)), f, kind="L").circuit
    coupling.append(20 * np.log10(abs(tuned.with_circuit(circuit).s_parameters().s[0, 0, 1:3])))
plt.semilogx(1e9 * scales * exact[0].element.inductance_H, coupling, label=["neighbours", "opposite"])
plt.legend(title="coupling [dB] by inductor [nH]")

# sphinx_gallery_thumbnail_path = "images/gallery/29_decoupled_array.png"
