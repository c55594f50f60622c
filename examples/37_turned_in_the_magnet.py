"""
Turned in the magnet, and shaken by gradients
=============================================

The tensor that gives the power of eddy currents gives their torque too. A hip prosthesis is turned at 1 rad/s in 3
T, and an echo-planar train shakes it: the table sets forces and torques beside its weight, with their uncertainty,
and the picture shows which frequencies it vibrates at.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

hip, place_m = em.implants.hip(), (0.10, 0.0, 0.20)
solver = em.EddyCurrent(spacing_m=2.5e-3, engine="voxel")
rest = em.mechanics.tensor_at_rest(hip, solver)
moments = em.mechanics.moment_tensor(solver.solve(hip, [100, 600, 3000]), rest)
train = em.waveforms.epi(echoes=64, repetition_s=0.06)
rate = train.harmonics(max_frequency_Hz=3000).through(em.GradientSet().uniform_matrix(place_m))
torque = em.mechanics.gradient_torque(moments, rate, B0_T=(0, 0, 3.0))
at = em.mechanics.StaticFieldPoint(B_T=2.5, gradient_T_m=7.2)
for row in em.mechanics.force_table(hip, 3.0, moments=moments, force_at=at, torque=torque):
    print(f"{row.label}: {row.value:.3g} {row.unit}" + (f" +- {row.expanded:.2g}" if row.expanded else ""))
plt.stem(torque.frequencies_Hz, 1e3 * np.linalg.norm(torque.amplitudes, axis=1), markerfmt=" ")
plt.xlabel("frequency [Hz]"), plt.ylabel("torque of a harmonic, peak [mN m]")

# sphinx_gallery_thumbnail_path = "images/gallery/37_turned_in_the_magnet.png"
