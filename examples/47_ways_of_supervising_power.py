"""
What each way of supervising power allows
=========================================

Eight loops around a ball beside their axis, at 7 T under 10 W/kg of local SAR. A scanner that supervises forward power
must take the worst drive of that power, one that supervises channels their worst phases; with virtual observation
points it knows the drive. Bars: B1+ that each lets the circular mode and the most even shim have.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

ball, array = em.phantoms.sphere(0.08, 10e-3).translate((0.02, 0, 0)), em.LoopArray(8, radius_m=0.13, length_m=0.12)
fields = em.Vie().solve(em.Exposure(ball, array, frequency_Hz=298e6))
plan = em.AveragingPlan(ball.density, ball.spacing_m, mass_kg=10e-3)
q = em.dosimetry.averaged(em.q_matrices(fields, ball), plan)
bounds, A = em.DriveConstraints.of(em.compress(q, 0.1), 10.0), fields.b1plus()[:, fields.region("slice")].T
modes = em.power_modes(em.DriveConstraints.of(q, 10.0), fields.power.absorbed_W, bounds)
drives = {"circular": fields.drives["circular"], "shim": em.shim(A, 2e-6, bounds, magnitude=True).drive[0]}
for n, (name, v) in enumerate(drives.items()):
    reached = [1e6 * factor * np.abs(A @ v).mean() for factor in modes.scales(v).values()]
    plt.barh(np.arange(len(reached)) + 0.4 * n, reached, 0.4, label=f"{name}, {em.dosimetry.b1_variation(A @ v):.0%}")
plt.yticks(np.arange(len(reached)) + 0.2, modes.names)
plt.legend(title="deviation of B1+"), plt.xlabel("mean B1+ [µT]"), plt.tight_layout()

# sphinx_gallery_thumbnail_path = "images/gallery/47_ways_of_supervising_power.png"
