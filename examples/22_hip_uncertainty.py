"""
A hip prosthesis, and what is not known about it
================================================

Metal, gel, pose, perfusion and field are uncertain: a budget says how sure the temperature rise is, and which input is
to blame. It takes no runs besides that of the scenario: powers follow from the power tensor, and heat is solved anew on
larger voxels. ``emdose demo hip-gradient-uncertainty`` is the same on finer voxels, and looks at every two inputs
together.

.. image:: /images/hip_gradient_uncertainty.png
   :alt: Bars of what each input contributes to the standard uncertainty of the temperature rise
"""

# %%
# The whole script:

from pathlib import Path

import matplotlib.pyplot as plt

import emdose as em
from emdose import scenarios

text = scenarios.bundled("hip-gradient-uncertainty").read_text(encoding="utf-8").replace("runs = 73", "runs = 7")
text = text.replace("2e-3\nduration", "8e-3\nduration").replace("spacing_m = 2e-3", "spacing_m = 3e-3")
Path("hip.toml").write_text(text, encoding="utf-8")
summary = em.run_scenario("hip.toml", "hip").summary
rise, budgets = summary["quantities"]["peak rise: sinusoid"], summary["uncertainty"]["budgets"]
budget = budgets["peak rise: sinusoid"]
print(f"{rise['value']:.3g} K, U = {rise['uncertainty']['expanded']:.2g} K (k = {budget['k']:.2g}).")
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.barh([r["source"] for r in budget["rows"]], [abs(r["contribution"]) for r in budget["rows"]])
axes.set_xlabel("contribution to the standard uncertainty of the rise [K]")
figure.savefig("hip_uncertainty.png")

# sphinx_gallery_thumbnail_path = "images/gallery/22_hip_uncertainty.png"
