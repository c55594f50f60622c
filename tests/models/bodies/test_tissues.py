"""Tissues against published dielectric values, the second database's ionic terms, and the rules for bad numbers."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose import resources
from emdose.constants import EPS_0
from emdose.errors import EmdoseWarning, InputError
from emdose.models.bodies import tissues
from emdose.models.bodies.tissues import ColeCole, Constant, Override, Tissue, TissueTable

DISPERSIVE = [n for n in tissues.names() if isinstance(tissues.get(n).dielectric, ColeCole)]

# Public values of the IFAC-CNR page at 900 MHz, rounded as shown there: eps_r, S/m.
IFAC_900_MHZ = {
    "muscle": (55.03, 0.943),
    "grey_matter": (52.7, 0.942),
    "white_matter": (38.9, 0.591),
    "fat": (5.46, 0.051),
    "skin": (41.4, 0.867),
    "blood": (61.4, 1.54),
    "cerebrospinal_fluid": (68.6, 2.41),
    "bone_cortical": (12.5, 0.143),
}


def test_density_of_no_tissue() -> None:
    """Oracle: water is 1 g/cm^3 and air 1.2 kg/m^3; the lightest tissue of IT'IS V5.0 (inflated lung) has 394."""
    for density in (1.0, 1.2, 99.9, 25_001.0):
        with pytest.raises(InputError, match=r"no density of tissue.*1 g/cm\^3 is 1000.*background"):
            tissues.get("muscle").replace(density_kg_m3=density)
    assert tissues.get("muscle").replace(density_kg_m3=100.0).density_kg_m3 == 100.0
    assert tissues.get("air").density_kg_m3 < 2


@pytest.mark.parametrize("name", IFAC_900_MHZ)
def test_published_values_at_900_MHz(name: str) -> None:
    """Oracle: published table (IFAC-CNR dielectric properties, 900 MHz), to the digits given there."""
    eps, sigma = IFAC_900_MHZ[name]
    t = tissues.get(name)
    assert f"{t.permittivity(900e6):.{digits(eps)}f}" == str(eps)
    assert f"{t.conductivity(900e6):.{digits(sigma)}f}" == str(sigma)


def digits(number: float) -> int:
    return len(str(number).split(".")[1])


def test_one_debye_term_is_its_closed_form() -> None:
    """Oracle: closed form of a Debye relaxation at w tau = 1: half the strength, loss half the strength."""
    f = 1e9
    eps = ColeCole(3.0, (10.0,), (1 / (2 * math.pi * f),), (0.0,), 0.2).complex_permittivity(f)
    assert eps.real == pytest.approx(3.0 + 5.0)
    assert -eps.imag == pytest.approx(5.0 + 0.2 / (2 * math.pi * f * EPS_0))


@settings(deadline=None)
@given(st.sampled_from(DISPERSIVE), st.floats(1e6, 9e10), st.floats(1.01, 3.0))
def test_every_tissue_is_passive_and_causal(name: str, f: float, factor: float) -> None:
    """Oracle: a sum of relaxations loses permittivity and gains conductivity with frequency, eps >= 1, sigma >= 0."""
    t, higher = tissues.get(name), min(f * factor, 1e11)
    assert t.permittivity(f) >= t.permittivity(higher) * (1 - 1e-12) >= 1
    assert 0 <= t.conductivity(f) * (1 - 1e-9) <= t.conductivity(higher)


def test_every_gabriel_tissue_is_there_and_joined_as_stated() -> None:
    """Oracle: the second database. IT'IS repeats Gabriel's ionic term; where it differs a note says so."""
    gabriel = {r["tissue"]: float(r["sig_S_m"]) for r in resources.csv_rows("gabriel_cole_cole.csv")}
    itis = {r["tissue"]: r["gabriel_sigma_ion_S_m"] for r in resources.csv_rows("itis_v5_thermal.csv")}
    rows = resources.csv_rows("tissue_aliases.csv")
    assert {r["gabriel"] for r in rows} == set(gabriel)
    for row in rows:
        assert row["tissue"] == tissues.normalised(row["tissue"])
        if abs(gabriel[row["gabriel"]] - float(itis[row["itis"]] or "nan")) > 2.1e-4:  # skin: 0 against 0.0002
            assert row["note"], row["tissue"]


def test_every_value_knows_its_source() -> None:
    """Oracle: the rule of the tissue table, source and database version with every built-in value."""
    for name in tissues.names():
        assert {"dielectric", "density", "thermal"} <= tissues.get(name).sources.keys(), name
    muscle = tissues.get("muscle").sources
    assert "Gabriel" in muscle["dielectric"]
    assert "V5.0" in muscle["density"]


def test_stored_values_of_the_thermal_database() -> None:
    """Oracle: published table (IT'IS V5.0); perfusion 10 000 is "at blood temperature", heat capacity 0 is missing."""
    muscle, blood = tissues.get("muscle"), tissues.get("blood")
    assert (muscle.density_kg_m3, muscle.heat_capacity_J_kg_K) == (1090.4, 3421.2)
    assert blood.at_blood_temperature
    assert not muscle.at_blood_temperature
    assert all(tissues.get(n).heat_capacity_J_kg_K != 0 for n in tissues.names())


def test_warnings_outside_the_validity() -> None:
    """Oracle: the validity stated with the parameters, 10 Hz to 100 GHz and poor below 1 MHz."""
    muscle = tissues.get("muscle")
    with pytest.warns(EmdoseWarning, match="valid from 10 Hz"):
        muscle.permittivity(1e12)
    with pytest.warns(EmdoseWarning, match="poor below"):
        muscle.conductivity(1e3)
    tissues.get("gel").conductivity(1e3)  # a constant has no validity to leave


def test_names_synonyms_and_suggestions() -> None:
    """Oracle: exact error text."""
    assert tissues.get("CSF").name == tissues.get("Cerebro Spinal Fluid").name == "cerebrospinal_fluid"
    assert "gray_matter" in TissueTable.default()
    with pytest.raises(InputError, match=r"unknown tissue; found 'grey_mater'; did you mean 'grey_matter'"):
        tissues.get("grey_mater")


def test_air_is_the_only_background() -> None:
    """Oracle: definition, eps 1 and sigma 0."""
    assert [n for n in tissues.names() if tissues.get(n).is_background] == ["air"]
    assert tissues.get("air").conductivity(64e6) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 0.0, "x", None])
def test_bad_density(bad: object) -> None:
    """Oracle: the rule that density is a finite number above zero."""
    with pytest.raises(InputError, match="density"):
        Tissue("t", bad, Constant(40, 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "zero"),
    [
        ("heat_capacity_J_kg_K", False),
        ("thermal_conductivity_W_m_K", False),
        ("perfusion_mL_min_kg", True),
        ("metabolic_heat_W_kg", True),
    ],
)
def test_thermal_properties_that_may_be_zero(key: str, zero: bool) -> None:
    """Oracle: physics: what perfuses or heats may do so not at all; what stores and conducts heat has to."""
    make = lambda value: Tissue("t", 1000.0, Constant(40, 0.5), **{key: value})  # noqa: E731
    assert getattr(make(1e-3), key) == 1e-3
    if zero:
        assert getattr(make(0.0), key) == 0
    else:
        with pytest.raises(InputError, match=key):
            make(0.0)
    with pytest.raises(InputError, match=key):
        make(-1e-3)


def test_air_conducts_exactly_nothing() -> None:
    """Oracle: definition, with no negative zero from the imaginary part; a weak conductor keeps its value."""
    sigma = tissues.get("air").conductivity(64e6)
    assert sigma == 0
    assert math.copysign(1, sigma) == 1
    assert Tissue("t", 1000.0, Constant(40, 1e-9)).conductivity(64e6) == pytest.approx(1e-9)


def test_bad_dielectrics() -> None:
    """Oracle: passive media only; relaxation times are in seconds."""
    for make in (
        lambda: Constant(0.5, 0.1),
        lambda: Constant(40, -0.1),
        lambda: Constant(math.nan, 0.1),
        lambda: ColeCole(4, (1.0,), (0.899,), (1.0,), 0.1),
        lambda: ColeCole(4, (1.0,), (8.9e3,), (0.1,), 0.1),
        lambda: ColeCole(4, (1.0, 2.0), (1e-9,), (0.1,), 0.1),
        lambda: tissues.get("muscle").replace(conductivity_S_m=-1),
    ):
        with pytest.raises(InputError):
            make()
    with pytest.raises(InputError, match="did you mean 'density_kg_m3'"):
        tissues.get("muscle").replace(density=1000)


def test_replaced_conductivity_leaves_the_rest() -> None:
    """Oracle: identity of what was not changed."""
    muscle = tissues.get("muscle")
    changed = muscle.replace(conductivity_S_m=0.9)
    assert isinstance(changed.dielectric, Override)
    assert changed.conductivity(128e6) == pytest.approx(0.9)
    assert changed.permittivity(128e6) == muscle.permittivity(128e6)
    assert "changed by the user" in changed.sources["dielectric"]
    both = changed.replace(relative_permittivity=50)
    assert both.dielectric == Constant(50, 0.9)


def test_tissues_survive_pickling() -> None:
    """Oracle: round trip."""
    t = tissues.get("skin").replace(conductivity_S_m=0.3)
    again = pickle.loads(pickle.dumps(t))
    assert again == t
    assert dict(again.sources) == dict(t.sources)
    assert hash(again) == hash(t)


def test_synonyms_are_unambiguous() -> None:
    """Oracle: definition: a spelling stands for one tissue."""
    rows = [*resources.csv_rows("tissue_aliases.csv"), *resources.csv_rows("phantom_materials.csv")]
    spellings = [s for r in rows for s in (r["tissue"], *r["synonyms"].split(";")) if s]
    assert len(spellings) == len(set(spellings))
    for row in rows:
        for spelling in filter(None, row["synonyms"].split(";")):
            assert tissues.get(spelling).name == row["tissue"]
