"""Checks against IEC 60601-2-33 on a body whose numbers fit on a slip of paper.

4 x 4 x 10 voxels of 1 kg: 160 kg. Point SAR per layer from the feet: 0 0 0 0 0 0 1 1 2 3 W/kg, 16 kg each, so
112 W and 0.7 W/kg. Head: the upper one (16 kg, 3 W/kg) or two layers (32 kg, 2.5 W/kg). The four upper layers hold
all, the three upper ones 96 W = 86 % of the power: the 95 % slab has 64 kg, r = 0.4, 1.75 W/kg. A coil between
-0.2 and 0.2 m covers layers 3 to 6: 64 kg, 0.25 W/kg. B1+ is 2 uT everywhere.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emdose as em
from emdose.compliance import check
from emdose.compliance.checks import Check, Checks
from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.sar import SarMap
from emdose.errors import InputError
from emdose.models.bodies import Phantom
from emdose.models.bodies.tissues import Constant, Tissue, TissueTable
from emdose.models.grids.grid import Grid
from emdose.solvers.results.fields import Fields, PowerBalance

LAYERS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 3], float)
SMALL, LARGE = "head (one layer)", "head (two layers)"


def top(layers):
    mask = np.zeros((4, 4, 10), bool)
    mask[:, :, 10 - layers :] = True
    return mask


def make_body(regions=None):
    grid = Grid((4, 4, 10), 0.1)
    water = Tissue("water_like", 1000.0, Constant(80.0, 0.5))
    regions = {LARGE: top(2), SMALL: top(1)} if regions is None else regions
    return Phantom(grid, np.ones(grid.shape, np.uint8), (TissueTable.default()["air"], water), "slip", regions)


def make_fields(body, provenance=None):
    shape = (1, 3, *body.grid.node_shape)
    B = np.zeros(shape, complex)
    B[0, 0], B[0, 1] = 2e-6, -2e-6j
    power = PowerBalance(*(np.array([[p + 0j]]) for p in (112.0, 112.0, 0.0)))
    return Fields(
        body.grid,
        128e6,
        np.zeros(shape, complex),
        B,
        body.body,
        body.mass_kg,
        power,
        ("quadrature",),
        {"quadrature": np.ones(1)},
        "A",
        np.zeros(1),
        {},
        provenance or {},
    )


BODY = make_body()
FIELDS = make_fields(BODY)
SAR = SarMap(np.broadcast_to(LAYERS, BODY.grid.shape).copy(), "trapezium", BODY.grid, BODY.density)
COIL = SimpleNamespace(extent_m=((-0.3, -0.3, -0.2), (0.3, 0.3, 0.2)))


def average(limb_value=30.0):
    """10 g averages: 8 W/kg at most, except in the first layer, the feet."""
    value = 2 * SAR.value + 2
    value[0, 0, 0] = limb_value
    return mass_average_of(value)


def mass_average_of(value, mass_kg=10e-3):
    return MassAverage(value, np.full(value.shape, 3, np.uint8), np.full(value.shape, 0.1), mass_kg)


def run(**options):
    body, fields, sar = (options.pop(k, v) for k, v in (("body", BODY), ("fields", FIELDS), ("sar", SAR)))
    return check(fields, body, **({"coil": COIL, "sar": sar, "average_10g": average()} | options))


def rows(table, quantity, mode="normal", window_s=360.0):
    return [c for c in table.rows if (c.limit.quantity, c.limit.mode, c.limit.window_s) == (quantity, mode, window_s)]


def test_values_and_limits_by_hand():
    # Oracle: the slip of paper above and the limits 2 / 4, 10 - 8 r / 10 - 6 r, 3.2 W/kg.
    table = run()
    expected = {
        ("whole-body SAR", "normal"): {(0.7, 2.0)},
        ("whole-body SAR", "first level"): {(0.7, 4.0)},
        ("partial-body SAR", "normal"): {(1.75, 6.8), (0.25, 6.8)},
        ("partial-body SAR", "first level"): {(1.75, 7.6), (0.25, 7.6)},
        ("head SAR", "normal"): {(3.0, 3.2), (2.5, 3.2)},
        ("head SAR", "first level"): {(3.0, 3.2), (2.5, 3.2)},
    }
    for (quantity, mode), pairs in expected.items():
        for window, factor in ((360.0, 1), (10.0, 2)):
            found = rows(table, quantity, mode, window)
            got = sorted((c.value, c.limit_value) for c in found)
            assert [v for pair in got for v in pair] == pytest.approx(
                [v for pair in sorted((value, factor * limit) for value, limit in pairs) for v in pair], rel=1e-6
            )
            assert {c.verdict for c in found} == {"below limit"}


def test_margins_by_hand():
    # Oracle: value 0.7, limit 2 W/kg: 65 % and 10 log10(2 / 0.7) = 4.559 dB.
    (row,) = rows(run(), "whole-body SAR")
    assert row.ratio == pytest.approx(0.35, rel=1e-6)
    assert row.margin_percent == pytest.approx(65.0, rel=1e-6)
    assert row.margin_dB == pytest.approx(4.559, abs=1e-3)


def test_what_binds_and_the_largest_b1plus():
    # Oracle: the small head at 3.0 / 3.2; B1+rms 2 uT sqrt(3.2 / 3.0) = 2.066 uT in both modes.
    table = run()
    for mode in ("normal", "first level"):
        first = table.binding(mode)
        assert first.region.startswith(SMALL)
        assert first.limit.window_s == 360
        assert table.b1plus_rms_limit_T(mode) == pytest.approx(2e-6 * math.sqrt(3.2 / 3.0), rel=1e-6)
    with pytest.raises(InputError, match="first level"):
        table.binding("second level")


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(0.01, 100))
def test_the_largest_b1plus_does_not_depend_on_the_scale(factor):
    # Oracle: SAR grows as the square, so values and limits move and the permitted B1+rms does not.
    fields = replace(FIELDS, B=FIELDS.B * factor)
    sar = replace(SAR, value=SAR.value * factor**2)
    table = run(fields=fields, sar=sar)
    assert table.b1plus_rms_limit_T("normal") == pytest.approx(run().b1plus_rms_limit_T("normal"), rel=1e-9)
    assert table.binding("normal").verdict == ("above limit" if factor**2 * 3.0 > 3.2 else "below limit")
    # At the permitted B1+rms the binding value is the limit.
    at = (table.b1plus_rms_limit_T("normal") / 2e-6) ** 2 * 3.0
    assert at == pytest.approx(3.2, rel=1e-6)


def test_b1plus_of_the_scaling_is_taken_over_the_isocentre():
    # Oracle: fields scaled to 1.5 uT over the body say so in their provenance.
    scale = {"target": "b1plus_rms_T", "value": 1.5e-6, "factor": 1.0, "over": "body"}
    table = run(fields=make_fields(BODY, {"scale": scale}))
    assert (table.b1plus_rms_T, table.b1plus_region) == (1.5e-6, "mean over body")
    power = {"target": "absorbed_power_W", "value": 1.0, "factor": 1.0}
    assert run(fields=make_fields(BODY, {"scale": power})).b1plus_rms_T == pytest.approx(2e-6)


def test_body_away_from_the_isocentre_has_no_b1plus():
    # Oracle: without B1+ there is no permitted B1+; the SAR rows stay.
    body = make_body().translate((0.0, 0.0, 2.0))
    sar = replace(SAR, grid=body.grid)
    table = run(body=body, fields=make_fields(body), sar=sar, coil=None)
    assert table.b1plus_rms_T is None
    assert table.b1plus_rms_limit_T("normal") is None
    assert rows(table, "whole-body SAR")[0].value == pytest.approx(0.7)
    assert "first to bind" in table.table()


def test_duty_cycles_scale_both_windows():
    # Oracle: 6 min value x 0.5, 10 s value x 0.8; B1+rms over 6 min = 2 uT sqrt(0.5). The 10 s row of the small
    # head binds when 0.8 x 3 / 6.4 < 0.5 x 3 / 3.2 does not: 0.375 against 0.469, so the 6 min row.
    table = run(duty_cycle=0.5, duty_cycle_10s=0.8)
    (long,), (short,) = rows(table, "whole-body SAR"), rows(table, "whole-body SAR", window_s=10.0)
    assert (long.value, short.value) == (pytest.approx(0.35), pytest.approx(0.56))
    assert table.b1plus_rms_T == pytest.approx(2e-6 * math.sqrt(0.5))
    assert table.binding("normal").limit.window_s == 360
    # With 0.2 and 0.8 it is the 10 s row: 0.8 x 3 / 6.4 = 0.375 against 0.2 x 3 / 3.2 = 0.1875.
    burst = run(duty_cycle=0.2, duty_cycle_10s=0.8)
    assert burst.binding("normal").limit.window_s == 10
    assert burst.b1plus_rms_limit_T("normal") == pytest.approx(2e-6 * math.sqrt(0.2 / 0.375), rel=1e-6)


@pytest.mark.parametrize(("temperature", "limit"), [(18.0, 4.0), (25.0, 4.0), (27.0, 3.5), (33.0, 2.0), (38.0, 2.0)])
def test_ambient_temperature_lowers_one_limit_only(temperature, limit):
    # Oracle: 0.25 W/kg per K above 25 degC on the first level whole-body limit, not below 2 W/kg; nothing else moves.
    table, cool = run(ambient_degC=temperature), run()
    for row, other in zip(table.rows, cool.rows, strict=True):
        if (row.limit.quantity, row.limit.mode) == ("whole-body SAR", "first level"):
            assert row.limit_value == pytest.approx(limit * (2 if row.limit.window_s == 10 else 1))
        else:
            assert row.limit_value == other.limit_value


def test_a_chosen_head_counts_and_the_other_is_listed():
    # Oracle: with the large head 2.5 / 3.2 binds; the small one stays in the table as an alternative.
    table = run(head=LARGE)
    assert table.binding("normal").ratio == pytest.approx(2.5 / 3.2)
    assert [c.counted for c in rows(table, "head SAR")] == [True, False]
    by_mask = run(head=top(2))
    assert by_mask.binding("normal").ratio == pytest.approx(2.5 / 3.2)
    assert [c.counted for c in rows(by_mask, "head SAR")] == [True, False, False]
    with pytest.raises(InputError, match=r"head \(one layer\)"):
        run(head="head")


def test_a_given_exposed_part_counts_and_the_others_are_listed():
    # Oracle: upper half, 80 kg, r = 0.5: 112 / 80 = 1.4 W/kg against 6 W/kg.
    found = rows(run(exposed=top(5)), "partial-body SAR")
    assert (found[0].value, found[0].limit_value, found[0].counted) == (pytest.approx(1.4), pytest.approx(6.0), True)
    assert [c.counted for c in found[1:]] == [False, False]


def test_without_a_coil_there_are_still_two_exposed_parts():
    # Oracle: the slab, and the whole phantom with r = 1, whose limit is the whole-body one.
    found = rows(run(coil=None), "partial-body SAR")
    assert [(c.value, c.limit_value) for c in found] == [
        (pytest.approx(1.75), pytest.approx(6.8)),
        (pytest.approx(0.7), pytest.approx(2.0)),
    ]


def test_a_flat_loop_encloses_no_body():
    # Oracle: a loop across z has no extent along z, so the slab and the whole phantom remain.
    loop = SimpleNamespace(extent_m=((-0.1, -0.1, 0.0), (0.1, 0.1, 0.0)))
    assert [c.region.split(",")[0] for c in rows(run(coil=loop), "partial-body SAR")] == [
        "95 % power slab",
        "whole phantom",
    ]


def test_patient_heavier_than_the_phantom():
    # Oracle: 200 kg: 0.56 W/kg, r = 0.32 -> 7.44 W/kg; the note calls the whole-body value a lower bound.
    table = run(patient_mass_kg=200.0)
    (whole,) = rows(table, "whole-body SAR")
    assert whole.value == pytest.approx(0.56)
    assert "lower bound" in whole.note
    assert rows(table, "partial-body SAR")[1].limit_value == pytest.approx(7.44)
    with pytest.raises(InputError, match="lighter than the phantom"):
        run(patient_mass_kg=100.0)


def test_a_head_alone_is_not_a_patient():
    # Oracle: mass of the head > 1/3 of the phantom: whole-body and partial-body SAR wait for the patient's mass.
    body = make_body({"head all": top(10), "head upper": top(5)})
    table = run(body=body)
    for quantity in ("whole-body SAR", "partial-body SAR"):
        assert {c.verdict for c in rows(table, quantity)} == {"not evaluated"}
    assert {c.verdict for c in rows(table, "head SAR")} == {"below limit"}
    assert rows(table, "partial-body SAR")[0].value == pytest.approx(0.25)
    assert "patient_mass_kg" in table.table()
    assert "6 rows of this mode were not evaluated" in table.table()
    assert "were not evaluated and" not in run().table()
    assert rows(run(body=body, patient_mass_kg=160.0), "whole-body SAR")[0].value == pytest.approx(0.7)


def test_a_phantom_without_head_says_so():
    # Oracle: nothing to average over, so not evaluated, and the note says what to give.
    table = run(body=make_body({}))
    assert {c.verdict for c in rows(table, "head SAR")} == {"not evaluated"}
    assert "give one with head=" in table.table()


def test_volume_coil_has_no_local_limit():
    # Oracle: one informational row with the peak and its place, without limit and verdict.
    local = [c for c in run().rows if c.limit.quantity == "local SAR"]
    assert len(local) == 1
    assert (local[0].value, local[0].limit_value, local[0].verdict) == (30.0, None, "not evaluated")
    assert "x, y, z = -150.0, -150.0, -450.0 mm" in local[0].note


def test_the_average_is_computed_when_it_is_not_given():
    # Oracle: uniform SAR of 1 W/kg in 1 kg voxels: every voxel holds more than 10 g and the average is 1 W/kg.
    sar = replace(SAR, value=np.ones_like(SAR.value))
    (local,) = (c for c in run(sar=sar, average_10g=None, device="cpu").rows if c.limit.quantity == "local SAR")
    assert local.value == pytest.approx(1.0, rel=1e-6)


def test_local_coil_has_local_limits_by_region():
    # Oracle: without extremities 30 W/kg against 10; with the feet as extremities 30 against 20 and 8 against 10.
    table = run(coil_type="local")
    trunk, limbs = rows(table, "local SAR")
    assert (trunk.value, trunk.limit_value, trunk.verdict) == (30.0, 10.0, "above limit")
    assert limbs.verdict == "not evaluated"
    assert table.binding("normal") is trunk
    feet = np.zeros(BODY.grid.shape, bool)
    feet[:, :, 0] = True
    for table in (
        run(coil_type="local", extremities=feet),
        run(body=make_body({"extremities": feet, SMALL: top(1)}), coil_type="local"),
    ):
        trunk, limbs = rows(table, "local SAR")
        assert (trunk.value, trunk.limit_value, trunk.verdict) == (8.0, 10.0, "below limit")
        assert (limbs.value, limbs.limit_value, limbs.verdict) == (30.0, 20.0, "above limit")
        assert not limbs.limit.verified


def test_a_local_coil_is_judged_by_the_local_limits_alone():
    # Oracle: rows of volume coils have no limit there, so that none can bind; an array has both schemes.
    local, array, volume = (run(coil_type=kind) for kind in ("local", "array", "volume"))
    assert {c.limit.quantity for c in local.rows if c.limit.mode} == {"local SAR"}
    assert {(c.limit.quantity, c.limit_value, c.counted) for c in local.rows if not c.limit.mode} == {
        (q, None, False) for q in ("whole-body SAR", "partial-body SAR", "head SAR")
    }
    # 30 W/kg anywhere against 20 W/kg in the first level; the head at 3.0 / 3.2 binds for the volume coil.
    assert local.binding("first level").ratio == pytest.approx(30 / 20)
    assert volume.binding("first level").limit.quantity == "head SAR"
    quiet = {"average_10g": mass_average_of(np.ones_like(SAR.value))}
    assert run(coil_type="local", **quiet).binding("first level").ratio == pytest.approx(1 / 20)
    assert run(coil_type="array", **quiet).binding("first level").limit.quantity == "head SAR"
    both = [c for c in array.rows if c.limit.mode]
    assert len(both) == len([c for t in (local, volume) for c in t.rows if c.limit.mode])


@pytest.mark.parametrize(
    ("coil", "kind"),
    [
        (em.Loop(radius_m=0.05), "local"),
        (em.CapacitorLoop(radius_m=0.05), "local"),
        (em.Dipole(length_m=0.3), "local"),
        (em.CurrentElement(0.02), "local"),
        (em.LoopArray(elements=4, radius_m=0.14, length_m=0.16), "array"),
        (em.Birdcage(rungs=8, radius_m=0.15, length_m=0.2), "volume"),
        (em.PlaneWave(), "volume"),
        (COIL, "volume"),
    ],
)
def test_the_scheme_follows_from_the_coil(coil, kind):
    # Oracle: surface coils are local, arrays of them arrays, cages and waves volume coils; what is said wins.
    table = run(coil=coil)
    assert table.inputs["coil_type"] == kind
    assert ("coil" in table.inputs["coil_type_from"]) == (kind != "volume")
    assert run(coil=coil, coil_type="volume").inputs["coil_type"] == "volume"
    # An array that is called local leaves limits out, which is told.
    assert any("is an array" in n for n in run(coil=coil, coil_type="local").notes) == (kind == "array")


@pytest.mark.parametrize("coil_type", ["volume", "local", "array"])
def test_a_test_object_has_no_patient_limits(coil_type):
    # Oracle: two values without limits, 0.7 W/kg and the peak of the 10 g averages; patient=True asks for the limits.
    body = replace(BODY, test_object=True)
    table = run(body=body, coil_type=coil_type)
    assert [(c.limit.quantity, round(c.value, 6), c.limit_value, c.counted) for c in table.rows] == [
        ("SAR of the phantom", 0.7, None, False),
        ("local SAR", 30.0, None, False),
    ]
    assert table.modes == ()
    assert "no patient" in table.table()
    assert json.dumps(table.to_dict(), allow_nan=False)
    assert len(run(body=body, coil_type=coil_type, patient=True).rows) == len(run(coil_type=coil_type).rows)
    assert run(patient=False).modes == ()


def test_spheres_cylinders_and_gel_are_test_objects_and_bodies_are_not():
    # Oracle: what they are; the mark survives every change of the phantom and its file.
    objects = (
        em.phantoms.sphere(0.05, 0.01),
        em.phantoms.layered_sphere((0.03, 0.05), ("fat", "muscle"), 0.01),
        em.phantoms.cylinder(0.05, 0.1, 0.01),
        em.phantoms.gel_box(0.03),
    )
    for body in objects:
        assert body.test_object
        assert body.translate((0, 0, 0.1)).resample(0.02).crop_to_body(1).test_object
    assert not em.phantoms.layered_head(spacing_m=0.01).test_object
    assert not em.phantoms.stylised_adult(spacing_m=0.02).test_object


def test_voxels_that_are_not_cubes_are_averaged_too():
    # Oracle: ten grams are less than one of these voxels, so the peak average is the peak of the map.
    body = replace(make_body(), grid=Grid((4, 4, 10), (0.1, 0.1, 0.05)))
    sar = replace(SAR, grid=body.grid)
    for coil_type in ("volume", "array"):
        table = run(body=body, fields=make_fields(body), sar=sar, average_10g=None, coil_type=coil_type)
        local = [c for c in table.rows if c.limit.quantity == "local SAR"]
        found = [c.value for c in local if c.limit.region != "extremities" and c.value is not None]
        assert found
        assert found == pytest.approx([float(SAR.value.max())] * len(found))
        assert rows(table, "whole-body SAR")[0].value == pytest.approx(0.7)


@pytest.mark.parametrize("edition", ["2010+A2:2015", "2022"])
def test_table_names_edition_marks_and_sources_and_promises_nothing(edition):
    # Oracle: the wording rules: edition, verified or unverified, source, uncertainty; never the forbidden word.
    table = run(edition=edition, coil_type="array", relative_uncertainty=0.3)
    text = str(table)
    saved = json.dumps(table.to_dict())
    for word in (
        f"edition {edition}",
        "unverified",
        "  verified  " if edition != "2022" else "  inherited  ",
        "below limit",
        "above limit",
        "B1+rms",
        "Second level",
        "6 min",
        "10 s",
    ):
        assert word in text
    states = {c.limit.state for c in table.rows if c.limit.limit}
    assert states == {"unverified", "inherited" if edition == "2022" else "verified"}
    for forbidden in ("complian", "conform", "passed", "safe"):
        assert forbidden not in text.lower()
        assert forbidden not in saved.lower()
    (row,) = rows(table, "whole-body SAR")
    assert row.expanded_uncertainty == pytest.approx(0.21)
    assert json.loads(saved)["rows"][0]["uncertainty"] == pytest.approx(0.21)
    assert json.loads(saved)["rows"][json.loads(saved)["binding_row"]["normal"]]["quantity"] == "local SAR"


def test_uncertainty_is_unknown_unless_given():
    # Oracle: no number is made up.
    table = run()
    assert all(c.expanded_uncertainty is None for c in table.rows)
    assert "unknown" in table.table()


def test_silence_is_below_every_limit():
    # Oracle: zero SAR: ratio 0, margin 100 %, no finite dB, no permitted B1+.
    table = run(sar=replace(SAR, value=np.zeros_like(SAR.value)), average_10g=mass_average_of(SAR.value * 0))
    first = table.binding("normal")
    assert (first.ratio, first.margin_percent, first.margin_dB) == (0.0, 100.0, None)
    assert table.b1plus_rms_limit_T("normal") is None
    assert table.table()
    json.dumps(table.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sar": replace(SAR, value=SAR.value * np.nan)}, "not finite"),
        ({"standard": "IEC 60601-2-34"}, "IEC 60601-2-33"),
        ({"edition": "2002"}, r"2010\+A2:2015"),
        ({"coil_type": "head"}, "volume"),
        ({"duty_cycle": 0.0}, "duty_cycle"),
        ({"duty_cycle": 1.5}, "duty_cycle"),
        ({"duty_cycle": 0.5, "duty_cycle_10s": 0.4}, "at least duty_cycle"),
        ({"ambient_degC": math.nan}, "ambient_degC"),
        ({"ambient_degC": 300.0}, "ambient_degC"),
        ({"relative_uncertainty": -0.1}, "relative_uncertainty"),
        ({"patient_mass_kg": math.inf}, "patient_mass_kg"),
        ({"head": np.ones((2, 2, 2), bool)}, "not a mask"),
        ({"exposed": np.zeros((4, 4, 10), bool)}, "holds no tissue"),
        ({"extremities": np.ones((4, 4, 10)), "coil_type": "local"}, "not a mask"),
        ({"average_10g": mass_average_of(np.zeros((2, 2, 2)))}, "not a 10 g average"),
        ({"average_10g": mass_average_of(SAR.value, 1e-3)}, "not a 10 g average"),
        (
            {
                "fields": replace(
                    FIELDS, ports=("a", "b"), E=np.tile(FIELDS.E, (2, 1, 1, 1, 1)), B=np.tile(FIELDS.B, (2, 1, 1, 1, 1))
                )
            },
            r"call \.drive",
        ),
    ],
)
def test_bad_input_is_one_line(options, message):
    # Oracle: InputError that names the field or lists the choices.
    with pytest.raises(InputError, match=message) as error:
        run(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("voxels", "patient"), [(53, True), (54, False)])
def test_a_third_of_the_mass_in_the_head_is_no_patient(voxels, patient):
    # Oracle: the rule, one third of 160 voxels of 1 kg, from both sides.
    mask = np.zeros((4, 4, 10), bool)
    mask.reshape(-1)[:voxels] = True
    (row,) = rows(run(body=make_body({"head all": mask})), "whole-body SAR")
    assert (row.verdict == "below limit") == patient


@pytest.mark.parametrize(("mass", "bound"), [(161.5, False), (161.7, True)])
def test_a_patient_one_percent_heavier_makes_the_value_a_lower_bound(mass, bound):
    # Oracle: the rule, 1 % above 160 kg; the value is over the mass given either way.
    (row,) = rows(run(patient_mass_kg=mass), "whole-body SAR")
    assert ("lower bound" in row.note) == bound
    assert row.value == pytest.approx(112.0 / mass)


@pytest.mark.parametrize(("factor", "accepted"), [(1 - 0.9e-6, True), (1 - 1.1e-6, False)])
def test_a_patient_is_not_lighter_than_the_phantom(factor, accepted):
    # Oracle: the rule, to a millionth.
    if accepted:
        run(patient_mass_kg=BODY.mass_kg * factor)
    else:
        with pytest.raises(InputError, match="lighter than the phantom"):
            run(patient_mass_kg=BODY.mass_kg * factor)


@pytest.mark.parametrize(("off", "accepted"), [(0.9e-6, True), (1.1e-6, False), (-1.1e-6, False)])
def test_ten_grams_are_ten_grams(off, accepted):
    # Oracle: the rule, to a millionth of 10 g.
    other = mass_average_of(2 * SAR.value, 10e-3 * (1 + off))
    if accepted:
        assert run(average_10g=other).rows
    else:
        with pytest.raises(InputError, match="not a 10 g average"):
            run(average_10g=other)


@pytest.mark.parametrize("value", [-51.0, 61.0, math.nan])
def test_ambient_temperatures_are_earthly(value):
    # Oracle: the rule, -50 to 60 degC, ends included.
    with pytest.raises(InputError, match="number out of range"):
        run(ambient_degC=value)
    for end in (-50.0, 60.0):
        run(ambient_degC=end)


@pytest.mark.parametrize(("value", "verdict"), [(1 - 1e-12, "below"), (1.0, "below"), (1 + 1e-12, "above")])
def test_equality_is_below(value, verdict):
    # Oracle: definition of the verdict.
    row = replace(rows(run(), "whole-body SAR")[0], value=value, limit_value=1.0)
    assert row.verdict == f"{verdict} limit"


def test_a_row_counts_unless_told_otherwise():
    # Oracle: the default of a row, and what binds among rows that do not say.
    limit = rows(run(), "whole-body SAR")[0].limit
    low, high = Check(limit, "one", 0.5, 2.0), Check(limit, "other", 1.5, 2.0)
    table = Checks("s", "e", (low, high), 1e-6, "somewhere")
    assert table.binding("normal") is high
    assert table.b1plus_rms_limit_T("normal") == pytest.approx(1e-6 / math.sqrt(0.75))
    assert Checks("s", "e", (low, replace(high, counted=False)), 1e-6, "").binding("normal") is low


def test_every_mode_is_told_of_though_nothing_was_evaluated():
    # Oracle: one line per mode; a mode without a number does not hide the next.
    first, second = rows(run(), "whole-body SAR")[0].limit, rows(run(), "whole-body SAR", "first level")[0].limit
    text = Checks("s", "e", (Check(first, "a", None, 2.0), Check(second, "b", 1.0, 4.0)), None, "").table()
    assert "normal: no limit was evaluated" in text
    assert "first level: first to bind is whole-body SAR, b, 6 min at 25.0 % of its limit" in text
