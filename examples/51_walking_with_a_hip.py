"""
Walking up to a magnet with a hip
=================================

A scenario of kind `motion`, written in Python: an adult with a hip prosthesis walks up to a 3 T magnet. The run has the
field in tissue beside the metal without and with it, and torque and drag of the eddy currents that motion leaves in it.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt

import emdose as em

adult = {"type": "stylised-adult", "spacing_m": 0.008, "landmark": "pelvis"}
tables = {"scenario": {"kind": "motion", "name": "hip"}, "magnet": {"type": "scanner", "field_T": 3.0}}
tables["phantom"] = adult | {"tissues": {"skin": {"conductivity_S_m": 0.43}}}
tables["implant"] = {"type": "hip", "rotate_deg": [0, 0, 180], "position_m": [0.085, 0.0, -0.06]}
tables["trajectories"] = {"walk": {"type": "walk-up", "from_m": 2.6, "to_m": 1.1, "speed_m_s": 1.3}}
run = em.run_scenario(tables | {"solver": {"second_grid": False}}, progress=False).result
print({name: f"{v['value']:.3g} {v['unit']}" for name, v in run.quantities.items() if "metal" in name})
course, hip = run.courses["walk"], run.summary["motion"]["trajectories"]["walk"]["implant"]
figure, (top, low) = plt.subplots(2, sharex=True, layout="constrained")
top.plot(course["times_s"], course["dBdt_T_s"], color="C2"), top.set_ylabel("largest |dB/dt| [T/s]")
low.plot(hip["times_s"], [1e3 * v for v in hip["drag_N"]], label="drag [mN]")
low.plot(hip["times_s"], [1e3 * v for v in hip["torque_N_m"]], label="torque [mN m]")
low.legend(), low.set(xlabel="time [s]", ylabel="on the hip")

# sphinx_gallery_thumbnail_path = "images/gallery/51_walking_with_a_hip.png"
