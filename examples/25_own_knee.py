"""
Your own knee in your own cage
==============================

A segmented knee as NIfTI and a cage of wires from a table of points, as a drawing gives them: two rings and eight rungs
with the currents of a homogeneous mode, one port for each direction. The knee is an extremity, whose local limits are
higher. The same job as a scenario gives the same numbers::

    scenario = {kind = "rf", name = "own knee"}
    phantom = {type = "file", file = "knee.nii.gz"}
    coil = {type = "segments", file = "cage.csv", unit = "mm", shield_radius_m = 0.13}
    exposure = {frequency_Hz = 127.74e6}
    drive = {name = "circular"}
    normalise = {b1plus_rms_T = 2e-6}
    checks = {coil_type = "local", patient_mass_kg = 75, extremities_z_m = [-1, 1]}
"""

# %%
# The whole script:

import emdose as em

em.write_phantom(em.phantoms.knee(spacing_m=8e-3), "knee.nii.gz")
em.write_coil(em.Birdcage(8, radius_m=0.1, length_m=0.16), "cage.csv")

knee = em.read_phantom("knee.nii.gz")
cage = em.read_coil("cage.csv", unit="mm", shield=em.Shield(0.13, 0.24))
exposure = em.Exposure(knee, cage, frequency_Hz=127.74e6)
fields = em.Vie().solve(exposure).drive("circular").scale(b1plus_rms_T=2e-6)
run = em.evaluate(exposure, fields, coil_type="local", patient_mass_kg=75, extremities_z_m=[-1, 1])
run = run.save("own knee")
run.report()
run.to_vti("own knee/all.vti")
run.to_nifti("own knee/maps")
run.to_csv("own knee/tables")
print(f"peak 10 g SAR {run.quantities['psSAR10g']['value']:.3f} W/kg at 2 µT in {run.quantities['psSAR10g']['tissue']}")

# sphinx_gallery_thumbnail_path = "images/gallery/25_own_knee.png"
