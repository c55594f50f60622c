"""
One run, many files
===================

Fields that Python has solved become the same run that a scenario makes: numbers with their uncertainty, limits and how
far to trust them. The run writes its page, a folder for every command, and files for ParaView, 3D Slicer and a table.
"""

# %%
# A coil around a head, solved and scaled, then all that follows from it:

import emdose as em

head = em.phantoms.layered_head(spacing_m=10e-3)
exposure = em.Exposure(head, em.Birdcage(16, radius_m=0.15, length_m=0.20), 127.74e6)
fields = em.Vie(tolerance=1e-3).solve(exposure).drive("quadrature").scale(b1plus_rms_T=2e-6)
run = em.evaluate(exposure, fields, name="my head", patient_mass_kg=75.0)
print(run)

# %%
# Its files:

run.save("my-head").report()  # a folder for emdose check and compare, and its page
run.to_vti("maps.vti")
run.to_nifti("nifti", ["SAR_10g", "abs_B1plus"])
run.to_csv("tables")
run.figure("axial").savefig("sar.png")

# %%
# The same with models in the tables of a scenario, which the run keeps as files, so that it can be run again:

tables = {"scenario": {"kind": "rf", "name": "again"}, "phantom": head, "coil": exposure.coil, "solver": em.Vie(1e-3)}
tables |= {"exposure": {"frequency_Hz": 127.74e6}, "normalise": {"b1plus_rms_T": 2e-6}}
again = em.run_scenario(tables, "again").result
print(em.compare(run, again)["psSAR10g"].judged)

# sphinx_gallery_thumbnail_path = "images/gallery/23_one_run_many_files.png"
