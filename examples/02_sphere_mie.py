"""
How good is it? A sphere against Mie's series
=============================================

A sphere of 10 cm radius in a plane wave has a closed form. The solver meets it on ever finer voxels: what is left is
the staircase, and it shrinks with the voxels.
"""

# %%
# The whole script:

import emdose as em
from emdose.validation import closed_forms

frequency_Hz = 128e6
tissue = em.Tissue("test tissue", 1000.0, em.tissues.Constant(50.0, 0.6))
exact = closed_forms.Sphere([0.10], [tissue.complex_permittivity(frequency_Hz)], frequency_Hz).power()["absorption"]
for spacing_m in (0.02, 0.01, 0.005):
    sphere = em.phantoms.sphere(0.10, spacing_m, tissue=tissue)
    fields = em.Vie().solve(em.Exposure(sphere, em.PlaneWave(), frequency_Hz))
    absorbed = fields.power.power()["absorbed_W"]
    print(f"{1e3 * spacing_m:4.0f} mm: {1e6 * absorbed:.3f} µW, Mie {1e6 * exact:.3f} µW, {absorbed / exact - 1:+.2%}")

# sphinx_gallery_thumbnail_path = "images/gallery/02_sphere_mie.png"
