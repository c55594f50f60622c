"""
One cover of several bodies
===========================

Eight loops at 7 T around balls of three sizes, which stand for patients. Bounds of the middle one under-estimate what
happens in the others. One cover of all three bounds each of them, and so does the middle one with a margin: both are
written to a file, read back, and certified against the matrices of every body.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

array, sets = em.LoopArray(8, radius_m=0.12, length_m=0.12), {}
for ball in [em.phantoms.sphere(radius, 10e-3) for radius in (0.075, 0.08, 0.085)]:
    q = em.q_matrices(em.Vie().solve(em.Exposure(ball, array, frequency_Hz=298e6)), ball)
    sets[f"{ball.mass_kg:.1f} kg"] = em.dosimetry.averaged(q, em.AveragingPlan(ball.density, ball.spacing_m, 10e-3))
bounds = {"middle ball": em.compress(sets["2.2 kg"], 0.2), "one cover of all": em.merge_vops(sets, 0.2)}
bounds["middle ball and margin"] = em.with_sample_margin(bounds["middle ball"], sets)
v = np.random.default_rng(1).normal(size=(1000, 8, 2)) @ [1, 1j]
truth = np.max([[one.sar(drive).max() for drive in v] for one in sets.values()], axis=0)
read = {name: em.read_vops(em.write_vops(vops, f"{name}.mat")) for name, vops in bounds.items()}
plt.hist([b.peak(v) / truth for b in read.values()], np.linspace(0.7, 2.5, 70), histtype="step", label=list(read))
plt.legend(title="bound over the largest 10 g SAR in any ball")
print([min(b.certify(one, source=n) for n, one in sets.items()) for b in list(read.values())[1:]])

# sphinx_gallery_thumbnail_path = "images/gallery/46_one_cover_of_several_bodies.png"
