"""
A head, and what is not known about it
======================================

Conductivities, the place of the head and the drive of the coil are uncertain: polynomial chaos says how sure the 10 g
SAR is, and which input is to blame. Voxels of 10 mm and four inputs take seconds; ``emdose demo head-3t-uncertainty``
has 5 mm, 17 inputs and 64 samples, and maps of the standard deviation.

.. image:: /images/head_3t_uncertainty.png
   :alt: Density of the 10 g SAR, shares of its inputs, and a map of its relative standard deviation
"""

# %%
# The whole script:

from pathlib import Path

import matplotlib.pyplot as plt

import emdose as em
from emdose import scenarios

text = scenarios.bundled("head-3t-uncertainty").read_text(encoding="utf-8").partition("[uncertainty]")[0]
Path("head.toml").write_text(text.replace("5e-3", "10e-3"), encoding="utf-8")
study = em.Study("head.toml").vary("phantom.translate_m[2]", em.Normal(sd=10e-3), name="head upwards")
for tissue in ("muscle", "white_matter"):
    study = study.vary(f"phantom.tissues.{tissue}.conductivity_S_m", em.LogNormal(relative=0.1), name=tissue)
result = study.vary("drive.amplitudes[1]", em.Normal(relative=0.05), name="port 2").run(["psSAR10g"], runs=12)
print(f"{result.mean['psSAR10g']:.3g} W/kg, sd of the inputs {result.std['psSAR10g']:.2g}.", result.words("psSAR10g"))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.hist(result.draws[0][:, 0], 60, density=True)
right.barh(*zip(*result.sobol["psSAR10g"]["total"].items(), strict=True))
figure.savefig("head_uncertainty.png")

# sphinx_gallery_thumbnail_path = "images/gallery/20_head_uncertainty.png"
