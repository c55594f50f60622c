"""
What if the conductivity is different?
======================================

Tissue properties are known to perhaps 10 %. Models are values, so a changed tissue is a new head, and two answers
can stand side by side: here the grey matter conducts 20 % less or more, at the same B1+ in the centre.
"""

# %%
# The whole script:

import emdose as em

head = em.phantoms.layered_head(spacing_m=8e-3)
sigma = em.tissues.get("grey_matter").conductivity(127.74e6)
for factor in (0.8, 1.0, 1.2):
    changed = head.with_tissue("grey_matter", conductivity_S_m=factor * sigma)
    exposure = em.Exposure(changed, em.Birdcage(), frequency_Hz=127.74e6)
    fields = em.Vie().solve(exposure).drive("quadrature").scale(b1plus_rms_T=2e-6)
    sar = em.point_sar(fields, changed)
    grey = next(row.sar_W_kg for row in em.tissue_sar(sar, changed) if row.tissue == "grey_matter")
    print(f"conductivity x {factor}: head {em.whole_body_sar(sar):.3f} W/kg, grey matter {grey:.3f} W/kg")

# sphinx_gallery_thumbnail_path = "images/gallery/04_what_if_tissue.png"
