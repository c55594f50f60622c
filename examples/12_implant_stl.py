"""
A hip prosthesis from its STL file
==================================

The surface of an implant goes in; the power that switched gradients leave in it, its worst orientation and how warm it
becomes in gel come out. The first lines write the surface of a parametric hip, so that the script runs by itself: yours
begins at ``read_implant``.
"""

import numpy as np

import emdose as em

files = em.write_implant(em.implants.hip(), "hip.stl", unit="mm")  # one file per part

hip = em.read_implant(files, metal="CoCrMo", unit="mm")
power = em.EddyCurrent(spacing_m=2.5e-3).solve(hip, frequencies_Hz=[270, 1000])
watt, along = power.worst(270, rms=42)
print(f"worst orientation at 270 Hz, 42 T/s rms: {watt:.1f} W, dB/dt along {np.round(along, 2)}")

gel = em.phantoms.gel_box(5e-3, (0.20, 0.16, 0.26)).translate(np.mean(hip.bounds_m, axis=0))
heat = em.Bioheat().solve(gel, hip, power, duration_s=600, frequencies_Hz=270, rms_T_s=42)
(spot, direction), (tissue, _) = heat.worst(), heat.worst(tissue_only=True)
print(f"after 10 min at most {spot.rise_K:.1f} K in {spot.tissue}, dB/dt along {np.round(direction, 2)}")
print(f"in tissue at most {tissue.rise_K:.1f} K")
print(f"along the direction of the largest power: 1 K after {heat.time_to(1.0, along):.0f} s")

# sphinx_gallery_thumbnail_path = "images/gallery/12_implant_stl.png"
