"""Paths into scenarios, and the table [uncertainty] beside the tables of a kind. Oracles: the tables themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import emdose as em
from emdose.scenarios import bundled, load
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared import toml
from emdose.scenarios.study.asked import study_of
from emdose.scenarios.study.paths import Paths, unit_of
from emdose.scenarios.study.study import arms_of
from emdose.scenarios.uncertainty_table import UncertaintyTable

BALL = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {"type": "sphere", "radius_m": 0.05, "spacing_m": 0.01, "tissue": "muscle"},
    "coil": {"type": "loop", "radius_m": 0.1},
    "exposure": {"frequency_Hz": 64e6},
    "normalise": {"b1plus_rms_T": 1e-6},
}
FILE = Path("ball.toml")


@pytest.fixture(scope="module")
def ball() -> Paths:
    return Paths(from_tables(BALL, FILE))


@pytest.mark.parametrize(
    ("path", "full"),
    [
        ("phantom.tissues.muscle.conductivity", "phantom.tissues.muscle.conductivity_S_m"),
        ("phantom.tissues.Muscle.permittivity", "phantom.tissues.muscle.relative_permittivity"),
        ("phantom.tissues.*.density", "phantom.tissues.muscle.density_kg_m3"),
        ("phantom.translate_m[2]", "phantom.translate_m[2]"),
        ("coil.centre[1]", "coil.centre_m[1]"),
        ("coil.position[2]", "coil.position_m[2]"),
        ("exposure.frequency", "exposure.frequency_Hz"),
    ],
)
def test_units_synonyms_and_stars_are_understood(ball: Paths, path: str, full: str) -> None:
    assert ball.resolved(path) == (full,)


def test_values_arrive_in_the_body(ball: Paths) -> None:
    """Set by path, the built body has them; what is not set stays as the tissue table has it."""
    values = {"phantom.tissues.muscle.conductivity_S_m": 0.9, "phantom.translate_m[2]": 0.004}
    changed = Paths(from_tables(ball.tables(values), FILE))
    for path, value in ball.nominal.items():
        assert changed.nominal[path] == pytest.approx(values.get(path, value), rel=1e-12)
    assert changed.scenario.tables.phantom.translate_m == (0.0, 0.0, 0.004)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("phantom.tissues.mucsle.conductivity", "did you mean 'muscle'"),
        ("coil.radus_m", "did you mean 'radius_m'"),
        ("coil", "names a table"),
        ("coli.radius_m", "names nothing"),
        ("coil.radius_m[2]", "goes too far"),
        ("a..b", "not a path"),
    ],
)
def test_a_path_that_names_nothing_is_one_line(ball: Paths, path: str, words: str) -> None:
    with pytest.raises(em.InputError, match=words) as caught:
        ball.resolved(path)
    assert "\n" not in str(caught.value)


def test_paths_are_written_as_they_are_read() -> None:
    for steps in (("a", "b c", 2), ("exposures", "42 T/s 1 kHz", "frequency_Hz"), ("a", 'x"y')):
        assert toml.steps_of(toml.dotted(steps)) == steps


def test_units_come_from_keys() -> None:
    units = {"a.conductivity_S_m": "S/m", "coil.centre_m[1]": "m", "a.density_kg_m3": "kg/m³", "phantom.scale": "1"}
    assert {path: unit_of(path) for path in units} == units


def test_uncertainty_is_no_part_of_the_run_but_of_the_lock(tmp_path: Path) -> None:
    """Same hash with and without; the lock file gives the same table again, whatever the kind."""
    for name in ("head-3t", "hip-gradient", "ept-brain"):
        text = bundled(name).read_text(encoding="utf-8").partition("[uncertainty]")[0]
        text = "".join(line for line in text.splitlines(True) if not line.startswith("uncertainty ="))
        (tmp_path / "with.toml").write_text('uncertainty = "default"\n' + text, encoding="utf-8")
        (tmp_path / "without.toml").write_text(text, encoding="utf-8")
        asked, plain = load(tmp_path / "with.toml"), load(tmp_path / "without.toml")
        assert asked.sha256 == plain.sha256
        assert plain.uncertainty is None
        assert asked.uncertainty.takes_defaults
        (tmp_path / "lock.toml").write_text(asked.lock(), encoding="utf-8")
        again = load(tmp_path / "lock.toml")
        assert again.uncertainty == asked.uncertainty


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("much", "uncertainty: bad value; found 'much'; expected \"default\""),
        ({"runs": 1}, "uncertainty.runs: bad value; found 1"),
        ({"metod": "chaos"}, "did you mean 'method'"),
        ({"executor": "cluster"}, "uncertainty.executor: bad value"),
        ({"strata": [{"path": "phantom.landmark", "values": ["head"]}]}, r"strata\.0\.values"),
        ({"correlations": [{"inputs": ["a", "a"], "value": 0.5}]}, "two different"),
    ],
)
def test_bad_tables_are_one_line(table: object, words: str) -> None:
    with pytest.raises(em.InputError, match=words):
        from_tables({**BALL, "uncertainty": table}, FILE)


def test_default_laws_of_a_head_move_together() -> None:
    """Oracle: the table of default laws by eye; conductivity and permittivity are correlated, heat plays no part."""
    scenario = replace(load(bundled("head-3t")), uncertainty=UncertaintyTable())
    study = study_of(scenario)
    paths = [v.path for v in study.variations]
    assert "phantom.tissues.*.conductivity_S_m" in paths
    assert "phantom.translate_m[2]" in paths
    assert not any("perfusion" in p or "heat" in p for p in paths)
    assert study.correlations == (("conductivity of all tissues", "relative permittivity of all tissues", 0.5),)


def test_inputs_are_correlated_by_name_or_by_path(ball: Paths) -> None:
    """As the guide writes it: a path without its unit, and a short name."""
    table = {
        "inputs": [
            {"path": "phantom.tissues.muscle.conductivity", "relative": 0.05},
            {"path": "phantom.translate_m[2]", "law": "uniform", "half_width": 5e-3, "name": "z"},
        ],
        "correlations": [{"inputs": ["phantom.tissues.muscle.conductivity", "z"], "value": 0.3}],
    }
    study = study_of(from_tables({**BALL, "uncertainty": table}, FILE))
    inputs = arms_of(study)[0].inputs
    assert inputs is not None
    assert inputs.names == ("phantom.tissues.muscle.conductivity_S_m", "z")
    assert inputs.correlation[0, 1] == 0.3
