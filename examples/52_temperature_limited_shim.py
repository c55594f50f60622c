"""
A shim limited in kelvin
========================

Eight loops around a layered head at 7 T. SAR averaged over 10 g stands in for what matters, the rise of temperature,
and knows nothing of perfusion and of skin that cools. Temperature matrices are that rise for every drive, and limit a
shim as Q-matrices do: here in the steady state, so that no time before is warmer.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

head, array = em.phantoms.layered_head(spacing_m=9e-3), em.LoopArray(8, radius_m=0.14, length_m=0.14)
fields = em.Vie().solve(em.Exposure(head, array, frequency_Hz=298e6))
q = em.q_matrices(fields, head)
warm = em.temperature_matrices(q, head)
sar = em.dosimetry.averaged(q, em.AveragingPlan(head.density, head.spacing_m, mass_kg=10e-3))
A, curves = fields.b1plus()[:, head.body].T, {}
for name, limited, limits in (("in kelvin", warm, (0.2, 1, 6)), ("of 10 g SAR", sar, (1, 10, 6))):
    vops = em.compress(limited, 0.05)
    shims = [em.shim(A, 1.5e-6, em.DriveConstraints.of(vops, L), magnitude=True) for L in np.geomspace(*limits)]
    curves[name] = [warm.rise(s.drive[0]).max() for s in shims], [np.sqrt(s.cost / len(A)) / 1.5e-6 for s in shims]
    plt.plot(*curves[name], "o-", label=f"limit {name}, {len(vops)} matrices")
plt.legend(title="rms error of |B1+| over the largest rise in the steady state [K]")

# sphinx_gallery_thumbnail_path = "images/gallery/52_temperature_limited_shim.png"
