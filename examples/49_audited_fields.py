"""
Somebody's fields, audited
==========================

Fields of three loops around a ball, written as nobody should: conjugated, in millimetres, as rms values, and with a
label that says the opposite of all three. The audit looks at the numbers alone: Faraday's law has the units and the
lattice, the loss of the ball the sense of time, and the power that the ports accept has rms and the drive. Then the SAR
of the file is the SAR of the solution, to rounding.
"""

# %%
# The whole script:

import h5py
import numpy as np

import emdose as em

ball, loops = em.phantoms.sphere(radius_m=0.05, spacing_m=5e-3), em.LoopArray(3, radius_m=0.09, length_m=0.1)
fields = em.Vie().solve(em.Exposure(ball, loops, frequency_Hz=128e6))
impedance = 2 * fields.power.absorbed_W.real + 20j * np.eye(3)
with h5py.File("somebody.h5", "w") as file:
    for n, axis in enumerate("xyz"):
        file[axis] = 1e3 * ball.grid.nodes(n)
    file["E"], file["B"] = (np.conj(v) / np.sqrt(2) for v in (fields.E, fields.B))
    file.attrs.update(frequency_Hz=128e6, amplitude="peak", time="exp(+jwt)", length="m", drive="A")
network = em.Network.from_z(np.array([128e6]), impedance[None], fields.ports)
audit = em.audit(["somebody.h5", em.write_touchstone(network, "somebody")], ball, efficiency=(0.95, 1))
print(audit)
em.plot(audit.sar([1, 1, 1]))

# sphinx_gallery_thumbnail_path = "images/gallery/49_audited_fields.png"
