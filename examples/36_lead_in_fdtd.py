"""
A lead in the time domain, beside the moment method
===================================================

An insulated lead with a bare tip winds through gel under a plane wave. `Fdtd` has it as a thin wire that follows no
grid line; the moment method takes the field along it that `Fdtd` finds without it. What is left between them, some
5 %, is the box, which the moment method takes for endless.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt
import numpy as np

import emdose as em

body, f = em.phantoms.gel_box(10e-3, (0.24, 0.24, 0.4)), 127.74e6
z = np.linspace(-0.1, 0.1, 41)
lead = em.Lead(np.column_stack([0.02 * np.sin(20 * z), 0 * z, z]), 0.5e-3, 0.75e-3, 3.0, bare_tip_m=20e-3)
wave = em.PlaneWave(direction=(1, 0, 0), polarisation=(0, 0, 1))
without, fields = (em.Fdtd().solve(em.Exposure(body, wave, f, leads=leads)) for leads in ((), (lead,)))
found, along = fields.lead_currents["lead"], em.tangential_E(without, lead)
expected = em.lead_in_medium(lead, f, 80, 0.47).along(along.distance_m, along.E)
plt.plot(1e3 * found.distance_m, 1e3 * np.abs(found.current_A[0]), "o", label="Fdtd, cells of 10 mm")
plt.plot(1e3 * expected.distance_m, 1e3 * np.abs(expected.current_A[0]), label="moment method")
plt.legend(title="current [mA per V/m] over the distance from the tip [mm]")

# sphinx_gallery_thumbnail_path = "images/gallery/36_lead_in_fdtd.png"
