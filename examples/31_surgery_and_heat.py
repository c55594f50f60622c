"""
Surgery, and heat of RF and gradients in one run
================================================

A stem of CoCrMo in bone, in 4 mm of cement. What made room is told, and one run of heat takes the RF power in tissue,
that in the metal, and the loss of switched gradients.
"""

import emdose as em
from emdose.solvers import PowerDensity

bone, stem = em.phantoms.cylinder(0.03, 0.10, 4e-3, "bone_cortical"), em.implants.cylinder(7e-3, 60e-3, "CoCrMo")
exposure = em.Exposure(bone, em.PlaneWave(), 63.87e6, [stem], surgery=em.Surgery(em.implants.ImplantShell(4e-3)))
print({row.reason: f"{1e3 * row.mass_kg:.1f} g of {row.tissue}" for row in exposure.implanted.replaced})
fields = em.Vie().solve(exposure).drive([1]).scale(whole_body_sar_W_kg=4.0)
sar, metal = em.point_sar(fields, exposure.tissue), em.metal_power(fields)
rf = {"tissue": PowerDensity(sar.value * sar.density, bone.grid, "tissue")}
rf["metal"] = PowerDensity(metal.density, bone.grid, "metal")
power, body = em.EddyCurrent(spacing_m=2e-3).solve(stem, 1000), exposure.implanted.refilled(bone)
heat = em.Bioheat().solve(body, stem, power, 600, frequencies_Hz=1000, rms_T_s=42, extra=rf)
both, alone = heat.worst()[0].rise_K, heat.worst(extra=False)[0].rise_K
print(f"RF and gradients {both:.2f} K, gradients alone {alone:.2f} K")

# sphinx_gallery_thumbnail_path = "images/gallery/31_surgery_and_heat.png"
