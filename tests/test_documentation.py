"""What the pages promise. Oracles: the schema of the scenarios, the scripts of the gallery, files of pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = sorted((DOCS.parent / "examples").glob("*.py"))
LARGEST = 150_000
"""Bytes of a stored picture."""


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(DOCS))
    try:
        import scenario_reference
    finally:
        sys.path.remove(str(DOCS))
    return scenario_reference


def test_every_key_says_what_it_is_for(reference) -> None:
    """Of every table of every kind of scenario; where to write it stands in the error."""
    keys = [(table, key) for table in reference.tables() for key in table.model_fields]
    assert len(keys) > 400
    for table, key in keys:
        assert len(reference.meaning(table, key)) > 5, (table.__name__, key)


def test_no_meaning_is_left_of_a_key_that_is_gone(reference) -> None:
    keys = {name.__name__: set(t.model_fields) for t in reference.tables() for name in t.__mro__ if name is t}
    for table in reference.tables():
        for above in table.__mro__[1:]:
            keys.setdefault(above.__name__, set()).update(getattr(above, "model_fields", {}))
    keys[reference.EVERYWHERE] = set().union(*keys.values())
    stale = {(t, k) for t, told in reference.meanings().items() for k in told if k not in keys.get(t, set())}
    assert stale == set()


def test_units_are_those_of_the_names(reference) -> None:
    """Oracle: some names, read by hand."""
    wanted = {
        "spacing_m": "m",
        "frequency_Hz": "Hz",
        "conductivity_S_m": "S/m",
        "surface_W_m2_K": "W/m²/K",
        "thermal_conductivity_W_m_K": "W/m/K",
        "whole_body_sar_W_kg": "W/kg",
        "slew_T_m_s": "T/m/s",
        "dbdt_rms_T_s": "T/s",
        "initial_degC": "°C",
        "duty_cycle_10s": "",
        "rungs": "",
        "form": "",
    }
    assert {name: reference.unit(name) for name in wanted} == wanted


def test_the_reference_has_every_table(reference, tmp_path: Path) -> None:
    reference.write(tmp_path / "keys.md")
    text = (tmp_path / "keys.md").read_text(encoding="utf-8")
    assert "## Keys of `[uncertainty]`, in every kind" in text
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    # The keys of a scenario itself are the tables, which have a heading each.
    scenarios = {table for table in reference.tables() if table.__name__.endswith("Scenario")}
    keys = {key for table in set(reference.tables()) - scenarios for key in table.model_fields} - {"type"}
    assert keys - named == set()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert all(line.count(" | ") >= 4 and not line.rstrip(" |").endswith("|") for line in rows)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_has_its_picture(path: Path) -> None:
    """`python docs/refresh_pictures.py NAME` makes it."""
    line = f'# sphinx_gallery_thumbnail_path = "images/gallery/{path.stem}.png"'
    assert path.read_text(encoding="utf-8").rstrip().endswith(line)
    size = (DOCS / "images" / "gallery" / f"{path.stem}.png").stat().st_size
    assert 1000 < size < LARGEST


def test_stored_pictures_are_small_and_used() -> None:
    pages = "\n".join(
        p.read_text(encoding="utf-8") for p in [*DOCS.rglob("*.md"), DOCS.parent / "README.md", *EXAMPLES]
    )
    for path in DOCS.joinpath("images").rglob("*.png"):
        assert path.stat().st_size < LARGEST
        assert path.name in pages


def test_pages_show_scripts_without_the_line_of_their_picture() -> None:
    """Oracle: the scripts, which end in that line."""
    for page in DOCS.rglob("*.md"):
        shown = re.findall(r"\{literalinclude\} \S*examples/\w+\.py\n(.*?)```", page.read_text("utf-8"), re.S)
        assert all('"# sphinx_gallery"' in options for options in shown), page.name
