"""
Two engines on one head
=======================

The volume integral and finite differences in time share nothing but the voxels. The same head in the same coil, in
numbers and side by side.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

head = em.phantoms.layered_head(spacing_m=10e-3)
exposure = em.Exposure(head, em.Birdcage(radius_m=0.15, length_m=0.20), frequency_Hz=127.74e6)
sar, (pictures, axes) = {}, plt.subplots(1, 2, figsize=(7, 4), sharey=True)
for name, solver, ax in (("Vie", em.Vie(), axes[0]), ("Fdtd", em.Fdtd(), axes[1])):
    fields = solver.solve(exposure).drive("quadrature").scale(b1plus_rms_T=2e-6)
    sar[name] = em.mass_average(em.point_sar(fields, head), head.density, head.spacing_m, mass_kg=10e-3)
    print(f"{name:5} absorbed {fields.power.power()['absorbed_W']:.4f} W, peak 10 g SAR {sar[name].peak:.4f} W/kg")
    image = ax.imshow(sar[name].value[:, head.grid.shape[1] // 2].T, origin="lower", cmap="inferno", vmin=0, vmax=2)
    ax.set_title(f"{name}: 10 g SAR [W/kg]")
pictures.colorbar(image, ax=axes)
difference = np.linalg.norm(sar["Fdtd"].value - sar["Vie"].value) / np.linalg.norm(sar["Vie"].value)
print(f"relative L2 difference of the 10 g maps: {difference:.1e}")

# sphinx_gallery_thumbnail_path = "images/gallery/10_vie_beside_fdtd.png"
