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
for radius in (0.075, 0.08, 0.085):
    ball = em.phantoms.sphere(radius_m=radius, spacing_m=10e-3)
    fields = em.Vie().solve(em.Exposure(ball, array, frequency_Hz=298e6))
    plan = em.AveragingPlan(ball.density, ball.spacing_m, mass_kg=10e-3)
    sets[f"{1e3 * radius:.0f} mm"] = em.dosimetry.averaged(em.q_matrices(fields, ball), plan)
bounds = {"middle ball": em.compress(sets["80 mm"], 0.2), "one cover of all": em.merge_vops(sets, 0.2)}
bounds["middle ball and margin"] = em.with_sample_margin(bounds["middle ball"], sets)
v = np.random.default_rng(1).normal(size=(1000, 8, 2)) @ [1, 1j]
truth = np.max([[q.sar(one).max() for one in v] for q in sets.values()], axis=0)
for name, vops in bounds.items():
    back = em.read_vops(em.write_vops(vops, f"{name}.mat"))
    plt.hist(back.peak(v) / truth, np.linspace(0.7, 3.6, 80), histtype="step", label=f"{name}: {len(vops)} points")
print(back.margin.statement, min(back.certify(q, source=name) for name, q in sets.items()))
plt.legend(title="bound over the largest 10 g SAR in any ball")

# sphinx_gallery_thumbnail_path = "images/gallery/46_one_cover_of_several_bodies.png"
