"""Coils: geometry, Kirchhoff, drives, clearance."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import emdose as em
import emdose.models.bodies as phantoms
from emdose.errors import EmdoseWarning, InputError
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.yee_grid.incident import field_at

F = 127.74e6


def test_birdcage_end_rings_follow_the_closed_form():
    # Oracle: K_n = sin(phi_n + pi/N) / (2 sin(pi/N)) for rung currents cos(phi_n) (Jin 1998).
    coil = Birdcage(rungs=12)
    arcs = coil.currents[0, 12:].reshape(2, 12, -1)
    n = np.arange(12)
    expected = np.sin(2 * np.pi * n / 12 + np.pi / 12) / (2 * np.sin(np.pi / 12))
    assert np.allclose(arcs[0], expected[:, None])
    assert np.allclose(arcs[1], -expected[:, None])


@pytest.mark.parametrize(
    ("coil", "drive"),
    [(Birdcage(), "quadrature"), (LoopArray(8), "circular"), (Birdcage(rungs=8, shield_radius_m=0.2), "quadrature")],
)
def test_quadrature_turns_in_the_sense_of_b1plus(coil, drive):
    # Oracle: symmetry; a pattern exp(-j phi) makes B1- zero at the centre.
    _, B = field_at(coil, np.zeros((1, 3)), F)
    bx, by, _ = np.tensordot(coil.drives[drive], B, 1)[0]
    plus, minus = abs(bx + 1j * by), abs(bx - 1j * by)
    assert minus < 1e-9 * plus
    bx, by, _ = np.tensordot(np.conj(coil.drives[drive]), B, 1)[0]
    assert abs(bx + 1j * by) < 1e-9 * abs(bx - 1j * by)


def test_loop_array_elements_point_outward():
    # Oracle: the right-hand rule at the middle of each element.
    coil = LoopArray(4, radius_m=0.1, length_m=0.1)
    phi = 2 * np.pi * np.arange(4) / 4
    points = 0.09 * np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    _, B = field_at(coil, points, 1e6)
    own = np.array([B[i, i] @ points[i] for i in range(4)])
    assert np.all(own.real > 0)


def test_loop_polygon_keeps_the_moment():
    # Oracle: area pi r^2 by the shoelace formula.
    nodes = Loop(0.07, segments=24).segments[:, 0]
    x, y = nodes[:, 0], nodes[:, 1]
    area = 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    assert abs(area) == pytest.approx(math.pi * 0.07**2, rel=1e-12)


def test_currents_that_do_not_close_are_refused():
    segments = np.array([[[0, 0, 0], [0.1, 0, 0]], [[0.1, 0, 0], [0, 0.1, 0]], [[0, 0.1, 0], [0, 0, 0]]], float)
    Coil("ok", segments, np.ones((1, 3)), ("a",), {})
    with pytest.raises(InputError, match="do not close at"):
        Coil("bad", segments, [[1, 1, 0.9]], ("a",), {})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"segments": np.zeros((3, 2))}, "bad coil segments"),
        ({"currents": np.ones((1, 2))}, "do not fit"),
        ({"currents": np.full((1, 3), np.nan)}, "not finite"),
        ({"segments": np.zeros((3, 2, 3))}, "no length"),
        ({"ports": ("a", "a"), "currents": np.ones((2, 3))}, "share a name"),
        ({"drives": {"d": [1, 2]}}, "drive does not fit"),
    ],
)
def test_bad_coils_are_refused(change, text):
    segments = np.array([[[0, 0, 0], [0.1, 0, 0]], [[0.1, 0, 0], [0, 0.1, 0]], [[0, 0.1, 0], [0, 0, 0]]], float)
    given = {"name": "c", "segments": segments, "currents": np.ones((1, 3)), "ports": ("a",), "drives": {}} | change
    with pytest.raises(InputError, match=text):
        Coil(**given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Birdcage(rungs=3),
        lambda: Birdcage(rungs=8.5),
        lambda: Birdcage(radius_m=-1),
        lambda: Birdcage(length_m=float("nan")),
        lambda: Birdcage(shield_radius_m=0.15),
        lambda: Birdcage(shield_length_m=0.3),
        lambda: Shield(0.2, 0.0),
        lambda: Loop(0.0),
        lambda: Loop(0.1, normal=(0, 0, 0)),
        lambda: Loop(0.1, centre_m=(0, 0)),
        lambda: LoopArray(0),
        lambda: LoopArray(8, coverage=5.0),
        lambda: PlaneWave(direction=(0, 0, 0)),
        lambda: PlaneWave(polarisation=(0, 0, 1)),
        lambda: PlaneWave(amplitude_V_m=0),
    ],
)
def test_bad_parameters_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_plane_wave_normalises():
    wave = PlaneWave(direction=(0, 0, 2), polarisation=(1, 1j, 0))
    assert wave.direction == (0, 0, 1)
    assert np.allclose(wave.polarisation, np.array([1, 1j, 0]) / math.sqrt(2))
    assert wave.ports == ("wave",)
    assert wave.drive_unit == "V/m"


def test_a_conductor_through_the_body_names_the_place():
    body = phantoms.sphere(0.1, 0.01)
    with pytest.raises(InputError, match=r"runs through the body at \(.*\) mm, in .*"):
        Exposure(body, Loop(0.05), F)
    with pytest.raises(InputError, match="shield"):
        Exposure(body, Loop(0.05, centre_m=(0, 0, 0.2)).with_shield(Shield(0.09, 0.5)), F)


def test_a_close_conductor_warns():
    body = phantoms.sphere(0.1, 0.01)
    with pytest.warns(EmdoseWarning, match="closer to the body than one voxel"):
        Exposure(body, Loop(0.109), F)
    Exposure(body, Loop(0.125), F)


@pytest.mark.parametrize(
    ("coil", "kind", "numbers"),
    [
        (em.Birdcage(8), em.Birdcage, {"rungs": 8, "radius_m": 0.15, "length_m": 0.2}),
        (em.CircuitBirdcage(8), em.CircuitBirdcage, {"rungs": 8, "radius_m": 0.15, "length_m": 0.2}),
        (em.Loop(0.05), em.Loop, {"radius_m": 0.05}),
        (em.CapacitorLoop(0.05), em.CapacitorLoop, {"radius_m": 0.05, "size_m": None}),
        (em.LoopArray(4), em.LoopArray, {"radius_m": 0.14, "length_m": 0.16}),
        (em.CapacitorLoopArray(4), em.CapacitorLoopArray, {"radius_m": 0.14, "length_m": 0.16}),
        (em.Dipole(0.1), em.Dipole, {"length_m": 0.1}),
    ],
)
def test_a_coil_is_of_the_class_that_made_it(coil, kind, numbers):
    # Oracle: isinstance, before and after the coil has changed, and the arguments that it was made of.
    circuit = isinstance(coil, em.CircuitCoil)
    other = coil.with_values({}) if circuit else coil.with_shield(Shield(0.3, 0.5))
    for each in (coil, other):
        assert type(each) is kind
        assert isinstance(each, em.CircuitCoil if circuit else em.Coil)
        assert {k: getattr(each, k) for k in numbers} == numbers


@pytest.mark.parametrize(
    ("ideal", "circuit"),
    [(em.Birdcage, em.CircuitBirdcage), (em.Loop, em.CapacitorLoop), (em.LoopArray, em.CapacitorLoopArray)],
)
def test_both_sorts_of_a_coil_take_the_same_first_arguments(ideal, circuit):
    # Oracle: their signatures. What is positional is the same, and so are the lengths behind it.
    one, two = ([*inspect.signature(c).parameters.values()] for c in (ideal, circuit))
    assert [p.name for p in one if p.kind is p.POSITIONAL_OR_KEYWORD] == [
        p.name for p in two if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    lengths = ("radius_m", "length_m", "shield_radius_m", "shield_length_m")
    assert [p.name for p in one if p.name in lengths] == [p.name for p in two if p.name in lengths]
