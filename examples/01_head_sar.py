"""
SAR of a head at 3 T, beside its limits
=======================================

A layered head in a 16-rung birdcage driven in quadrature at 127.74 MHz, scaled to 2 µT B1+rms: its mean SAR, the peak
10 g average, and the SAR limits of IEC 60601-2-33 with value, limit and margin.
"""

# %%
# The whole script:

import emdose as em

head = em.phantoms.layered_head(spacing_m=5e-3)
coil = em.Birdcage(rungs=16, radius_m=0.15, length_m=0.20)
exposure = em.Exposure(head, coil, frequency_Hz=127.74e6)
fields = em.Vie().solve(exposure).drive("quadrature").scale(b1plus_rms_T=2e-6)
sar = em.point_sar(fields, head)
average = em.mass_average(sar, head.density, head.spacing_m, mass_kg=10e-3)
print(f"head and neck {em.whole_body_sar(sar):.2f} W/kg, peak 10 g {average.value.max():.2f} W/kg")
print(f"power balance closes to {fields.power.power()['closure']:.1e}")
em.check(fields, head, coil=coil, patient_mass_kg=75).print()
em.evaluate(exposure, fields, patient_mass_kg=75).save("my-head").report()  # all of that with its U, on a page

# sphinx_gallery_thumbnail_path = "images/gallery/01_head_sar.png"
