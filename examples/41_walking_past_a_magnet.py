"""
Walking past a magnet
=====================

An adult walks past the opening of a 3 T magnet at 1.3 m/s, 1.35 m from its isocentre. A dozen motions are solved for;
two hundred poses, and the same walk 10 cm further out, are their sums.
"""

# %%
# The whole script:

import matplotlib.pyplot as plt

import emdose as em

body, magnet = em.phantoms.stylised_adult(spacing_m=0.02), em.scanner_magnet(3.0)
walks = {d: em.movements.walk_past(body, distance_m=d) for d in (1.35, 1.45)}
answers = em.Moving().solve(body, magnet, walks[1.35], progress=False)
figure, (top, low) = plt.subplots(2, sharex=True, layout="constrained")
for distance, walk in walks.items():
    course = answers.along(walk)
    print(f"{distance} m: {course.largest_B_T.max():.2f} T, change within 3 s {course.change_of_B():.2f} T")
    top.plot(course.times_s, course.largest_dBdt_T_s, label=f"{distance} m from the isocentre")
    low.plot(course.times_s, 1e3 * course.percentiles([99.0])["muscle"][0], label=f"{distance} m")
top.legend(), top.set_ylabel("largest dB/dt [T/s]")
low.set(xlabel="time [s]", ylabel="E in muscle, 99th percentile [mV/m]")

# sphinx_gallery_thumbnail_path = "images/gallery/41_walking_past_a_magnet.png"
