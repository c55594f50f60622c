"""
A birdcage tuned with its load
==============================

A small birdcage of copper and capacitors around a ball of tissue liquid: the network of its gaps, then its capacitance
and the matching of its feeds by circuit algebra.
"""

# %%
# The whole script:

import numpy as np

import emdose as em

ball = em.phantoms.sphere(radius_m=0.05, spacing_m=12.5e-3)
coil = em.CircuitBirdcage(rungs=4, radius_m=0.0875, length_m=0.1, gap_m=12.5e-3)
gaps = em.Vsie().cosimulate(em.Exposure(ball, coil, frequency_Hz=127.74e6))
tuned = gaps.tune(pattern=em.tune(coil, 127.74e6).pattern())
print(f"capacitance {1e12 * tuned.coil.elements[0].capacitance_F:.2f} pF")
print("modes [MHz]:", [round(m.frequency_Hz / 1e6, 2) for m in tuned.modes() if m.quality > 2])
matched = tuned.with_circuit(em.match(tuned.network, tuned.circuit, 127.74e6).circuit)
s = matched.s_parameters().at(127.74e6).s[0]
print("S at the frequency [dB]:", np.round(20 * np.log10(np.abs(s) + 1e-6), 1).tolist())
fields = matched.fields().drive("quadrature").scale(b1plus_rms_T=2e-6)
power = fields.power.power()
print(f"2 uT in the middle takes {power['extinction_W']:.3f} W, of which the coil loses {power['lost_W']:.3f} W")

# sphinx_gallery_thumbnail_path = "images/gallery/11_tuned_birdcage.png"
