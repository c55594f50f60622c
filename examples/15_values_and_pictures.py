"""
Values: look at them, and take them elsewhere
=============================================

What a solver returns cannot be changed by accident. It says in a few lines what it holds, is drawn through its peak,
and goes to xarray with coordinates in metres and units.
"""

# %%
# The whole script:

import emdose as em

head = em.phantoms.layered_head(spacing_m=10e-3)
exposure = em.Exposure(head, em.Birdcage(16, radius_m=0.15, length_m=0.20), 127.74e6)
fields = em.Vie(tolerance=1e-3).solve(exposure).drive("quadrature").scale(b1plus_rms_T=2e-6)
sar = em.point_sar(fields, head)
print(sar)

# %%
# Three slices through the peak, then B1+ in one plane:

em.plot(sar).savefig("sar.png")
em.plot(fields, "b1plus", axis="z", at_m=0.0).savefig("b1plus.png")

# %%
# A profile along z with its coordinate in metres:

profile = em.to_xarray(fields, ["b1plus"])["b1plus"].isel(port=0).sel(x=0.0, y=0.0, method="nearest")
print(abs(profile).max().item(), profile.attrs["units"])

# sphinx_gallery_thumbnail_path = "images/gallery/15_values_and_pictures.png"
