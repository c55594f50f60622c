"""
A real anatomical head: the MNI152 maps of nilearn
==================================================

The grey and white matter maps that the nilearn wheel carries become a head of six tissues, which goes to disk as NIfTI
labels with their table and comes back as a body of your own would. The template has no face and no neck.
"""

from pathlib import Path

import nilearn

import emdose as em
from emdose.io import read_volume

folder = Path(nilearn.__file__).parent / "datasets" / "data"
white, grid = read_volume(folder / "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz")
grey, _ = read_volume(folder / "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz")
maps = {"white_matter": white / 255, "grey_matter": grey / 255}
made = em.phantoms.from_probability_maps(maps, grid, spacing_m=5e-3, name="MNI152 head")
em.write_phantom(made, "mni152_head.nii.gz")  # the labels, and their table mni152_head.csv

head = em.read_phantom("mni152_head.nii.gz", tissues="mni152_head.csv")
print(", ".join(f"{tissue} {mass:.2f} kg" for tissue, mass in head.tissue_mass().items()))
exposure = em.Exposure(head, em.Birdcage(rungs=16, radius_m=0.15, length_m=0.20), frequency_Hz=127.74e6)
fields = em.Vie().solve(exposure).drive("quadrature").scale(b1plus_rms_T=2e-6)
sar = em.point_sar(fields, head)
average = em.mass_average(sar, head.density, head.spacing_m, mass_kg=10e-3)
print(f"{head.mass_kg:.2f} kg: {em.whole_body_sar(sar):.2f} W/kg, peak 10 g {average.value.max():.2f} W/kg")

# sphinx_gallery_thumbnail_path = "images/gallery/real_head_mni152.png"
