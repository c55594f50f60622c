"""Conventions found from Maxwell's equations in fields that a closed form gives.

Oracle: what was done to the fields of plane waves on a lossy ball before they were written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from foreign_files import Solution, solution

from emdose.auditing.faraday import candidates
from emdose.auditing.finding import CONFIRMED, CONTRADICTED, FOUND, OPEN
from emdose.auditing.judging import obeyed, physical
from emdose.constants import MU_0
from emdose.io import ForeignFields


def fields(s: Solution, **stated: str) -> ForeignFields:
    return ForeignFields("test", s.axes, s.E, s.H, s.network.names, s.frequency_Hz, stated)


CASES: list[tuple[str, Any, dict[str, str]]] = [
    ("as it is", lambda s: s, {}),
    ("conjugated", lambda s: s.changed(conjugated=True), {"time": "exp(-jwt)"}),
    ("B in uT", lambda s: s.changed(H=1e6 * MU_0), {"magnetic": "uT"}),
    ("B in T, mm", lambda s: s.changed(H=MU_0).in_unit(1e-3), {"magnetic": "T", "length": "mm"}),
    ("mm", lambda s: s.in_unit(1e-3), {"length": "mm"}),
    ("cm, conjugated", lambda s: s.in_unit(1e-2).changed(conjugated=True), {"length": "cm", "time": "exp(-jwt)"}),
    ("x and y exchanged", lambda s: s.changed(order="yxz"), {"components": "yxz"}),
    ("z first, rms", lambda s: s.changed(order="zxy").scaled(0.5**0.5), {"components": "zxy"}),
]
PLAIN = {"time": "exp(+jwt)", "magnetic": "A/m", "length": "m", "components": "xyz"}


@pytest.mark.parametrize(
    ("name", "change", "truth", "positions"), [(*c, "points") for c in CASES] + [(*c, "yee") for c in CASES[::3]]
)
def test_found(name: str, change: Any, truth: dict[str, str], positions: str) -> None:
    s = change(solution(2, positions))
    found, reading = physical(fields(s), {}, s.conductivity if "cm" in name else None)
    assert {k: f.value for k, f in found.items()} == {**PLAIN, "positions": positions, **truth}
    assert {f.state for f in found.values()} == {FOUND}
    assert reading.reversed is False
    assert all(f.evidence for f in found.values())


def test_centimetres_and_inches_stay_open_without_the_conductivity() -> None:
    """Both give the medium a permittivity that tissue may have."""
    found, _ = physical(fields(solution(2).in_unit(1e-2)), {})
    assert found["length"].state == OPEN
    assert found["magnetic"].state == OPEN
    found, _ = physical(fields(solution(2).in_unit(1e-2)), {"length": "cm"})
    assert found["magnetic"].value == "A/m"


def test_each_component_of_yee_is_told_by_its_name_not_by_its_place() -> None:
    s = solution(2, "yee")
    ways = candidates(fields(s))
    assert (ways[0].E, ways[0].magnetic, ways[0].positions) == ("xyz", "xyz", "yee")
    assert ways[0].misfit < 0.005
    assert ways[0].factor == pytest.approx(MU_0, rel=1e-3)


def test_the_dual_lattice() -> None:
    """Duality: H 377 in the place of E and -E / 377 in that of H obey Faraday's law in air, on the other lattice."""
    s = solution(2, "yee", (23, 23, 23))
    keep = np.ones(3, bool)
    far = np.sum(np.stack(np.meshgrid(*s.axes, indexing="ij")) ** 2, axis=0) > 0.06**2
    E, H = (np.where(far, v, np.nan)[:, keep] for v in (376.730313 * s.H, s.E / -376.730313))
    ways = candidates(ForeignFields("test", s.axes, E, H, s.network.names, s.frequency_Hz))
    assert (ways[0].positions, ways[0].E, ways[0].magnetic) == ("yee dual", "xyz", "xyz")


def test_what_is_said_is_confirmed_or_contradicted() -> None:
    s = solution(2).changed(conjugated=True)
    found, _ = physical(fields(s, time="exp(+jwt)", length="m"), {})
    assert found["time"].state == CONTRADICTED
    assert found["time"].value == "exp(-jwt)"
    assert found["length"].state == CONFIRMED
    assert "contradicted" in found["time"].sentence


def test_an_opposite_magnetic_field_is_no_conjugated_one() -> None:
    """Both turn the sign of Faraday's law; the loss of the medium tells them apart."""
    found, reading = physical(fields(solution(2).changed(H=-1)), {})
    assert found["time"].value == "exp(+jwt)"
    assert reading.reversed is True
    assert "opposite" in found["magnetic"].evidence[0].sentence


def test_known_conductivity_tells_the_unit_of_length() -> None:
    s = solution(2).in_unit(1e-3)
    found, reading = physical(fields(s), {}, s.conductivity)
    assert found["length"].value == "mm"
    assert reading.medium is not None
    assert np.sqrt(reading.medium.conductivity_ratio) == pytest.approx(1e-3, rel=0.05)


def test_a_number_of_metres_is_as_good_as_the_name_of_the_unit() -> None:
    s = solution(2).in_unit(1e-3)
    law = obeyed(fields(s))
    for sigma in (None, s.conductivity):
        for length, state in (("0.001", CONFIRMED), ("mm", CONFIRMED), ("0.01", CONTRADICTED), ("cm", CONTRADICTED)):
            found, _ = physical(fields(s), {"length": length}, sigma, law)
            assert found["length"].state == state


def test_without_loss_the_sense_of_time_stays_open() -> None:
    """A plane wave in air: conjugating it is as good as turning its magnetic field round."""
    axes = tuple(0.02 * np.arange(n) for n in (9, 10, 11))
    k = 2 * np.pi * 128e6 / 299_792_458.0
    x, _, z = np.meshgrid(*axes, indexing="ij")
    E, H = np.zeros((2, 1, 3, *x.shape), complex)
    for direction in (x, z):
        wave = np.exp(-1j * k * direction)
        c, m, sign = (1, 2, 1) if direction is x else (0, 1, 1)
        E[0, c] += wave
        H[0, m] += sign * wave / 376.73
    for conjugated in (False, True):
        values = (E.conj(), H.conj()) if conjugated else (E, H)
        found, _ = physical(ForeignFields("test", axes, *values, ("a",), 128e6), {})
        assert found["time"].state == OPEN
        assert found["time"].value is None


def test_fields_that_do_not_belong_together() -> None:
    s = solution(2)
    noise = np.random.default_rng(1).normal(size=s.H.shape) + 0j
    found, reading = physical(
        ForeignFields("test", s.axes, s.E, noise, s.network.names, 128e6, {"time": "exp(+jwt)"}), {}
    )
    assert {f.state for f in found.values()} == {OPEN}
    assert reading.best is None
    found, _ = physical(ForeignFields("test", s.axes, s.E, None, s.network.names, 128e6), {})
    assert {f.state for f in found.values()} == {OPEN}
    assert found["time"].evidence[0].sentence == "There is only one of both fields."


def test_a_few_points_of_a_source_tell_nothing() -> None:
    """Where currents are prescribed curl B is theirs, however large: counts and medians do not hear them."""
    s = solution(2)
    H = s.H.copy()
    H[:, :, 3:5, 3:5, 8:16] *= 1e4
    found, _ = physical(fields(replace(s, H=H).changed(conjugated=True)), {})
    assert {k: f.value for k, f in found.items()} == {**PLAIN, "positions": "points", "time": "exp(-jwt)"}


def test_a_thousand_may_be_on_either_field() -> None:
    """E in mV/m beside H in A/m has the numbers of E in V/m beside H in kA/m, and a millionth of its SAR."""
    s = solution(2).changed(E=1e3)
    found, _ = physical(fields(s, magnetic="A/m"), {})
    assert found["magnetic"].state == CONTRADICTED
    assert found["magnetic"].value is None
    assert "another unit than V/m" in found["magnetic"].evidence[0].sentence
    found, _ = physical(fields(s), {"magnetic": "kA/m"})
    assert found["magnetic"].state == CONFIRMED


def test_another_frequency_leaves_no_unit() -> None:
    s = replace(solution(2), frequency_Hz=298e6)
    found, _ = physical(fields(s, magnetic="A/m"), {})
    assert found["magnetic"].state == CONTRADICTED
    assert found["magnetic"].value is None
    assert "frequency" in found["magnetic"].evidence[0].sentence


@pytest.mark.parametrize(("axis", "steps"), [(0, 1), (1, -2), (2, 1)])
def test_a_displaced_body_is_noticed(axis: int, steps: int) -> None:
    s = solution(2)
    _, there = physical(fields(s), {}, s.conductivity)
    assert there.displaced == ""
    _, moved = physical(fields(s), {}, np.roll(s.conductivity, -steps, axis))
    assert f"moved by {steps:+d} steps along {'xyz'[axis]}" in moved.displaced
