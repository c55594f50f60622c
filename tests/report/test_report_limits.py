"""The table of limits on a page: what binds, operating modes side by side, and what is known of each number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_result import check as row
from made_up_result import made_up_summary

from emdose.compliance import check
from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.sar import SarMap
from emdose.models.bodies import layered_head
from emdose.report import limit_words
from emdose.report.pages import decisive, limit_table
from emdose.report.wording import without_folders
from emdose.scenarios.kinds.rf.page import content
from emdose.solvers.results.fields import Fields, PowerBalance


def by_quantity(rows: list[dict[str, Any]], b1_T: float | None = 2e-6) -> dict[str, Any]:
    return limit_table.by_quantity(limit_table.check_rows({"checks": rows}), b1_T)


def test_what_binds_is_on_top_and_the_rest_beneath() -> None:
    """Oracle: shares by hand. Head: 3.0 / 3.2 in both modes; whole body: 1.8 / 2 and 1.8 / 4; an alternative never."""
    rows = [
        row("normal", "whole-body SAR", "whole body", 1.8, 2.0),
        row("normal", "head SAR", "head a", 1.0, 3.2),
        row("normal", "head SAR", "head b", 3.0, 3.2),
        row("normal", "head SAR", "head c", 3.1, 3.2, counted=False),
        row("first level", "whole-body SAR", "whole body", 1.8, 4.0),
        row("first level", "head SAR", "head a", 1.0, 3.2),
        row("first level", "head SAR", "head b", 3.0, 3.2),
        row("", "local SAR", "whole body", 4.0, None, counted=False),
    ]
    told = by_quantity(rows)
    assert [m["name"] for m in told["modes"]] == ["Normal mode", "First level mode"]
    assert [m["binding"]["region"] for m in told["modes"]] == ["head b", "head b"]
    assert told["modes"][0]["b1"] == f"{2 / (3.0 / 3.2) ** 0.5:.2f}"
    head, body = told["quantities"]
    assert [line["region"] for line in head["top"]] == ["head b"]
    assert [line["region"] for line in head["more"]] == ["head a", "head c"]
    assert [cell and cell["percent"] for cell in head["more"][1]["cells"]] == ["96.9 %", None]
    assert [cell["percent"] for cell in body["top"][0]["cells"]] == ["90.0 %", "45.0 %"]
    assert (head["top"][0]["binds"], body["top"][0]["binds"]) == (True, False)
    assert [r["quantity"] for r in told["information"]] == ["local SAR"]


def test_modes_that_bind_in_other_regions_both_stand_on_top() -> None:
    """Oracle: partial bodies whose limits 10 - 8 r and 10 - 6 r order them differently, by hand."""
    rows = [
        row("normal", "partial-body SAR", "small", 5.0, 9.0),
        row("normal", "partial-body SAR", "large", 4.9, 8.0),
        row("first level", "partial-body SAR", "small", 5.0, 9.2),
        row("first level", "partial-body SAR", "large", 4.9, 9.5),
    ]
    (one,) = by_quantity(rows)["quantities"]
    assert {line["region"] for line in one["top"]} == {"small", "large"}
    assert one["more"] == []


def local_checks(trunk: float, limb: float, *, named: bool = True) -> list[dict[str, Any]]:
    """The rows of a local coil whose 10 g average is ``trunk`` in one voxel and ``limb`` in one of a limb [W/kg]."""
    body = layered_head(spacing_m=10e-3)
    places, limbs = np.argwhere(body.body), np.zeros(body.grid.shape, bool)
    limbs[tuple(places[: len(places) // 4].T)] = True
    value = np.where(body.body, 0.1, np.nan)
    value[tuple(places[0])], value[tuple(places[-1])] = limb, trunk
    field = np.zeros((1, 3, *body.grid.node_shape), complex)
    power = PowerBalance(*(np.array([[p + 0j]]) for p in (1.0, 1.0, 0.0)))
    one = {"local": np.ones(1)}
    mass = body.mass_kg
    fields = Fields(body.grid, 128e6, field, field, body.body, mass, power, ("local",), one, "A", np.zeros(1), {}, {})
    found = check(
        fields,
        body,
        coil_type="local",
        patient_mass_kg=75.0,
        extremities=limbs if named else None,
        sar=SarMap(np.where(body.body, 0.05, 0.0), "trapezium", body.grid, body.density),
        average_10g=MassAverage(value, np.zeros(value.shape, np.uint8), value, 10e-3),
    )
    return [one.to_dict() for one in found.rows]


@pytest.mark.parametrize(
    ("trunk", "limb", "named", "region", "percent"),
    [
        (9.0, 15.0, True, "head", "90.0 %"),  # 9 of 10 is more than 15 of 20
        (9.0, 19.0, True, "extremities", "95.0 %"),
        (9.0, 15.0, False, "head", "150.0 %"),  # no limbs named: all of the body is held to the limit of the trunk
    ],
)
def test_local_coils_and_extremities(trunk: float, limb: float, named: bool, region: str, percent: str) -> None:
    """Oracle: 10 W/kg in head and trunk and 20 W/kg in extremities over 6 min, twice that in first level mode and in
    10 s, by hand; averages over the body are for information and never bind."""
    rows = local_checks(trunk, limb, named=named)
    told = by_quantity(rows)
    first = told["modes"][0]["binding"]
    assert first["quantity"] == "local SAR"
    assert first["region"].startswith(region)
    assert (first["percent"], first["averaging"]) == (percent, "6 min, 10 g")
    (local,) = told["quantities"]
    assert {r["quantity"] for r in told["information"]} == {"whole-body SAR", "partial-body SAR", "head SAR"}
    ratio = float(percent.removesuffix(" %")) / 100
    assert local["top"][0]["cells"][1]["ratio"] == pytest.approx(ratio / 2)
    decided = decisive.of_limit_table(limit_table.check_rows({"checks": rows}))
    assert [(d["name"], d["tag"]) for d in decided] == [("Local SAR", "binds first")]


def test_marks_say_what_is_known_of_a_number() -> None:
    """Oracle: the three states and the initials of a user."""
    rows = content.limit_rows(made_up_summary())
    legend = limit_words.legend(rows)
    assert {one["state"] for one in legend} == {
        limit_words.standing(r)["state"] for r in rows if r["limit"] is not None
    }
    assert limit_words.standing({"state": "unverified"})["mark"] == "?"
    own = limit_words.standing({"state": "verified", "standing": "verified by AB"})
    assert (own["mark"], own["meaning"]) == ("✓ AB", "verified by AB")
    assert limit_words.mark_of({"standing": "inherited"})[0] == "≈"
    assert limit_words.mark_of({}) == ("", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("read from /home/ann/bodies/knee.nii.gz, 2 mm", "read from knee.nii.gz, 2 mm"),
        (r"C:\Users\ann\stl\plate.stl", "plate.stl"),
        ("https://example.org/a/b/c.html", "https://example.org/a/b/c.html"),
        ("18 mL/min/kg and W/m2/K", "18 mL/min/kg and W/m2/K"),
        ("file = '/data/x/y.csv'", "file = 'y.csv'"),
        ("IEC/IEEE 62704-1, 2020/A1", "IEC/IEEE 62704-1, 2020/A1"),
    ],
)
def test_paths_keep_their_names_alone(text: str, expected: str) -> None:
    """Oracle: by hand."""
    assert without_folders(text) == expected
    assert without_folders({"a": [text, (1, text)]}) == {"a": [expected, (1, expected)]}
