"""
From a lead to a percentile
===========================

The power that the tip of a pacing lead delivers, over 500 places where it may lie in an adult in the body coil of a
1.5 T scanner: tier 3 of ISO/TS 10974 in seconds, once the body is solved without the lead.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

body, f = em.phantoms.stylised_adult(spacing_m=10e-3), 63.87e6
coil = em.Birdcage(rungs=16, radius_m=0.32, length_m=0.60)
fields = em.Vie().solve(em.Exposure(body, coil, f)).drive("quadrature").scale(b1plus_rms_T=2.8e-6)
path = np.array([[-40, 30, -50], [20, 20, 30], [20, 20, 100], [-20, 30, 125], [-80, 50, 125], [-110, 50, 60]]) * 1e-3
lead = em.Lead(path, 0.5e-3, 0.9e-3, conductivity_S_m=1e6, bare_end_m=0.02)
tf = em.transfer_function(lead, f, 80, 0.47, quantity="tip power", tip_ball_m=1.5e-3)
found = em.tier3(tf, fields, em.paths_around(lead, 500, 8e-3, tip_spread_m=5e-3, phantom=body))
budget = em.tier3_budget(tf, fields, lead, magnitude=0.05, phase_rad=0.05, field=0.1, place_m=3e-3, phantom=body)
plt.hist(1e3 * found.quantity[:, 0], 30)
plt.axvline(1e3 * found.percentile(95), color="k", label="95th percentile")
plt.xlabel(f"power at the tip [mW]; nominal path {1e3 * budget.value:.0f} ± {1e3 * budget.expanded:.0f} mW")
plt.legend()

# sphinx_gallery_thumbnail_path = "images/gallery/35_lead_tier3.png"
