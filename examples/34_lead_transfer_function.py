"""
A lead's transfer function
==========================

A coated lead of 50 cm with a bare tip in gel at 1.5 and 3 T: what a tangential field on each piece of it does at its
tip, by reciprocity and piece by piece, and the two waves that it is made of.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

lead = em.Lead(np.array([[0, 0, 0], [0.5, 0, 0]]), 0.5e-3, 0.9e-3, coat_permittivity=3.0, bare_tip_m=0.01)
found, waves = {}, {}
for field_T, frequency_Hz in {1.5: 63.87e6, 3.0: 127.74e6}.items():
    tf = em.transfer_function(lead, frequency_Hz, permittivity=80, conductivity_S_m=0.47)
    pieces = em.transfer_function(lead, frequency_Hz, 80, 0.47, method="piecewise", piece_m=0.01)
    found[field_T], waves[field_T] = (tf, pieces), em.fit_two_waves(tf)
    plt.plot(1e3 * tf.distance_m, 1e3 * abs(tf.values), label=f"{field_T} T, k = {waves[field_T].k_per_m:.2f} /m")
    plt.plot(1e3 * pieces.distance_m, 1e3 * abs(pieces.values), "k.", ms=3)
plt.xlabel("distance from the tip [mm]")
plt.ylabel("|S| [mA per V]")
plt.legend()

# sphinx_gallery_thumbnail_path = "images/gallery/34_lead_transfer_function.png"
