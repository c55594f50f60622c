"""
One cage, two engines
=====================

The metal of a shielded cage as triangles beside a ball of voxels (Vsie), and as edges of one grid for all (Fdtd), both
without loss. Each engine tunes and matches the cage by its own network; B1+ per square root of watt side by side.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt

import emdose as em

ball, f = em.phantoms.sphere(radius_m=0.06, spacing_m=10e-3), 127.74e6
cage = em.CircuitBirdcage(rungs=8, radius_m=0.10, length_m=0.12, strip_width_m=0.01, shield_radius_m=0.13)
pattern, b1 = em.tune(cage, f).pattern(), {}
pictures, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharey=True)
for (name, engine), ax in zip({"Vsie": em.Vsie(conductivity_S_m=None), "Fdtd": em.Fdtd()}.items(), axes, strict=True):
    tuned = engine.cosimulate(em.Exposure(ball, cage, f), [f]).tune(pattern=pattern)
    fields = tuned.with_circuit(em.match(tuned.network, tuned.circuit, f).circuit).fields().drive("quadrature")
    b1[name] = 1e6 * abs(fields.scale(input_power_W=1.0).b1plus()[0])
    image = ax.imshow(b1[name][:, :, 6].T, origin="lower", vmin=2, vmax=4)
    ax.set_title(f"{name}, tuned by {1e12 * tuned.coil.elements[0].capacitance_F:.1f} pF")
pictures.colorbar(image, ax=axes, label="B1+ [µT/√W]")

# sphinx_gallery_thumbnail_path = "images/gallery/28_vsie_beside_fdtd.png"
