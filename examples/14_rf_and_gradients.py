"""
RF and gradients together
=========================

A titanium rod in gel, in the RF field of a body coil and in switched gradients: what each heats alone, and both.
The SAR is that of the gel without the rod: what the metal does to the RF field is not in it.
"""

import emdose as em

gel = em.phantoms.gel_box(10e-3, (0.20, 0.10, 0.30))
coil = em.Birdcage(rungs=16, radius_m=0.30, length_m=0.60)
fields = em.Vie().solve(em.Exposure(gel, coil, frequency_Hz=63.87e6))
sar = em.point_sar(fields.drive("quadrature").scale(whole_body_sar_W_kg=2.0), gel)

rod = em.implants.cylinder(8e-3, 80e-3, "Ti6Al4V", (0.05, 0, 0))
power = em.EddyCurrent(spacing_m=2e-3).solve(rod, frequencies_Hz=1000)
heat = em.Bioheat(spacing_m=5e-3).solve(
    gel, rod, power, duration_s=900, frequencies_Hz=1000, rms_T_s=42, extra={"RF": sar}
)
_, along = power.worst(1000)
alone = heat.peak(along, extra=False).rise_K, heat.extra["RF"].max()
both = heat.peak(along)
print(f"gradients {alone[0]:.2f} K, RF {alone[1]:.2f} K, both {both.rise_K:.2f} K in {both.tissue}")

# sphinx_gallery_thumbnail_path = "images/gallery/14_rf_and_gradients.png"
