"""
Your own plate and your own sequence
====================================

The surface of a bone plate as STL and the gradients of a Pulseq file: here both are made on the spot. What Python holds
goes into the tables of a scenario as it is, and lands beside the run as files, so that both ways give the same numbers.
By itself the scenario is this text, run by ``emdose run plate.toml``::

    scenario = {kind = "implant-gradient", name = "own plate"}
    implant = {type = "file", file = "plate.stl", unit = "mm", metal = "Ti6Al4V"}
    phantom = {type = "gel-box", spacing_m = 5e-3}
    solver = {spacing_m = 0.7e-3, frequencies_Hz = [500, 2e3, 8e3, 20e3]}
    gradients = {type = "ideal", position_m = [0.10, 0.05, 0.20]}
    exposures = {train = {type = "pulseq", file = "train.seq", duration_s = 300}}
    thermal = {spacing_m = 4e-3}
"""

# %%
# The whole script; its first lines make the two files, which you have already:

import pypulseq
import trimesh

import emdose as em

trimesh.creation.box((80.0, 14.0, 4.0)).export("plate.stl")
sequence = pypulseq.Sequence()
for sign in [1, -1] * 16:
    sequence.add_block(pypulseq.make_trapezoid("x", area=sign * 400, duration=0.8e-3))
sequence.write("train.seq")

tables = {"scenario": {"kind": "implant-gradient", "name": "own plate"}, "phantom": em.phantoms.gel_box(5e-3)}
tables |= {"implant": em.read_implant("plate.stl", metal="Ti6Al4V", unit="mm"), "thermal": {"spacing_m": 4e-3}}
tables |= {"solver": {"spacing_m": 0.7e-3, "frequencies_Hz": [500, 2e3, 8e3, 20e3]}}
tables |= {"gradients": {"type": "ideal", "position_m": [0.10, 0.05, 0.20]}}
tables |= {"exposures": {"train": {"type": "pulseq", "file": "train.seq", "duration_s": 300}}}
run = em.run_scenario(tables, "plate").result
print(run, run.report(), run.to_csv("plate/tables"), run.to_vti("plate/all.vti"), run.to_nifti("plate/maps"))

# sphinx_gallery_thumbnail_path = "images/gallery/27_own_plate.png"
