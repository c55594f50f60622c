"""
Repeatability of a phantom, with its uncertainty budget
=======================================================

A homogeneous gel is scanned five times (simulated from the closed form, SNR 100, a temperature that nobody measures
exactly). The scatter of the five means is the type A part; what a repetition does not show is type B: temperature,
voxel size, the error of the method itself. They are combined as the *Guide to the expression of uncertainty in
measurement* (GUM) says: uncorrelated, in quadrature, expanded with k = 2.
"""

import math
from dataclasses import replace

import numpy as np

import emdose as em
from emdose.validation import closed_forms

FREQUENCY_HZ, SIGMA, PERMITTIVITY, SNR, SCANS = 127.74e6, 0.55, 76.0, 100.0, 5
PER_KELVIN = 0.02  # relative change of the conductivity of saline gels
grid = em.Grid((56, 56, 11), 2e-3)
x, y, _ = np.broadcast_arrays(*grid.centre_points())
method = em.ept.Helmholtz(kernel="cuboid", radius=4)
middle = np.hypot(x, y) < 0.03


def scan(off_kelvin: float, seed: int | None) -> em.ept.B1Map:
    """B1+ of the gel at a temperature off its nominal one; without a seed, without noise."""
    gel = closed_forms.LayeredCylinder([0.05], [PERMITTIVITY], [SIGMA * (1 + PER_KELVIN * off_kelvin)], FREQUENCY_HZ)
    transmit, receive = gel.transmit_and_receive(x, y)
    b1 = em.ept.B1Map(
        grid=grid,
        frequency_Hz=FREQUENCY_HZ,
        magnitude=np.abs(transmit),
        phase=np.angle(transmit * receive),
        mask=np.hypot(x, y) < 0.05,
    )
    if seed is not None:
        noise = np.random.default_rng(seed).standard_normal((2, *grid.shape)) / SNR
        b1 = replace(b1, magnitude=b1.magnitude * (1 + noise[0]), phase=b1.phase + noise[1])
    return em.ept.relative_noise(b1, 1 / SNR)


temperatures = np.random.default_rng(0).uniform(-0.3, 0.3, SCANS)
means = [method.reconstruct(scan(t, n)).region_mean(middle) for n, t in enumerate(temperatures)]
sigma = np.array([m.conductivity for m in means])
exact = method.reconstruct(scan(0.0, None)).region_mean(middle).conductivity

# Relative standard uncertainties of the mean of all scans; uniform laws have the half-width over sqrt(3).
budget = {
    "repeatability (type A)": sigma.std(ddof=1) / math.sqrt(SCANS) / sigma.mean(),
    "temperature, 0.5 K (type B)": PER_KELVIN * 0.5 / math.sqrt(3),
    "voxel size, 0.2 % (type B)": 2 * 0.002 / math.sqrt(3),  # sigma goes with the second derivative
    "truncation of the fit (type B)": abs(exact / SIGMA - 1) / math.sqrt(3),
}
u_c = math.sqrt(sum(u**2 for u in budget.values()))
expected = means[0].u_conductivity / sigma.mean()  # what emdose propagates from the noise of one scan

print(
    f"{SCANS} scans: mean {sigma.mean():.4f} S/m, standard deviation {sigma.std(ddof=1) / sigma.mean():.2%} "
    f"(noise alone: {expected:.2%})"
)
for name, u in budget.items():
    print(f"{name:32} {u:7.3%} {(u / u_c) ** 2:5.0%} of the variance")
print(f"{'combined, u_c':32} {u_c:7.3%}")
print(
    f"{'expanded, U (k = 2)':32} {2 * u_c:7.3%}: ({sigma.mean():.3f} ± {2 * u_c * sigma.mean():.3f}) S/m, truth {SIGMA}"
)

# sphinx_gallery_thumbnail_path = "images/gallery/ept_repeatability.png"
