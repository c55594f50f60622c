"""Numbers that users give to public classes and functions: what is no finite number is refused by its field.

Oracle: the contract of the package, an InputError that begins with the name of the argument, tried on every argument.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

import emdose as em
from emdose.circuits.elements import RLC
from emdose.dosimetry.averaging.average import mass_average
from emdose.models.coils.conductors import FeedPort, LumpedElement, Wire
from emdose.solvers.eddy.options import EddyOptions
from emdose.solvers.fdtd.setup.options import FdtdOptions
from emdose.solvers.heat.options import BioheatOptions
from emdose.solvers.vie.options import VieOptions

BALL = em.phantoms.sphere(0.03, spacing_m=0.01)
SPHERE = em.implants.sphere(0.01, subdivisions=1)
TISSUE = em.tissues.get("muscle")
METAL = em.metals.get("CoCrMo")
POINTS = ((0, 0, 0), (0, 0, 0.01))

# maker, then the arguments that must be > 0, and those that may have either sign
CALLS: dict[str, tuple[Callable, tuple[str, ...], tuple[str, ...]]] = {
    "Grid": (lambda **k: em.Grid(**{"shape": (2, 2, 2), "spacing_m": 1e-3} | k), ("spacing_m",), ()),
    "sphere": (
        lambda **k: em.phantoms.sphere(**{"radius_m": 0.03, "spacing_m": 0.01} | k),
        ("radius_m", "spacing_m"),
        (),
    ),
    "stylised adult": (em.phantoms.stylised_adult, ("spacing_m",), ()),
    "layered head": (em.phantoms.layered_head, ("spacing_m", "scale"), ()),
    "rotate": (lambda **k: BALL.rotate(**{"angle_deg": 10.0} | k), ("samples",), ("angle_deg",)),
    "resample": (lambda **k: BALL.resample(**k), ("spacing_m",), ()),
    "tissue": (lambda **k: TISSUE.replace(**k), ("density_kg_m3", "heat_capacity_J_kg_K", "relative_permittivity"), ()),
    "permittivity": (lambda **k: TISSUE.permittivity(**k), ("frequency_Hz",), ()),
    "metal": (lambda **k: METAL.replace(**k), ("conductivity_S_m", "density_kg_m3", "relative_permeability"), ()),
    "implant ball": (lambda **k: em.implants.sphere(**{"radius_m": 0.01} | k), ("radius_m", "subdivisions"), ()),
    "implant rod": (
        lambda **k: em.implants.cylinder(**{"radius_m": 0.01, "length_m": 0.1} | k),
        ("radius_m", "length_m", "around"),
        (),
    ),
    "scaled": (lambda **k: SPHERE.scaled(**k), ("factor",), ()),
    "rotated": (lambda **k: SPHERE.rotated(**k), (), ("rotation",)),
    "Birdcage": (em.Birdcage, ("rungs", "radius_m", "length_m"), ()),
    "Loop": (lambda **k: em.Loop(**{"radius_m": 0.1} | k), ("radius_m", "segments"), ()),
    "PlaneWave": (em.PlaneWave, ("amplitude_V_m",), ()),
    "CurrentElement": (lambda **k: em.CurrentElement(**{"length_m": 0.02} | k), ("length_m",), ()),
    "IncidentField": (
        lambda **k: em.IncidentField(**{"E": np.zeros_like, "frequency_Hz": 128e6} | k),
        ("frequency_Hz", "step_m"),
        (),
    ),
    "CircuitBirdcage": (em.CircuitBirdcage, ("rungs", "radius_m", "length_m", "gap_m", "feed_impedance_ohm"), ()),
    "Dipole": (lambda **k: em.Dipole(**{"length_m": 0.1} | k), ("length_m", "gap_m"), ()),
    "Wire": (lambda **k: Wire(POINTS, **k), ("radius_m",), ()),
    "LumpedElement": (
        lambda **k: LumpedElement("c", *POINTS, **k),
        ("capacitance_F", "inductance_H", "resistance_ohm"),
        (),
    ),
    "FeedPort": (lambda **k: FeedPort("f", *POINTS, **k), ("impedance_ohm",), ()),
    "RLC": (RLC, ("resistance_ohm", "inductance_H", "capacitance_F"), ()),
    "Exposure": (lambda **k: em.Exposure(BALL, em.PlaneWave(), **k), ("frequency_Hz",), ()),
    "Vie": (VieOptions, ("tolerance", "E_error", "restart", "max_iterations"), ()),
    "Fdtd": (
        FdtdOptions,
        (
            "spacing_m",
            "margin_m",
            "metal_margin_m",
            "tolerance",
            "courant",
            "growth",
            "cpml_cells",
            "max_periods",
            "coarsest_m",
            "finest_m",
            "checkpoint_s",
        ),
        (),
    ),
    "EddyCurrent": (lambda **k: EddyOptions(**{"spacing_m": 1e-3} | k), ("spacing_m", "tolerance", "max_steps"), ()),
    "Bioheat": (
        BioheatOptions,
        ("tolerance", "surface_W_m2_K", "contact_m2_K_W", "cells_across"),
        ("initial_degC", "blood_degC", "ambient_degC"),
    ),
    "mass_average": (
        lambda **k: mass_average(
            np.ones((3, 3, 3)), np.full((3, 3, 3), 1e3), **{"spacing_m": 0.01, "mass_kg": 1e-3} | k
        ),
        ("spacing_m", "mass_kg"),
        (),
    ),
    "Csi": (em.ept.Csi, ("strength", "edge", "max_iterations"), ()),
    "Helmholtz": (em.ept.Helmholtz, ("contrast", "degree"), ()),
    "ConvectionReaction": (em.ept.ConvectionReaction, ("smoothing", "noise_share", "edge"), ()),
}
CASES = [(name, key, key in signed) for name, (_, above, signed) in CALLS.items() for key in (*above, *signed)]


@pytest.mark.parametrize(("name", "key", "signed"), CASES, ids=[f"{n}: {k}" for n, k, _ in CASES])
def test_what_is_no_finite_number_is_refused_by_name(name: str, key: str, signed: bool) -> None:
    bad = [math.nan, math.inf, -math.inf, "1e-3", True, 1j, object(), [[1.0, "x"]], {}]
    for value in bad if signed else [*bad, -1.0]:
        with pytest.raises(em.InputError) as caught:
            CALLS[name][0](**{key: value})
        text = str(caught.value)
        assert key.removeprefix("feed_") in str(caught.value.field), (value, text)
        assert "\n" not in text


@pytest.mark.parametrize(
    "call",
    [
        lambda v: em.Grid((2, 2, 2), 1e-3, v),
        lambda v: BALL.translate(v),
        lambda v: SPHERE.placed(v),
        lambda v: em.Loop(0.1, centre_m=v),
        lambda v: em.Loop(0.1, normal=v),
        lambda v: em.Dipole(0.1, direction=v),
        lambda v: em.PlaneWave(direction=v),
        lambda v: Wire((POINTS[0], v), 1e-3),
    ],
)
def test_what_is_no_vector_is_refused_in_one_line(call: Callable) -> None:
    for value in ((0, 0), (0, math.nan, 1), (0, math.inf, 1), ("0", "1", "2"), "z-axis", 3.0, True, (0, 1, 1j), {}):
        with pytest.raises(em.InputError) as caught:
            call(value)
        assert caught.value.field
        assert "\n" not in str(caught.value)


def test_counts_are_whole() -> None:
    for value in (4.0, 16.5, "16", True):
        for call in (em.Birdcage, em.CircuitBirdcage):
            with pytest.raises(em.InputError, match="rungs: "):
                call(rungs=value)
    for shape in ((2, 2), (2, 2, 0), (2, 2, 2.5), ("a", 1, 1), 7):
        with pytest.raises(em.InputError, match=r"shape: bad grid shape; found .*; expected three counts >= 1"):
            em.Grid(shape, 1e-3)


def test_every_option_of_a_solver_is_tried() -> None:
    """Oracle: the fields of the options that are numbers, read from the classes."""
    for name, options in (
        ("Vie", VieOptions),
        ("EddyCurrent", EddyOptions),
        ("Bioheat", BioheatOptions),
        ("Fdtd", FdtdOptions),
    ):
        _, above, signed = CALLS[name]
        wanted = {f.name for f in dataclasses.fields(options) if f.type in ("float", "int", float, int)}
        assert wanted <= {*above, *signed}, name
