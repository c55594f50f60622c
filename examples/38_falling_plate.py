"""
A plate that falls slowly
=========================

A plate of aluminium, upright in a magnet of 1.5 T and let go, takes three quarters of a minute to lie down: eddy
currents brake what moves. The equation of motion takes the tensor of zero frequency; half the field is a quarter of
the time.
"""

# %%
# The whole script:

import math

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

side, thick, density = 0.3, 0.01, 2700.0
mass = density * side**2 * thick
tensor = np.diag([0.0, 71.167, 0.0])  # sigma t J / 4 of the plate, across its face [W/(T/s)^2]
hinge = {"hinge": (1, 0, 0), "inertia_kg_m2": mass * side**2 / 3, "weight_torque_N_m": 0.5 * mass * 9.81 * side}
for B, name in (((0, 1.5, 0), "1.5 T across the plate"), ((0, 0.75, 0), "0.75 T"), ((0, 0, 1.5), "1.5 T along it")):
    fall = em.mechanics.hinged_fall(tensor, B, **hinge, start_rad=math.radians(5))
    print(f"{name}: {fall.time_s:.1f} s, energy balanced to {fall.energy_error:.1e}")
    plt.plot(fall.times_s, np.degrees(fall.angles_rad), label=name)
plt.legend(), plt.xlabel("time [s]"), plt.ylabel("angle from upright [degree]")

# sphinx_gallery_thumbnail_path = "images/gallery/38_falling_plate.png"
