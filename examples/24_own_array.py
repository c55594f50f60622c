"""
Your own array around your own head, at three field strengths
=============================================================

A segmented head as NIfTI with its table of labels, and a table of wires with a port for each of eight loops: here both
are made on the spot. Each field strength ends in a page, maps for ParaView and for a NIfTI viewer, and tables. The same
job as a scenario, run by ``emdose run array.toml``, gives the same numbers::

    scenario = {kind = "rf", name = "own array"}
    phantom = {type = "file", file = "head.nii.gz"}
    coil = {type = "segments", file = "array.csv"}
    exposure = {frequency_Hz = 127.74e6}
    drive = {name = "circular"}
    normalise = {b1plus_rms_T = 1e-6, over = "slice"}
    checks = {coil_type = "array", patient_mass_kg = 75}
"""

# %%
# The whole script:

import emdose as em

em.write_phantom(em.phantoms.layered_head(spacing_m=9e-3), "head.nii.gz")
em.write_coil(em.LoopArray(8, radius_m=0.15, length_m=0.16), "array.csv")

head, array = em.read_phantom("head.nii.gz"), em.read_coil("array.csv")
for tesla, MHz in ((1.5, 63.87), (3, 127.74), (7, 298.0)):
    exposure = em.Exposure(head, array, frequency_Hz=MHz * 1e6)
    fields = em.Vie().solve(exposure).drive("circular").scale(b1plus_rms_T=1e-6, over="slice")
    run = em.evaluate(exposure, fields, name=f"{tesla} T", coil_type="array", patient_mass_kg=75)
    run = run.save(f"{tesla} T")
    run.report()
    run.to_vti(f"{tesla} T/all.vti")
    run.to_nifti(f"{tesla} T/maps")
    run.to_csv(f"{tesla} T/tables")
    print(f"{tesla} T: peak 10 g SAR {run.quantities['psSAR10g']['value']:.2f} W/kg at 1 µT")

# sphinx_gallery_thumbnail_path = "images/gallery/24_own_array.png"
