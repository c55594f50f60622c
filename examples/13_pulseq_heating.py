"""
Heating by a Pulseq sequence
============================

The gradients of a ``.seq`` file, the field that they make where the implant lies, and the average power in its metal.
The first lines write a short train of readout lobes with pypulseq: yours begins at ``read_sequence``.
"""

import pypulseq

import emdose as em

system = pypulseq.Opts(max_grad=40, grad_unit="mT/m", max_slew=180, slew_unit="T/m/s")
sequence = pypulseq.Sequence(system)
for sign in [1, -1] * 16:
    sequence.add_block(pypulseq.make_trapezoid("x", area=sign * 400, duration=0.8e-3, system=system))
sequence.write("train.seq")

wave = em.read_sequence("train.seq")
coils = em.GradientSet()  # ideal gradients; read_gradient_coil reads wires
rod = em.implants.cylinder(7e-3, 120e-3, "Ti6Al4V", axis="x")
eddy = em.EddyCurrent(spacing_m=1e-3, engine="voxel")
power = eddy.solve(rod, frequencies_Hz=[500, 2e3, 8e3], sources="uniform+linear")  # the field varies over the rod
spectrum = wave.harmonics(max_frequency_Hz=8e3).through(coils.matrix((0.10, 0.05, 0.20)))
print(f"{len(spectrum.frequencies_Hz)} harmonics hold {100 * (1 - spectrum.dropped):.0f} % of the square of dB/dt")
print(f"average power in the rod: {1e3 * power.average_power(spectrum):.2f} mW")

# sphinx_gallery_thumbnail_path = "images/gallery/13_pulseq_heating.png"
