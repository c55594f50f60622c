"""
A head in switched gradients
============================

What 200 T/m/s on each axis induce in a layered head at 20 cm from the isocentre, and the voxels that see most. The
maximum is that of steps of the skin; the 99th percentile is what a voxel body is good for.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em
from emdose.models import IdealGradient

head = em.phantoms.layered_head(5e-3).translate((0, 0, 0.2))
induced = em.Quasistatic().solve(head, [em.Switched(IdealGradient(axis)) for axis in "xyz"])
print(f"power against work of the source: {induced.balance.max():.1e}, residual {induced.residual.max():.1e}")
for name, E in zip("xyz", 200 * induced.E, strict=True):
    size = np.linalg.norm(E, axis=0)
    print(f"{name}: maximum {size.max():.2f} V/m, 99th percentile {np.percentile(size, 99):.2f} V/m")
size = np.linalg.norm(induced.combined([200, 200, 200]), axis=0)
plt.imshow(induced.map(size)[head.grid.shape[0] // 2].T, origin="lower", cmap="magma", aspect="equal")
plt.colorbar(label="|E| of all three [V/m]"), plt.axis("off")

# sphinx_gallery_thumbnail_path = "images/gallery/39_head_in_a_gradient.png"
