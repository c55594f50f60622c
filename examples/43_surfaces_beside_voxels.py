"""
A head of surfaces beside a head of voxels
==========================================

The layered head becomes nested surfaces, kept apart, and charges on them give its field in a switched gradient of the y
axis; `Quasistatic` takes the voxels themselves. Steps of the voxels make its field rough at the skin, where surfaces
have both sides of it.
"""

# %%
# The whole script:

import warnings

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

warnings.simplefilter("ignore")  # small parts are dropped, and conductivities below 1 MHz are poor
head = em.phantoms.layered_head(spacing_m=5e-3)
source = em.Switched(em.models.IdealGradient("y"), "T/m/s")
inner = ("cerebrospinal_fluid", "grey_matter", "white_matter", "cerebellum", "brainstem")
layers = {"muscle": ["muscle"], "skull": ["skull", "skull_diploe"], "grey_matter": inner}  # the rest counts as muscle
surfaces = em.SurfaceBody.from_phantom(head, layers, size_m=0.01)
found, voxels = em.Bem().solve(surfaces, source), em.Quasistatic().solve(head, source)
skin = np.linalg.norm(found.E_on_surface("muscle")[0], axis=0)
plt.hist(skin, 60, density=True, histtype="step", label=f"just inside the skin, {surfaces.triangles} triangles")
plt.hist(np.linalg.norm(voxels.E[0], axis=0), 60, density=True, histtype="step", label="voxels of 5 mm")
plt.legend(), plt.xlabel("E [V/m per T/m/s]"), plt.ylabel("share")

# sphinx_gallery_thumbnail_path = "images/gallery/43_surfaces_beside_voxels.png"
