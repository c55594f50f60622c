"""
A body in echo-planar imaging
=============================

Kind ``body-gradient`` in Python: a stylised adult, heart in the isocentre of whole-body coils, echo-planar imaging read
out along each axis. The largest E over each train, seen from the front, under the factor with which its amplitude
just passes in normal mode: the least of what nerves and the heart allow. Voxels of 12 mm leave E uncertain by as much
as it is, and say so; ``emdose demo gradient-pns`` is the same at 5 mm, with a page.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

# Skin below 1 kHz; Gabriel's dry skin all but insulates.
body = {"type": "stylised-adult", "spacing_m": 12e-3, "tissues": {"skin": {"conductivity_S_m": 0.43}}}
train = {"type": "epi", "gradient_T_m": 20e-3, "slew_T_m_s": 80.0, "echo_spacing_s": 0.8e-3}
trains = {axis: train | {"readout": axis, "phase": "yzx"["xyz".index(axis)]} for axis in "xyz"}
tables = {"scenario": {"kind": "body-gradient", "name": "EPI"}, "phantom": body, "exposures": trains}
run = em.run_scenario(tables | {"gradients": {"type": "whole-body", "position_m": [0, 0, 0]}}, "epi").result
print(run)
figure, axes = plt.subplots(1, 3, layout="constrained", sharey=True)
for plot, (name, E) in zip(axes, run.peaks.items(), strict=True):
    shown = plot.imshow(np.nan_to_num(E).max(axis=1).T, origin="lower", cmap="magma", vmax=5)
    least = run.summary["quantities"][f"{name}: factor that just passes, normal"]["value"]
    plot.set_title(f"read out along {name}:\npasses times {least:.2f}"), plot.axis("off")
figure.colorbar(shown, ax=axes, label="largest |E| along y [V/m]")

# sphinx_gallery_thumbnail_path = "images/gallery/50_body_in_an_epi.png"
