"""
Nerves and an EPI
=================

The response of peripheral nerves to a train of echo-planar imaging, by the nerve impulse response model, and the slew
rate of each axis that just passes. The threshold is that of the mean volunteer; normal mode ends at 80 % of it. No
public source of these numbers was the standard itself: every row of the table says what is known of it.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt

import emdose as em

train = em.waveforms.epi(gradient_T_m=20e-3, slew_T_m_s=80.0, echo_spacing_s=0.8e-3, echoes=8, repetition_s=0.012)
checks = em.check_gradients(train, coil_type="whole-body")
print(checks)
for mode, passes in checks.inputs["passes"].items():
    print(f"{mode}: just passes as played times {passes['as played']['factor']:.2f}")
response = em.NerveModel().response(train)
figure, (top, low) = plt.subplots(2, sharex=True, layout="constrained")
top.plot(1e3 * train.times_s, 1e3 * train.value(train.times_s), label=["x", "y", "z"][: train.axes])
top.set_ylabel("gradient [mT/m]"), top.legend(loc="right")
low.plot(1e3 * response.times_s, 100 * response.combined)
low.axhline(80, ls="--", color="grey"), low.set(xlabel="time [ms]", ylabel="nerve response [%]")

# sphinx_gallery_thumbnail_path = "images/gallery/42_nerves_and_an_epi.png"
