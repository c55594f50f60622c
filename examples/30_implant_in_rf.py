"""
An implant in the RF field
==========================

A titanium rod in gel, in the field of a body coil: SAR averaged without and with the metal, how much metal the peak
cube holds, and the power in the metal itself.
"""

import emdose as em
from emdose.dosimetry import average_peak, averaging_plan

gel, rod = em.phantoms.gel_box(4e-3, (0.10, 0.06, 0.12)), em.implants.cylinder(6e-3, 60e-3, "Ti6Al4V", (0.03, 0, 0))
coil = em.Birdcage(rungs=16, radius_m=0.30, length_m=0.60)
found = {}
for name, implants in (("without", []), ("with", [rod])):
    exposure = em.Exposure(gel, coil, frequency_Hz=63.87e6, implants=implants)
    fields = em.Vie().solve(exposure).drive("quadrature")
    sar, metal = em.point_sar(fields, exposure.tissue), getattr(fields.metal, "metal", None)
    found[name] = average_peak(averaging_plan(sar.density, 4e-3, 1e-3, metal=metal), sar, exposure.tissue)
ratio, cube = found["with"].value / found["without"].value, found["with"].cube
print(f"1 g SAR with the rod over that without: {ratio:.2f}; {cube.metal_share:.0%} of the peak cube is metal")
power = em.metal_power(fields)
print(f"power in the metal over that in the gel: {power.power_W / sar.power_W():.2%}")

# sphinx_gallery_thumbnail_path = "images/gallery/30_implant_in_rf.png"
