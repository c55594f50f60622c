"""
A shim under limits of local SAR
================================

Eight loops around a ball at 7 T: Q-matrices of 10 g, the few that bound them all, and drives whose B1+ is nearest to
1 µT in every voxel. Each limit of local SAR gives another compromise, and each has a proof of how far it is from the
best. The worst case of the same amplitudes says what is left when phases are not known.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

ball, array = em.phantoms.sphere(radius_m=0.08, spacing_m=10e-3), em.LoopArray(8, radius_m=0.12, length_m=0.12)
fields = em.Vie().solve(em.Exposure(ball, array, frequency_Hz=298e6))
plan = em.AveragingPlan(ball.density, ball.spacing_m, mass_kg=10e-3)
q = em.dosimetry.averaged(em.q_matrices(fields, ball), plan)
vops = em.compress(q, 0.1)
A, limits = fields.b1plus()[:, ball.body].T, np.geomspace(0.05, 2.5, 9)
shims = [em.shim(A, 1e-6, em.DriveConstraints.of(vops, limit), magnitude=True) for limit in limits]
error = [np.sqrt(s.cost / len(A)) / 1e-6 for s in shims]
plt.semilogx([q.sar(s.drive[0]).max() for s in shims], error, "o-", label="peak 10 g SAR [W/kg]")
plt.semilogx(limits, error, ":", label="its limit, by what bounds it")
plt.semilogx([em.worst_drive(vops, np.abs(s.drive[0])).upper for s in shims], error, "s--", label="any phases")
plt.legend(title=f"{len(vops)} bound {len(q.matrices)} matrices; upwards: rms error of |B1+|")

# sphinx_gallery_thumbnail_path = "images/gallery/45_shim_under_limits.png"
