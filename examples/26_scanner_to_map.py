"""
From the scanner to a map
=========================

A gradient echo of three echoes, its phases in the steps of a scanner, and a map of abs(B1+), named as in BIDS, become
conductivity with its uncertainty. The first lines write what a scanner would: a two-layered cylinder in closed form,
with noise and an off-resonance of 26 to 54 Hz. Yours begins at ``read_b1``, which takes a folder of DICOM images just
so; with sidecars (JSON) it knows echo times and frequency by itself.
"""

import numpy as np

import emdose as em
from emdose.io import write_volume
from emdose.validation import closed_forms as exact

grid, cylinder = em.Grid((60, 60, 16), 2e-3), exact.LayeredCylinder([0.03, 0.055], [52, 73], [0.34, 0.60], 127.74e6)
(x, y, z), rng, times_s = np.broadcast_arrays(*grid.centre_points()), np.random.default_rng(1), (2e-3, 5e-3, 8e-3)
transmit, receive = np.where(cylinder.layer(x, y) < 2, cylinder.transmit_and_receive(x, y), 0)
write_volume("s_TB1map.nii", np.abs(transmit), grid)
for echo, t in enumerate(times_s, 1):
    image = transmit * receive * np.exp(2j * np.pi * (40 + 900 * z) * t) + rng.normal(0, 1e-3, (*z.shape, 2)) @ [1, 1j]
    write_volume(f"s_echo-{echo}_part-mag_MEGRE.nii", np.abs(image), grid)
    write_volume(f"s_echo-{echo}_part-phase_MEGRE.nii", np.rint(np.angle(image) * 4096 / np.pi), grid)

b1 = em.read_b1("s", echo_times_s=times_s, frequency_Hz=127.74e6, segmentation=2 - cylinder.layer(x, y), noise=5e-4)
mean = em.ept.Helmholtz(radius=4).reconstruct(b1).region_mean(b1.labels == 2)
print(*b1.notes, f"{mean.conductivity:.3f} S/m, U(k=2) {mean.expanded('conductivity'):.3f}", sep="\n")

# sphinx_gallery_thumbnail_path = "images/gallery/26_scanner_to_map.png"
