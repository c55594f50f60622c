"""
Conductivity from your NIfTI maps
=================================

B1+ magnitude, transceive phase and a segmentation go in as NIfTI; conductivity, permittivity, their uncertainties and
flags come out as NIfTI with the same affine. The first lines write the maps of a two-layered cylinder (closed form), so
that the script runs without a scanner: yours begins at ``read_b1``.
"""

import numpy as np

import emdose as em
from emdose.io import write_volume
from emdose.validation import closed_forms as exact

grid, cylinder = em.Grid((60, 60, 16), 2e-3), exact.LayeredCylinder([0.03, 0.055], [52, 73], [0.34, 0.60], 127.74e6)
x, y, _ = np.broadcast_arrays(*grid.centre_points())
transmit, receive = cylinder.transmit_and_receive(x, y)
volumes = {"b1": np.abs(transmit), "phase": np.angle(transmit * receive), "seg": 2 - cylinder.layer(x, y)}
for name, volume in volumes.items():  # seg: 2 inside, 1 around it, 0 air
    write_volume(f"{name}.nii", volume, grid)

b1 = em.read_b1("b1.nii", "phase.nii", mask="seg.nii", segmentation="seg.nii", frequency_Hz=127.74e6, noise=0.01)
maps = em.ept.Helmholtz(kernel="cuboid", radius=3).reconstruct(b1)
em.write_property_map("ept.nii.gz", maps)  # ept_conductivity.nii.gz, ept_u_conductivity.nii.gz, ...
mean = maps.region_mean(b1.labels == 2)
print(f"{mean.conductivity:.3f} S/m, U(k=2) {2 * mean.u_conductivity:.3f}; permittivity {mean.permittivity:.1f}")

# sphinx_gallery_thumbnail_path = "images/gallery/06_ept_nifti.png"
