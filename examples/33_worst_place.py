"""
The worst place of a rod
========================

A titanium rod is pushed through a box of gel in a birdcage at 1.5 T. The gel is solved once for currents on the edges
that the rod may come to lie on; every place of the rod is then a small dense system of equations, with its residual
measured on the whole body. Voxels of 10 mm tell places apart, and no value beside metal: that is what finer cells are
for.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

gel, coil = em.phantoms.gel_box(10e-3, (0.16, 0.08, 0.2)), em.Birdcage(rungs=8, radius_m=0.2, length_m=0.3)
library = em.ImplantLibrary.within(gel, 63.87e6, [(0.0, 0.0, -0.03), (0.08, 0.01, 0.03)])
exposed = library.exposed(coil, drive="quadrature")
rod = em.implants.box((9.8e-3, 9.8e-3, 58e-3), "Ti-6Al-4V", centre_m=(5e-3, 5e-3, 0.0))
places_m, peaks = np.arange(0.0, 0.075, 10e-3), []
for x in places_m:
    fields = exposed.solve(rod.moved((x, 0.0, 0.0))).scale(absorbed_power_W=1.0)
    sar, tissue = em.point_sar(fields, fields.metal.phantom), fields.metal.phantom
    peaks.append(em.mass_average(sar, tissue.density, 10e-3, mass_kg=10e-3, metal=fields.metal.metal).peak)
plt.plot(1e3 * places_m + 5, peaks, "o-")
plt.xlabel("distance of the rod from the middle [mm]"), plt.ylabel("peak 10 g SAR [W/kg per W absorbed]")

# sphinx_gallery_thumbnail_path = "images/gallery/33_worst_place.png"
