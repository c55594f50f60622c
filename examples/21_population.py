"""
SAR over a population
=====================

Stylised adults by mass and stature, which move together, in a body coil at two landmarks: at each the spread of the
whole-body SAR at 1 µT B1+rms, from the bodies themselves. Voxels of 20 mm, no shield and four bodies at a landmark take
seconds; ``emdose demo population`` has 15 mm, a shield and many, with percentiles and what so few bodies leave open of
them.

.. image:: /images/population.png
   :alt: Whole-body, head and 10 g SAR of many bodies by landmark
"""

# %%
# The whole script:

from pathlib import Path

import matplotlib.pyplot as plt

import emdose as em
from emdose import scenarios

text = scenarios.bundled("population").read_text(encoding="utf-8").partition("[uncertainty]")[0]
Path("adult.toml").write_text(text.replace("15e-3", "20e-3").replace("shield_", "# "), encoding="utf-8")
mass = em.TruncatedNormal(mean=80.0, sd=19.0, low=45.0, high=120.0)
stature = em.TruncatedNormal(mean=1.69, sd=0.095, low=1.48, high=1.93)
study = em.Study("adult.toml").vary("phantom.mass_kg", mass, name="mass").vary("phantom.stature_m", stature, name="h")
study = study.correlate("mass", "h", 0.45).strata("phantom.landmark", ["heart", "pelvis"], name="landmark")
result = study.run(["whole_body_sar"], method="monte-carlo", runs=8)
for case in result.cases:
    print(f"{case.name}: {case.mean[0]:.3g} W/kg, sd {case.sd[0]:.2g} W/kg")
    plt.scatter(case.X[:, 0], case.Y[:, 0])
plt.savefig("population.png")

# sphinx_gallery_thumbnail_path = "images/gallery/21_population.png"
