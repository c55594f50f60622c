"""
EPTlib and emdose side by side
==============================

The same map and the same settings, reconstructed by EPTlib (when ``EPTlib_app`` is installed) and by emdose. Plain
Helmholtz is the same filter in both; the fit inside each tissue is what EPTlib does not have.
"""

import numpy as np

import emdose as em
from emdose.validation import closed_forms

cylinder = closed_forms.LayeredCylinder([0.03, 0.055], [52, 73], [0.34, 0.60], 127.74e6)
grid = em.Grid((60, 60, 16), 2e-3)
x, y, _ = np.broadcast_arrays(*grid.centre_points())
transmit, receive = cylinder.transmit_and_receive(x, y)
layer, data = cylinder.layer(x, y), {"magnitude": np.abs(transmit), "phase": np.angle(transmit * receive)}
b1 = em.ept.B1Map(grid=grid, frequency_Hz=127.74e6, **data, mask=layer < 2, labels=layer)
settings = em.eptlib_bridge.Settings(size=(3, 3, 3), shape="cuboid")
maps = {"emdose, as EPTlib": settings.native(b1).reconstruct(b1), "emdose": em.ept.Helmholtz(radius=3).reconstruct(b1)}
try:
    maps["EPTlib"] = em.eptlib_bridge.reconstruct(b1, settings)
except em.eptlib_bridge.EptlibError as error:
    print(f"EPTlib is left out: {error}")
for name, found in maps.items():
    off = np.abs(found.conductivity / cylinder.properties(x, y)[0] - 1)[b1.mask & found.valid]
    print(f"{name:18} {found.valid[b1.mask].mean():4.0%} of the voxels, median error {np.median(off):.1%}")

# sphinx_gallery_thumbnail_path = "images/gallery/ept_beside_eptlib.png"
