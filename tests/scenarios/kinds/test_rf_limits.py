"""Limits of ``rf`` scenarios: whom they are for, which scheme counts, and what users read in their own copies."""

from __future__ import annotations

import json

import h5py
import pytest
from rich.console import Console

from emdose import scenarios
from emdose.errors import InputError
from emdose.io import read_phantom
from emdose.io.disk import run_files
from emdose.report import terminal
from emdose.scenarios.kinds.rf.page.page import render
from emdose.scenarios.kinds.rf.recheck import recheck
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml

NAME = "whole-body SAR, normal, whole body, 6 min"
READING = {"limit": NAME, "edition": "2022", "clause": "a table of it", "value": 2.0, "initials": "AB"}


def rows_of(summary, quantity=None):
    return [r for r in summary["checks"] if r["limit"] is not None and quantity in (None, r["quantity"])]


def test_a_sphere_has_no_patient_limits_unless_asked(finished):
    # Oracle: a sphere is no patient: no row has a limit, on the page and in the summary; patient = true lists them.
    result = read_result(finished)
    assert result.phantom.test_object
    assert rows_of(result.summary) == []
    assert not any(k.startswith("b1plus_rms_limit") for k in result.summary["quantities"])
    page = render(result)
    assert "no patient" in page
    assert "limits are inherited" not in page
    table = recheck(result, {"patient": True}, device="cpu")
    assert {r["quantity"] for r in rows_of(table)} == {"whole-body SAR", "partial-body SAR", "head SAR"}


@pytest.mark.parametrize(
    ("coil_type", "quantities"),
    [
        (None, {"whole-body SAR", "partial-body SAR", "head SAR"}),
        ("local", {"local SAR"}),
        ("array", {"whole-body SAR", "partial-body SAR", "head SAR", "local SAR"}),
    ],
)
def test_the_scheme_of_the_coil_type(finished, coil_type, quantities):
    # Oracle: the scheme of each; the birdcage of this run is a volume coil unless told otherwise, as for a knee.
    table = recheck(read_result(finished), {"patient": True, "coil_type": coil_type}, device="cpu")
    assert {r["quantity"] for r in rows_of(table)} == quantities
    binding = table["check_inputs"]["binding_row"]
    assert {table["checks"][n]["quantity"] for n in binding.values()} <= quantities


def test_readings_in_the_table_and_in_a_file_are_shown(finished, tmp_path):
    # Oracle: 2 W/kg agrees; 1.5 is shown and not used; used when named, and then the margin moves with it.
    result = read_result(finished)
    ask = {"patient": True, "verified_by": [READING]}
    agreed = rows_of(recheck(result, ask, device="cpu"), "whole-body SAR")[0]
    assert (agreed["standing"], agreed["limit"], agreed["verified"]) == ("verified by AB", 2.0, True)
    file = tmp_path / "mine.csv"
    file.write_text(f'edition,limit,clause,value,initials\n2022,"{NAME}",a table of it,1.5,AB\n', encoding="utf-8")
    ask = {"patient": True, "verified_by_file": str(file)}
    other = rows_of(recheck(result, ask, device="cpu"), "whole-body SAR")[0]
    assert (other["standing"], other["limit"], other["verified_by"]["agrees"]) == ("inherited", 2.0, False)
    used = rows_of(recheck(result, ask | {"use_values": [NAME]}, device="cpu"), "whole-body SAR")[0]
    assert (used["standing"], used["limit"], used["verified_by"]["used"]) == ("verified by AB", 1.5, True)
    assert used["ratio"] == pytest.approx(other["ratio"] * 2 / 1.5)
    assert "emdose holds 2 (inherited)" in used["source"]
    json.dumps(used, allow_nan=False)


def test_the_terminal_shows_state_source_and_other_readings(finished, capsys):
    # Oracle: every limit's source and state are on the terminal, and a reading that differs stands out.
    ask = {"patient": True, "coil_type": "array", "verified_by": [READING | {"value": 1.5}]}
    table = recheck(read_result(finished), ask, device="cpu")
    terminal.checks(Console(width=200), table["checks"], table["check_inputs"])
    out = capsys.readouterr().out
    for row in rows_of(table):
        assert f"] {row['standing']}: {row['source']}" in out
    assert f"{NAME}: AB read 1.5 W/kg in clause a table of it, not what emdose holds; it is not used." in out
    shown = rows_of(table)
    for state, words in (("unverified", "are unverified"), ("inherited", "are inherited from another edition")):
        assert f"{sum(r['state'] == state for r in shown)} of {len(shown)} " in out
        assert words in out


def test_results_of_before_the_mark_are_read_as_patients(finished, tmp_path):
    # Oracle: a file that says nothing of test objects holds a patient, as every phantom did then.
    for said in (True, None):
        with h5py.File(finished / "result.h5") as old, h5py.File(tmp_path / f"{said}.h5", "w") as new:
            old.copy("phantom", new)
            if said is None:
                del new["phantom"].attrs["test_object"]
        assert read_phantom(tmp_path / f"{said}.h5").test_object == bool(said)


def test_a_run_keeps_its_readings(small, write, tmp_path):
    # Oracle: what stands in the scenario stands in its lock, its summary and its page; the lock loads.
    (tmp_path / "mine.toml").write_text(
        toml.dump({"verified_by": [READING | {"limit": NAME.replace("normal", "first level"), "value": 3.5}]}),
        encoding="utf-8",
    )
    small["checks"] = {"patient": True, "verified_by": [READING], "verified_by_file": "mine.toml"}
    folder = scenarios.run(write(small), tmp_path / "out", device="cpu").folder
    result = read_result(folder)
    rows = rows_of(result.summary, "whole-body SAR")
    by_mode = {r["mode"]: r for r in rows if r["window_s"] == 360}
    assert by_mode["normal"]["standing"] == "verified by AB"
    assert by_mode["first level"]["standing"] == "inherited"
    page = render(result)
    for words in (
        "verified by AB",
        "inherited",
        "AB read 3.5 W/kg in clause a table of it, not what emdose holds; it is not used",
    ):
        assert words in page
    assert all(
        r["source"] in run_files.read_summary(folder)["check_inputs"]["text"].replace("\n    ", " ") for r in rows
    )
    first, again = scenarios.load(write(small)), scenarios.load(folder / "scenario.lock.toml")
    assert again.tables.checks.verified_by == first.tables.checks.verified_by


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ({"verified_by": []}, "checks.verified_by"),
        ({"verified_by": "AB"}, "checks.verified_by"),
        ({"verified_by": [{"limit": NAME}]}, "without a key"),
        ({"verified_by": [READING | {"who": 1}]}, "unknown key"),
        ({"verified_by": [READING | {"limit": "whole-body"}]}, "no limit of this name"),
        ({"verified_by_file": "nowhere.csv"}, "no such file"),
        ({"use_values": [NAME]}, "no confirmed value"),
        ({"patient": "yes"}, "checks.patient"),
        ({"coil_type": "knee"}, "checks.coil_type"),
    ],
)
def test_bad_readings_are_refused_before_the_solve(small, write, checks, words):
    # Oracle: InputError in one line when the job is made ready.
    small["checks"] = checks

    def ready():
        return scenarios.kind("rf").job(scenarios.load(write(small)), "cpu")

    with pytest.raises(InputError, match=words) as error:
        ready()
    assert "\n" not in str(error.value)
