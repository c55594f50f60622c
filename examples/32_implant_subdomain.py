"""
An implant on a grid of its own
===============================

The body is solved once on voxels of 10 mm; what a rod of titanium adds is solved on cells of 2 mm around it, in seconds
for every pose. A second size of cells says how sure the peak is.

.. image:: /images/gallery/32_implant_subdomain.png
   :alt: SAR around a rod in gel for three poses
"""

# %%
# The whole script:

import matplotlib.pyplot as plt

import emdose as em
from emdose import uncertainty
from emdose.models import bodies, implants

gel, coil = bodies.gel_box(10e-3, (0.24, 0.18, 0.30)), em.Birdcage(8, radius_m=0.2, length_m=0.3)
body = em.Vie().solve(em.Exposure(gel, coil, 64e6)).drive("quadrature").scale(whole_body_sar_W_kg=2.0)
solver, rod = em.Subdomain(2e-3), implants.cylinder(3e-3, 0.06, "Ti6Al4V")
figure, axes = plt.subplots(1, 3, figsize=(9, 4), layout="constrained")
for axis, x in zip(axes, (0.0, 0.03, 0.06), strict=True):
    exposure = em.Exposure(gel, coil, 64e6, implants=[rod.moved((x, 0.0, 0.0))])
    solved = solver.on_spacings(exposure, body)
    peak = uncertainty.refined_peaks(solved)["10 g SAR"]
    axis.imshow(em.point_sar(*solved[0]).value[len(solved[0][1].labels) // 2].T, origin="lower")
    axis.set_title(f"{1e3 * x:g} mm: 10 g {peak.value:.1f} ± {peak.expanded:.1f} W/kg")
figure.savefig("implant_subdomain.png")

# sphinx_gallery_thumbnail_path = "images/gallery/32_implant_subdomain.png"
