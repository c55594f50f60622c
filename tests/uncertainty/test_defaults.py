"""Default laws: every row is a law with a source, and paths of the bundled scenarios find theirs."""

from __future__ import annotations

import pytest

import emdose as em
from emdose import resources
from emdose.uncertainty import default_correlations, default_entries, default_law, default_laws, law_of_dict
from emdose.uncertainty.defaults import STATES


def test_every_row_has_a_law_a_source_and_a_state() -> None:
    """Oracle: the rule of the table; no law of a positive quantity allows zero or less."""
    rows = default_laws()
    assert len(rows) > 20
    for row in rows:
        assert row.state in STATES, row.pattern
        assert len(row.source) > 30, row.pattern
        assert not row.law.absolute
        assert 0 <= row.correlation < 1
        if getattr(row.law, "relative", None) is not None:
            row.law.require_positive(row.pattern, 1.0)
    patterns = [p for row in rows for p in row.pattern.split("|")]
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("phantom.tissues.fat.conductivity_S_m", em.LogNormal(relative=0.1)),
        ("phantom.tissues.gel.conductivity_S_m", em.Normal(relative=0.0642)),
        ("phantom.tissues.head_liquid.relative_permittivity", em.Normal(relative=0.0586)),
        ("phantom.translate_m[2]", em.Normal(sd=0.005)),
        ("coil.position_m[2]", em.Uniform(half_width=0.002)),
        ("drive.phases_deg[0]", em.Uniform(half_width=3.0)),
        ("coil.rung_capacitance_F", em.Uniform(relative=0.01)),
        ("implant.position_m[1]", em.Uniform(half_width=0.002)),
        ('exposures."42 T/s 1 kHz".dbdt_rms_T_s', em.Uniform(relative=0.02)),
    ],
)
def test_paths_find_their_law(path: str, expected: object) -> None:
    """Oracle: the table, read by eye."""
    found = default_law(path, 1.0)
    assert found is not None
    assert found.law == expected


@pytest.mark.parametrize("path", ["solver.tolerance", "phantom.spacing_m", "normalise.b1plus_rms_T", "coil.rungs"])
def test_what_is_chosen_has_no_law(path: str) -> None:
    """Oracle: numbers of the method and of what was asked for are known exactly."""
    assert default_law(path, 1.0) is None


def test_entries_and_correlations_of_a_body() -> None:
    """Oracle: by eye; a tissue without perfusion has no law of it; conductivity and permittivity of one tissue."""
    keys = {"conductivity_S_m": 0.7, "relative_permittivity": 60.0, "density_kg_m3": 1000.0, "perfusion_mL_min_kg": 0.0}
    nominal = {f"phantom.tissues.{t}.{k}": v for t in ("fat", "muscle") for k, v in keys.items()}
    entries = default_entries({**nominal, "solver.tolerance": 1e-4}, together=False)
    assert [e["path"].rpartition(".")[2] for e in entries] == list(keys)[:3] * 2
    assert not any("density" in e["path"] for e in default_entries(nominal, without=["density"]))
    common = default_entries(nominal)
    assert [e["path"] for e in common] == [f"phantom.tissues.*.{k}" for k in list(keys)[:3]]
    assert common[0]["name"] == "conductivity of all tissues"
    assert default_correlations(e["path"] for e in common) == {(common[0]["path"], common[1]["path"]): 0.5}
    gel = default_entries({**nominal, "phantom.tissues.gel.conductivity_S_m": 0.5})
    assert len([e for e in gel if "conductivity" in e["path"]]) == 3  # a gel has a law of its own
    for e in entries:
        assert law_of_dict({k: v for k, v in e.items() if k not in ("path", "source")}).at(1.0).sd > 0
        assert e["source"].endswith(")")
    pairs = default_correlations(nominal)
    assert pairs == {
        (f"phantom.tissues.{t}.conductivity_S_m", f"phantom.tissues.{t}.relative_permittivity"): 0.5
        for t in ("fat", "muscle")
    }
    inputs = em.Inputs(
        tuple(
            em.Input(e["path"], default_law(e["path"]).law, nominal[e["path"]])  # type: ignore[union-attr]
            for e in entries
        ),
        pairs,
    )
    assert not inputs.independent


def test_table_is_read_as_it_stands() -> None:
    """Oracle: the file."""
    assert len(resources.csv_rows("default_laws.csv")) == len(default_laws())
