"""No verdict on fields that are not valid. Oracle: the rule, on solved fields and on fields altered by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import emdose as em
from emdose.errors import ConvergenceError, InputError, NotValidError
from emdose.models.bodies.solids import sphere
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.vie.solver import Vie
from emdose.validation.cases.volume_integral import complex_permittivity, gel
from emdose.validation.closed_forms import Sphere
from emdose.validity import judge


@pytest.fixture(scope="module")
def ball():
    return sphere(radius_m=0.06, spacing_m=0.01, tissue="muscle")


@pytest.fixture(scope="module")
def fields(ball):
    return Vie().solve(Exposure(ball, PlaneWave(), 64e6), device="cpu")


def test_good_fields_are_checked_without_a_word(ball, fields):
    checks = em.check(fields, ball)
    assert checks.validity.state == "valid"
    assert {m.name for m in checks.validity.measures} == {"residual", "E_error", "closure", "cells_per_wavelength"}
    assert "valid" not in checks.table().splitlines()[2]


def test_a_stopped_solver_has_no_verdict(ball):
    with pytest.raises(ConvergenceError) as stopped:
        Vie(max_iterations=2, tolerance=1e-5).solve(Exposure(ball, PlaneWave(), 64e6), device="cpu")
    with pytest.raises(NotValidError, match="The residual over the tolerance"):
        em.check(stopped.value.partial, ball)


def test_power_that_is_unaccounted_for(ball, fields):
    lost = replace(fields, power=replace(fields.power, extinction_W=fields.power.extinction_W / (1 - 0.267)))
    with pytest.raises(NotValidError, match=r"unaccounted for is 26\.7 %"):
        em.check(lost, ball)
    accepted = em.check(lost, ball, accept=["closure"])
    assert accepted.validity.state == "questionable"
    assert "accepted by name" in accepted.table()
    assert accepted.to_dict()["validity"]["accepted"] == ["closure"]
    with pytest.raises(InputError, match="did you mean 'closure'"):
        em.check(lost, ball, accept=["closures"])


def test_what_is_accepted_in_vain_is_printed_too(ball, fields):
    checks = em.check(fields, ball, accept=["closure"])
    assert (checks.validity.state, checks.validity.idle) == ("valid", ("closure",))
    assert "accepted by name, though nothing was beyond: closure" in checks.table()


def test_a_questionable_balance_stands_beside_the_numbers(ball, fields):
    off = replace(fields, power=replace(fields.power, extinction_W=fields.power.extinction_W / (1 - 0.05)))
    checks = em.check(off, ball, patient=True)
    assert checks.table().splitlines()[2].startswith("questionable: The power that is unaccounted for is 5 %")
    assert any(row.verdict == "below limit" for row in checks.rows)


@pytest.mark.parametrize("frequency_Hz", [1e3, 16e3, 128e3])
def test_the_volume_integral_at_low_frequencies(frequency_Hz):
    """Oracle: the Mie series; a residual of 1e-4, at which it used to stop, leaves 0.39 of its power there."""
    body = sphere(radius_m=0.1, spacing_m=0.02, tissue=gel(60.0, 0.5))
    exposure = Exposure(body, PlaneWave(), frequency_Hz)
    found = Vie().solve(exposure, device="cpu")
    assert found.measures()[1].value <= 0.02
    assert em.check(found, body).validity.state == "valid"

    def over_mie(fields, f):
        series = Sphere([0.1], [complex_permittivity(60.0, 0.5, f)], f).power()["absorption"]
        return fields.power.power()["absorbed_W"] / series

    # Voxels of 20 mm leave 27 % whatever the frequency, up to 10 MHz, where the iteration is easy.
    high = over_mie(Vie().solve(Exposure(body, PlaneWave(), 10e6), device="cpu"), 10e6)
    assert over_mie(found, frequency_Hz) == pytest.approx(high, rel=0.005)
    assert high == pytest.approx(1.0, abs=0.3)
    with pytest.raises(ConvergenceError, match="misses") as stopped:
        Vie(max_iterations=2).solve(exposure, device="cpu")
    judged = judge(stopped.value.partial.measures())
    assert "E_error" in [f.name for f in judged.findings if f.level == "not valid"]
    with pytest.raises(NotValidError, match="estimated relative error of E"):
        em.check(stopped.value.partial, body)


def test_measures_of_ports_that_are_not_combined(fields):
    two = replace(
        fields,
        E=np.concatenate([fields.E] * 2),
        B=np.concatenate([fields.B] * 2),
        ports=("a", "b"),
        drives={"both": np.ones(2)},
        residual=np.array([1e-5, 3e-4]),
        convergence={"tolerance": 1e-4, "E_error_estimate": [0.3, 0.01]},
        power=type(fields.power)(*(np.eye(2, dtype=complex) * p for p in (0.9, 1.0, 0.05))),
    )
    found = {m.name: (round(m.value, 6), m.where) for m in two.measures()}
    assert found == {"residual": (3.0, "b"), "E_error": (0.3, "a"), "closure": (0.05, "both")}
