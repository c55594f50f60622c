"""
Bring your own body: a label file and a table
=============================================

Any segmentation works: a NIfTI file of labels and a table that says what each label is. Here both are made on the spot,
for a calf with a bone; then a surface loop at 1.5 T lies on it.
"""

# %%
# The whole script:

from pathlib import Path

import emdose as em
from emdose.io import write_volume

calf = em.phantoms.cylinder(radius_m=0.055, length_m=0.2, spacing_m=5e-3, tissue="muscle")
x, y, _ = calf.grid.centre_points()
labels = calf.labels + ((x - 0.01) ** 2 + (y + 0.01) ** 2 < 0.015**2)  # 1 muscle, 2 bone
write_volume("calf.nii.gz", labels, calf.grid)
Path("calf.csv").write_text("label,tissue\n0,air\n1,muscle\n2,cortical_bone\n")

leg = em.read_phantom("calf.nii.gz", tissues="calf.csv")
loop = em.Loop(radius_m=0.04, centre_m=(0.0, 0.075, 0.0), normal=(0.0, 1.0, 0.0))
fields = em.Vie().solve(em.Exposure(leg, loop, frequency_Hz=63.87e6)).drive("unit").scale(absorbed_power_W=1.0)
average = em.mass_average(em.point_sar(fields, leg), leg.density, leg.spacing_m, mass_kg=10e-3)
print(f"peak 10 g SAR {average.value.max():.1f} W/kg per absorbed watt")
em.check(fields, leg, coil_type="local", patient_mass_kg=75, extremities=leg.body).print()

# sphinx_gallery_thumbnail_path = "images/gallery/05_own_body.png"
