"""
Your own plate and your own sequence
====================================

The surface of a bone plate as STL and the gradients of a Pulseq file: here both are made on the spot. What Python holds
goes into the tables of a scenario as it is, and lands beside the run as files, so that both ways give the same numbers.
By itself the scenario is this text, run by ``emdose run plate.toml``::

    scenario = {kind = "implant-gradient", name = "own plate"}
    implant = {type = "file", file = "plate.stl", unit = "mm", metal = "Ti6Al4V"}
    phantom = {type = "gel-box", size_m = [0.14, 0.06, 0.06], spacing_m = 5e-3}
    solver = {spacing_m = 0.7e-3, frequencies_Hz = [500, 2e3, 8e3, 20e3]}
    gradients = {type = "ideal", position_m = [0.10, 0.05, 0.20]}
    exposures = {train = {type = "pulseq", file = "train.seq", duration_s = 300}}
    thermal = {spacing_m = 4e-3}
"""

# %%
# The files: yours are there already.

import pypulseq
import trimesh

import emdose as em

trimesh.creation.box((80.0, 14.0, 4.0)).export("plate.stl")
system = pypulseq.Opts(max_grad=40, grad_unit="mT/m", max_slew=180, slew_unit="T/m/s")
sequence = pypulseq.Sequence(system)
for sign in [1, -1] * 16:
    sequence.add_block(pypulseq.make_trapezoid("x", area=sign * 400, duration=0.8e-3, system=system))
sequence.write("train.seq")

# %%
# What Python makes of them, and the run: power, rise and dose with their uncertainty, page, maps and tables.

plate = em.read_implant("plate.stl", metal="Ti6Al4V", unit="mm")
gel = em.phantoms.gel_box(5e-3, (0.14, 0.06, 0.06))
wave = em.read_sequence("train.seq")
print(f"{wave.name}: {wave.duration_s * 1e3:.1f} ms, plate of {plate.volume_m3 * 1e6:.2f} mL")

tables = {
    "scenario": {"kind": "implant-gradient", "name": "own plate"},
    "implant": plate,
    "phantom": gel,
    "solver": {"spacing_m": 0.7e-3, "frequencies_Hz": [500, 2e3, 8e3, 20e3]},
    "gradients": {"type": "ideal", "position_m": [0.10, 0.05, 0.20]},
    "exposures": {"train": {"type": "pulseq", "file": "train.seq", "duration_s": 300}},
    "thermal": {"spacing_m": 4e-3},
}
run = em.run_scenario(tables, "own plate").result
run.report()
run.to_vti("own plate/all.vti")
run.to_nifti("own plate/maps")
run.to_csv("own plate/tables")
print(run)

# sphinx_gallery_thumbnail_path = "images/gallery/27_own_plate.png"
