"""The table of metals, and metals of the user's own."""

from __future__ import annotations

import math
import pickle

import pytest

import emdose as em
from emdose import resources
from emdose.models.implants import metals


def test_every_metal_is_complete_and_sourced() -> None:
    for name in metals.names():
        metal = metals.get(name)
        assert set(metal.sources) == {*metals.PROPERTIES} - {"relative_permeability"}
        assert all(len(s) > 3 for s in metal.sources.values())
    rows = resources.csv_rows("metals.csv")
    assert len(rows) == 5 * len(metals.names())


def test_values_are_possible() -> None:
    """Oracles: the law of Wiedemann and Franz, L = 2.44e-8 W Ohm/K^2 (alloys lie above: the lattice conducts too), and
    of Dulong and Petit, 3 R per mole of atoms of 27 to 197 g/mol."""
    for name in metals.names():
        m = metals.get(name)
        lorenz = m.thermal_conductivity_W_m_K / (m.conductivity_S_m * 300)
        assert 2.0e-8 < lorenz < 5.5e-8, name
        assert 0.85 * 24.94 / 0.197 < m.heat_capacity_J_kg_K < 1.05 * 24.94 / 0.027, name
        assert 2000 < m.density_kg_m3 < 22000


def test_reference_conductivities() -> None:
    """Oracle: the conductivities of the published closed-form tables of heated spheres."""
    wanted = {"CoCrMo": 1.16e6, "Ti6Al4V": 0.58e6, "316L": 1.35e6, "copper": 5.8e7, "aluminium": 3.526e7}
    assert {name: metals.get(name).conductivity_S_m for name in wanted} == wanted


def test_skin_depth() -> None:
    """Oracle: 1/sqrt(pi f mu sigma) = 14.8 mm for CoCrMo at 1 kHz (reference table: 14.777)."""
    metal = em.metals.get("CoCrMo")
    assert metal.skin_depth(1e3) == pytest.approx(14.777e-3, rel=1e-4)
    assert metal.skin_depth(0) == math.inf


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("co-cr-mo", "CoCrMo"),
        ("ASTM F75", "CoCrMo"),
        ("316LVM", "316L"),
        ("titanium", "cpTi"),
        ("Ti-6Al-4V", "Ti6Al4V"),
        ("NiTi", "nitinol"),
        ("Aluminum", "aluminium"),
    ],
)
def test_spellings(spelling: str, name: str) -> None:
    assert metals.get(spelling).name == name


def test_unknown_metal_lists_near_names() -> None:
    with pytest.raises(em.InputError, match=r"unknown metal; found 'CoCrMoo'; .*did you mean 'CoCrMo'"):
        metals.get("CoCrMoo")
    with pytest.raises(em.InputError, match="one of CoCrMo, Ti6Al4V"):
        metals.get("xyz")


@pytest.mark.parametrize("sigma", [0, -1e6, math.nan, math.inf, "much"])
def test_bad_conductivity_is_refused(sigma: object) -> None:
    with pytest.raises(em.InputError, match=r"mine\.conductivity_S_m"):
        em.Metal("mine", sigma, 8000, 450, 14)  # type: ignore[arg-type]


def test_megasiemens_are_found_out() -> None:
    with pytest.raises(em.InputError, match="does not conduct like a metal"):
        em.Metal("mine", 1.16, 8000, 450, 14)


def test_user_metal() -> None:
    metal = metals.get("CoCrMo").replace(conductivity_S_m=1.2e6)
    assert metal.sources["conductivity_S_m"] == "changed by the user"
    assert pickle.loads(pickle.dumps(metal)) == metal != metals.get("CoCrMo")
    with pytest.raises(em.InputError, match="unknown property"):
        metal.replace(colour=3)


def test_skin_depth_of_magnets_and_at_mains_frequency() -> None:
    """Oracle: 1 / sqrt(pi f mu sigma): a hundredfold permeability takes a tenth; 1 Hz is no threshold."""
    plain, magnet = (metals.Metal("m", 1e6, 7800, 500, 20, mu_r) for mu_r in (1.0, 100.0))
    for f in (0.25, 1.0, 50.0, 1e5):
        assert plain.skin_depth(f) == pytest.approx(0.50329 / math.sqrt(f), rel=1e-4)
        assert magnet.skin_depth(f) == pytest.approx(0.1 * plain.skin_depth(f))
