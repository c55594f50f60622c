"""Forces and torques against the rows of forces_oracles.csv: closed forms and ODE values in SI units.

Formulas meet the six digits that a row states; where a row states fewer, the last digit is the tolerance.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from emdose import mechanics
from emdose.constants import MU_0
from emdose.mechanics import Magnetism, MomentTensor, RigidBody, SwitchedLoad
from emdose.models import gradients
from emdose.validation.closed_forms.low_frequency.eddy_low_frequency import box_power, disc_power
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_moment

SIGMA = {"CoCrMo": 1.16e6, "Ti": 5.8e5, "Al": 2.5e7}
DENSITY = {
    "water": 1000.0, "Ti6Al4V": 4430.0, "CoCrMo": 8300.0, "316L": 8000.0, "NiTi": 6450.0, "aluminium": 2700.0,
    "iron": 7870.0, "Al": 2700.0,
}  # fmt: skip
CHI = {
    "water": -9.05e-6, "Ti6Al4V": 1.8e-4, "CoCrMo": 9.2e-4, "316L": 3.5e-3, "NiTi": 2.45e-4, "aluminium": 2.1e-5,
}  # fmt: skip
G = 9.81
IRON = Magnetism("iron", 1e4, saturation_T=2.14)


def ball_M(a, sigma):
    return 2 * math.pi * sigma * a**5 / 15


def moments(M, f=270.0):
    return MomentTensor(np.array([f]), np.asarray(M)[None], np.zeros((1, 3, 3)), np.asarray(M))


def rate(along, rms=42.0, f=270.0):
    return gradients.Sinusoid(f, rms * np.asarray(along, float)).harmonics()


def disc_M():
    return np.diag([0.0, 0.0, disc_power(0.04, 2e-3, SIGMA["Ti"])])


def disc_load() -> SwitchedLoad:
    return mechanics.gradient_torque(moments(disc_M()), rate((0, 0, 1)), (3.0, 0.0, 0.0))


def fall(side, thickness, B, field):
    # Upright in the x-z plane, normal along y, hinged along x: it falls from z towards -y.
    M = np.diag([0.0, plate_M(side, thickness), 0.0])
    mass = DENSITY["Al"] * side**2 * thickness
    along = {"along": (0.0, B, 0.0), "across": (0.0, 0.0, B), "none": (0.0, 1e-9, 0.0)}[field]
    return mechanics.hinged_fall(
        M, along, hinge=(1, 0, 0), inertia_kg_m2=mass * side**2 / 3, weight_torque_N_m=mass * G * side / 2,
        start_rad=0.0873,
    )  # fmt: skip


def plate_M(side, thickness):
    # The thin limit of the box: sigma t J / 4.
    a = side
    J = a**4 * (1 / 3 - 64 / math.pi**5 * sum(math.tanh(k * math.pi / 2) / k**5 for k in range(1, 200, 2)))
    return SIGMA["Al"] * thickness * J / 4


def force_over_weight(name):
    material = Magnetism(name, CHI[name], CHI[name], CHI[name])
    return [mechanics.static_force(material, 1e-6, p, 1.0, 1 / 3) / (1e-6 * DENSITY[name] * G) for p in (18.0, 48.0)]


def drag(a):
    slope = np.zeros((3, 3))
    slope[2, 2] = 5.0
    return mechanics.drag_tensor(ball_M(a, SIGMA["Al"]) * np.eye(3), slope)[2, 2]


def terminal(a):
    return 4 / 3 * math.pi * a**3 * DENSITY["Al"] * G / drag(a)


def iron_ratio(B, slope):
    return mechanics.static_force(IRON, 1.0, B, slope, 1 / 3) / (DENSITY["iron"] * G)


def edge_amplitude():
    # A thin disc: its mass properties by hand, so that the plane normal has its own inertia.
    m, R = 4430 * math.pi * 0.04**2 * 2e-3, 0.04
    shape = np.diag([R**2 / 4, R**2 / 4, 1e-8])
    points = R * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0.0]])
    body = RigidBody(m, [m / 4430], np.zeros(3), np.diag([m * R**2 / 4] * 2 + [m * R**2 / 2]), shape, points)
    return mechanics.rigid_vibration(body, disc_load()).amplitude_m


FOUND = {
    "sphere CoCrMo r 20 mm, M": lambda: [ball_M(0.02, SIGMA["CoCrMo"])],
    "sphere CoCrMo r 20 mm, P at 42 T/s rms": lambda: [
        mechanics.motion_heat(ball_M(0.02, SIGMA["CoCrMo"]) * np.eye(3), (42.0, 0, 0), (0, 1.0, 0))
    ],
    "disk Ti R 40 mm t 2 mm, M normal": lambda: [disc_M()[2, 2]],
    "disk Ti R 40 mm t 2 mm, gradient torque rms 42 T/s x 3 T": lambda: [disc_load().rms],
    "disk Ti R 40 mm t 2 mm, weight torque m g 2R": lambda: [4430 * math.pi * 0.04**2 * 2e-3 * G * 0.08],
    "plate Al 0.3x0.3x0.010 m, M normal": lambda: [plate_M(0.3, 0.01)],
    "plate Al 0.3x0.3x0.010 m 1.5 T, fall time 5 to 85 deg normal along B0": lambda: [
        fall(0.3, 0.01, 1.5, "along").time_s
    ],
    "plate Al 0.3x0.3x0.010 m 1.5 T, fall time across": lambda: [fall(0.3, 0.01, 1.5, "across").time_s],
    "plate Al 0.3x0.3x0.010 m 0 T, fall time": lambda: [fall(0.3, 0.01, 0.0, "none").time_s],
    "plate Al 0.15x0.15x0.005 m 1.5 T, fall times": lambda: [
        fall(0.15, 5e-3, 1.5, f).time_s for f in ("along", "across")
    ],
    "plate Al 0.15x0.15x0.005 m 3 T, fall times": lambda: [
        fall(0.15, 5e-3, 3.0, f).time_s for f in ("along", "across")
    ],
    "sphere Al r 10 mm 5 T/m, drag coefficient": lambda: [drag(0.01)],
    "sphere Al r 10 mm 5 T/m, terminal speed": lambda: [terminal(0.01)],
    "sphere Al r 20 mm 5 T/m, drag coefficient": lambda: [drag(0.02)],
    "sphere Al r 20 mm 5 T/m, terminal speed": lambda: [terminal(0.02)],
    "prolate 5:1, N perpendicular;axial": lambda: mechanics.demagnetising_factors((1, 1, 5))[[0, 2]],
    "oblate 5:1, N in plane;axial": lambda: mechanics.demagnetising_factors((5, 5, 1))[[0, 2]],
    **{f"{n}, F/W at B dB/dz 18;48 T2/m": lambda n=n: force_over_weight(n) for n in CHI},
    **{f"{n}, F/W at 18;48": lambda n=n: force_over_weight(n) for n in CHI},
    "iron sphere, applied field at saturation": lambda: [IRON.saturation_field_T(1 / 3)],
    "iron sphere, F/W unsaturated 0.3 T x 2 T/m": lambda: [iron_ratio(0.3, 2.0)],
    "iron sphere, F/W saturated 5 T/m": lambda: [iron_ratio(1.5, 5.0)],
    "iron sphere, B dB/dz for F = W": lambda: [0.06 / iron_ratio(0.3, 0.2)],
    **{
        f"sphere {m} r 20 mm {f} Hz, M_d;N_r": lambda m=m, f=f: sphere_moment(0.02, SIGMA[m], f)
        for m in ("CoCrMo", "Al")
        for f in (270, 1000, 5000)
    },
    "disk Ti R 40 mm t 2 mm 270 Hz, rigid free edge amplitude": lambda: [edge_amplitude()],
}


def rows():
    path = Path(__file__).parents[1] / "data" / "forces_oracles.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


@pytest.mark.parametrize("row", rows(), ids=lambda r: f"{r['case']}, {r['quantity']}")
def test_every_row(row) -> None:
    found = list(FOUND[f"{row['case']}, {row['quantity']}"]())
    for value, stated in zip(found, row["value"].split(";"), strict=True):
        tolerance = float(row["tolerance"])
        # Half of the last digit that a value of the table states.
        digits = stated.split("e")[0]
        last = (
            0.5 * 10.0 ** -len(digits.partition(".")[2]) * (10.0 ** int(stated.split("e")[1]) if "e" in stated else 1)
        )
        assert value == pytest.approx(float(stated), rel=tolerance, abs=last)


def test_the_thin_plate_is_the_limit_of_the_box() -> None:
    """The box has currents that close at its thickness; a hundredth of it changes the power by 1.3 %."""
    box = box_power((0.3, 0.3, 0.01), SIGMA["Al"])[2]
    assert box == pytest.approx(plate_M(0.3, 0.01), rel=1e-6)


def test_a_falling_plate_against_its_overdamped_form() -> None:
    """dtheta/dt = c sin(theta)/f(theta), c = m g L/(2 M B^2), f = sin^2 or cos^2; and energy."""
    c = DENSITY["Al"] * 0.3**2 * 0.01 * G * 0.15 / (plate_M(0.3, 0.01) * 1.5**2)
    forms = {"along": math.cos(0.0873) / c, "across": -(math.log(math.tan(0.04365)) + math.cos(0.0873)) / c}
    for field, time in forms.items():
        found = fall(0.3, 0.01, 1.5, field)
        assert found.time_s == pytest.approx(time, rel=2e-3)
        assert found.energy_error < 2e-3


def test_mu_0_is_the_constant_of_the_table() -> None:
    assert pytest.approx(4e-7 * math.pi, rel=1e-9) == MU_0
