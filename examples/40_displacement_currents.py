"""
Are displacement currents negligible when moving in the stray field?
====================================================================

Slow motion through the field of a magnet makes fields of about a hertz, where fat and marrow have relative
permittivities of some ten million. A limb of fat with muscle and marrow, none of them in the middle, turns once a
second in 1 T: its field is computed with sigma alone and with sigma + j w eps. They change it by some 0.1 % of its
largest value at 1 Hz, and by 0.8 % with the properties at 10 Hz: negligible in this body.
"""

# %%
# The whole script:

import warnings

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

warnings.simplefilter("ignore")  # the tissues' data say that they are poor at such frequencies
ball = em.implants.sphere(1.0, subdivisions=3).parts[0]
layers = (("fat", 0.1, 0.0), ("muscle", 0.07, 0.015), ("bone_marrow", 0.025, -0.01))
body = em.SurfaceBody([em.Interface(n, r * ball.vertices + [x, 0, 0], ball.triangles, n) for n, r, x in layers])
turn = em.RigidMotion(em.models.UniformField((0, 0, 1)), turn_rad_s=(2 * np.pi, 0, 0))
points, change = np.linspace([-0.095, 0.01, 0.01], [0.095, 0.01, 0.01], 60), {}
for f in (1.0, 10.0):
    plain, full = (em.Bem(displacement=d).solve(body, turn, f).E(points)[0] for d in (False, True))
    change[f] = 100 * np.linalg.norm(full - plain, axis=0) / np.linalg.norm(plain, axis=0).max()
    plt.plot(1e3 * points[:, 0], change[f], label=f"{f:g} Hz: up to {change[f].max():.2g} %")
plt.legend(), plt.xlabel("x [mm]"), plt.ylabel("change of E [% of its largest value]")

# sphinx_gallery_thumbnail_path = "images/gallery/40_displacement_currents.png"
