"""The paragraph on methods: what it says, what it cites, and where it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from made_up_implant import made_up_implant
from made_up_result import made_up_summary

from emdose.report.pages import methods
from emdose.scenarios import kinds


def rf_summary(**changes: Any) -> dict[str, Any]:
    about = {
        "emdose": "0.1.0",
        "code_sha256": "c0de" * 16,
        "versions": {"python": "3.11", "numpy": "2.4"},
        "engine": "Vie",
        "phantom": {"name": "layered head", "spacing_m": 0.005},
        "coil": {"name": "birdcage", "rungs": 16, "radius_m": 0.15},
        "frequency_Hz": 127.74e6,
        "drive": {"name": "quadrature"},
        "scale": {"target": "b1plus_rms_T", "value": 2e-6, "over": "isocentre"},
    }
    return made_up_summary() | {"provenance": about} | changes


def test_an_rf_run_in_words() -> None:
    """Oracle: the summary by hand: body, source, engine, tolerance, data, averaging, versions."""
    found = kinds.get("rf").methods(rf_summary())
    for text in (
        "“layered head”",
        "voxels of 5 mm",
        "birdcage (rungs 16, radius 150 mm) at 127.74 MHz, quadrature drive, scaled to 2.00 µT of B1+rms at the",
        "a relative residual of 0.0001",
        "Gabriel et al.",
        "IEC 60601-2-33, edition 2022",
        "emdose 0.1.0 (Python 3.11, NumPy 2.4, code c0dec0dec0de",
    ):
        assert text in found.paragraph
    assert not re.search(r"complian|conform|None|nan", found.paragraph)


@pytest.mark.parametrize("kind", ["rf", "implant-gradient", "other"])
def test_references_are_those_cited_and_numbered_as_they_come(kind: str) -> None:
    """Oracle: numbers in brackets, first seen 1, 2, 3, ...; as many references; every DOI of the right form."""
    summary = made_up_implant(spacing_m=5e-3).summary if kind == "implant-gradient" else rf_summary()
    found = methods.general(summary) if kind == "other" else kinds.get(kind).methods(summary)
    numbers = [int(n) for group in re.findall(r"\[([\d, ]+)\]", found.paragraph) for n in group.split(", ")]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(found.references) + 1))
    for _, doi in methods.REFERENCES.values():
        assert not doi or re.fullmatch(r"10\.\d{4,9}/\S+", doi)
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= methods.WIDTH + 60  # addresses are not broken
    assert sum(line.startswith("[") for line in lines) == len(found.references)


def test_uncertainty_in_the_paragraph() -> None:
    """Oracle: what the entries of a summary hold."""

    def said(summary: dict[str, Any]) -> str:
        writer = methods.Writer()
        methods.uncertainty(writer, summary)
        return writer.done().paragraph

    def entry(**u: Any) -> dict[str, Any]:
        return {"x": {"value": 1.0, "unit": "W", "uncertainty": u or None}}

    assert said({"quantities": entry()}) == "No uncertainty is stated."
    assert "not in them" in said({"quantities": entry(expanded=0.1, k=2, kind="discretisation", basis="Mie spheres")})
    grid = entry(expanded=0.1, k=2, kind="discretisation", basis="grid convergence index of 3, 2, 1 mm")
    assert "grid convergence [1]" in said({"quantities": grid})
    study = {"method": "chaos", "inputs": [{}, {}]}
    text = said({"quantities": entry(expanded=0.1, k=2, kind="combined"), "uncertainty": study})
    assert text.startswith("The laws of 2 inputs were propagated by a polynomial chaos expansion [1, 2]")


def test_the_command_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Oracle: the paragraph of the result's kind, on the terminal and in a file; no report is written."""
    from emdose.cli.commands import report
    from emdose.scenarios import results

    told = methods.Methods("We solved it [1].", ("A paper.",))
    monkeypatch.setattr(results, "methods", lambda folder: told)
    report(tmp_path, None, methods=True)
    assert capsys.readouterr().out == "We solved it [1].\n\n[1] A paper.\n"
    report(tmp_path, tmp_path / "m.txt", methods=True)
    assert (tmp_path / "m.txt").read_text(encoding="utf-8") == "We solved it [1].\n\n[1] A paper.\n"
    assert [p.name for p in tmp_path.iterdir()] == ["m.txt"]
