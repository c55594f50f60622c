"""Normalisation of fields: every target is met exactly, and SAR follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose import validity
from emdose.dosimetry.sar import point_sar, whole_body_sar
from emdose.errors import InputError


@pytest.fixture(scope="module")
def body(made_up):
    """A body off the grid's ends, 6 x 6 x 8 voxels with the isocentre inside."""
    labels = np.zeros((6, 6, 8), int)
    labels[1:5, 1:4, 2:7] = 1
    return made_up.phantom(labels)


def rotating(phantom, amplitude):
    """B on faces with Bx = a, By = -j a, so that B1+ = a and B1- = 0; ``amplitude`` per z face layer or a number."""
    B = np.zeros((1, 3, *phantom.grid.node_shape), complex)
    B[0, 0] = amplitude
    B[0, 1] = -1j * np.asarray(amplitude)
    return B


def test_circular_and_linear_b1_have_closed_forms(made_up, body):
    # Oracle: B1+ = (Bx + j By)/2; a field turning with B1+ has abs(B1+) = a, abs(B1-) = 0; a linear one a/2 each.
    E = made_up.E(body)
    turning = made_up.fields(body, E, rotating(body, 3e-6))
    np.testing.assert_allclose(turning.b1plus()[0], 3e-6, rtol=1e-12)
    np.testing.assert_allclose(turning.b1minus()[0], 0, atol=1e-20)
    B = np.zeros_like(E)
    B[0, 0] = 3e-6
    linear = made_up.fields(body, E, B)
    np.testing.assert_allclose(np.abs(linear.b1plus()), 1.5e-6, rtol=1e-12)
    np.testing.assert_allclose(np.abs(linear.b1minus()), 1.5e-6, rtol=1e-12)


def regions(body):
    """Names of ``over`` and the same voxels as an index."""
    head = np.zeros(body.grid.shape, bool)
    head[2:4, 1:3, 5:7] = True
    inside_slice = np.zeros(body.grid.shape, bool)
    inside_slice[:, :, 4] = body.body[:, :, 4]
    point = np.zeros(body.grid.shape, bool)
    point[2, 1, 6] = True
    iso = np.zeros(body.grid.shape, bool)
    iso[3, 3, 4] = True
    centre = tuple(body.grid.centres(a)[i] for a, i in enumerate((2, 1, 6)))
    return {
        "isocentre": ("isocentre", iso),
        "slice": ("slice", inside_slice),
        "body": ("body", body.body),
        "mask": (head, head),
        "point": (centre, point),
        "point array": (np.array(centre), point),
    }


@pytest.mark.parametrize("over", ["isocentre", "slice", "body", "mask", "point", "point array"])
def test_mean_b1plus_over_the_region_is_the_target(made_up, body, over):
    # Oracle: mean of abs(B1+) over the voxels, with B1+ growing along z as 1 + layer (a face in x or y lies in
    # the middle of its layer, so the voxel value is that of the layer).
    amplitude = (1.0 + np.arange(body.grid.node_shape[2]))[None, None, :] * 1e-7
    fields = made_up.fields(body, made_up.E(body), rotating(body, amplitude))
    argument, mask = regions(body)[over]
    scaled = fields.scale(b1plus_rms_T=2e-6, over=argument)
    assert np.abs(scaled.b1plus()[0])[mask].mean() == pytest.approx(2e-6, rel=1e-12)
    k = np.argwhere(mask)[:, 2]
    assert scaled.provenance["scale"]["factor"] == pytest.approx(2e-6 / np.mean(1e-7 * (1.0 + k)), rel=1e-12)
    ratio = scaled.provenance["scale"]["factor"] ** 2
    np.testing.assert_allclose(point_sar(scaled, body).value, ratio * point_sar(fields, body).value, rtol=1e-9)
    for name, value in fields.power.power().items():
        if name != "closure":
            assert scaled.power.power()[name] == pytest.approx(ratio * value, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(target=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_power_and_sar_targets_are_met(made_up, body, target, seed):
    # Oracle: SAR = P / m with the mass of the phantom, and P proportional to the square of the fields.
    fields = made_up.fields(body, made_up.E(body, seed=seed))
    assert whole_body_sar(point_sar(fields.scale(whole_body_sar_W_kg=target), body)) == pytest.approx(target, rel=1e-6)
    for name in ("absorbed_power_W", "input_power_W"):
        assert point_sar(fields.scale(**{name: target}), body).power_W() == pytest.approx(target, rel=1e-6)


def test_scaling_twice_forgets_the_first(made_up, body):
    # Oracle: the second target holds, whatever came before.
    fields = made_up.fields(body, made_up.E(body), rotating(body, 1e-6))
    a = fields.scale(whole_body_sar_W_kg=3.2).scale(b1plus_rms_T=2e-6)
    b = fields.scale(b1plus_rms_T=2e-6)
    np.testing.assert_allclose(a.E, b.E, rtol=1e-12)
    assert a.provenance["scale"]["target"] == "b1plus_rms_T"


def test_a_new_drive_drops_the_scale(made_up, body):
    # Oracle: after drive([2]) the fields are no longer at the target, so they must not claim to be.
    fields = made_up.fields(body, made_up.E(body), rotating(body, 1e-6)).scale(b1plus_rms_T=2e-6)
    again = fields.drive([2.0])
    assert np.abs(again.b1plus()[0, 3, 3, 4]) == pytest.approx(4e-6)
    assert "scale" not in again.provenance


def test_single_precision_stays_single(made_up, body):
    # Oracle: dtype.
    fields = made_up.fields(body, made_up.E(body, dtype=np.complex64), rotating(body, 1e-6).astype(np.complex64))
    scaled = fields.drive("all").scale(b1plus_rms_T=2e-6)
    assert scaled.E.dtype == scaled.B.dtype == np.complex64
    assert point_sar(scaled, body).value.dtype == np.float32


def test_a_drive_against_the_sense_of_b1plus_is_refused_unless_it_is_named(made_up, body):
    # Oracle: the share that is put there: abs(B1+)^2 over abs(B1+)^2 + abs(B1-)^2 of two circular fields.
    E, turning = made_up.E(body), rotating(body, 1e-6)

    def with_share(share):
        return made_up.fields(body, E, np.sqrt(share) * turning + np.sqrt(1 - share) * np.conj(turning))

    limit = validity.THRESHOLDS["b1plus_share"].not_valid
    for share in (0.5, 0.45, limit + 1e-6):
        told = with_share(share).scale(b1plus_rms_T=2e-6).provenance["scale"]
        assert told["b1plus_share"] == pytest.approx(share, rel=1e-9)
        assert told["b1plus_air"] == 0.0
    for share in (limit - 1e-6, 0.007):
        fields = with_share(share)
        with pytest.raises(InputError, match=r"B1\+ where it is scaled is .* accept = .*b1plus_share"):
            fields.scale(b1plus_rms_T=2e-6)
        named = fields.scale(b1plus_rms_T=2e-6, accept=["b1plus_share"])
        assert np.abs(named.b1plus()[0, 3, 3, 4]) == pytest.approx(2e-6)
        judged = validity.judge(named.measures(), ["b1plus_share"])
        assert "b1plus_share" in [f.name for f in judged.findings]
        assert "b1plus_share" not in [
            f.name for f in validity.judge(fields.scale(absorbed_power_W=1.0).measures()).findings
        ]


def test_b1plus_is_not_scaled_in_air_unless_that_is_named(made_up, body):
    # Oracle: voxel (0, 0, 0) is air; a mask may hold less air than the table says.
    fields = made_up.fields(body, made_up.E(body), rotating(body, 1e-6))
    corner = tuple(float(body.grid.centres(a)[0]) for a in range(3))
    everywhere = np.ones(body.grid.shape, bool)
    assert 1 - body.body.mean() > validity.THRESHOLDS["b1plus_air"].not_valid
    for over in (corner, everywhere):
        with pytest.raises(InputError, match=r"air in the region .* accept = .*b1plus_air"):
            fields.scale(b1plus_rms_T=2e-6, over=over)
        assert fields.scale(b1plus_rms_T=2e-6, over=over, accept=["b1plus_air"]).is_driven
    little = body.body.copy()
    little[0, 0, 0] = True
    scaled = fields.scale(b1plus_rms_T=2e-6, over=little)
    assert scaled.provenance["scale"]["b1plus_air"] == pytest.approx(1 / little.sum())
    with pytest.raises(InputError, match="did you mean 'b1plus_air'"):
        fields.scale(b1plus_rms_T=2e-6, accept=["b1plus_aire"])


def test_impossible_targets_are_refused(made_up, body):
    # Oracle: one-line errors that name the field.
    fields = made_up.fields(body, made_up.E(body), rotating(body, 1e-6))
    with pytest.raises(InputError, match="exactly one"):
        fields.scale()
    with pytest.raises(InputError, match="exactly one"):
        fields.scale(b1plus_rms_T=1e-6, absorbed_power_W=1.0)
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="b1plus_rms_T"):
            fields.scale(b1plus_rms_T=bad)
    with pytest.raises(InputError, match="unknown region"):
        fields.scale(b1plus_rms_T=1e-6, over="head")
    with pytest.raises(InputError, match="outside the grid"):
        fields.scale(b1plus_rms_T=1e-6, over=(1.0, 0.0, 0.0))
    with pytest.raises(InputError, match="region is empty"):
        fields.scale(b1plus_rms_T=1e-6, over=np.zeros(body.grid.shape, bool))
    with pytest.raises(InputError, match="fit the grid"):
        fields.scale(b1plus_rms_T=1e-6, over=np.ones((2, 2, 2), bool))
    for over in (None, (0.0, 0.0), (0.0, 0.0, np.nan), np.ones(body.grid.shape)):
        with pytest.raises(InputError, match="not a point"):
            fields.scale(b1plus_rms_T=1e-6, over=over)
    silent = made_up.fields(body, np.zeros_like(fields.E))
    for name in ("b1plus_rms_T", "whole_body_sar_W_kg", "absorbed_power_W", "input_power_W"):
        with pytest.raises(InputError, match="zero"):
            silent.scale(**{name: 1.0})
    with pytest.raises(InputError, match=r"call \.drive"):
        made_up.fields(body, made_up.E(body, ports=2)).scale(absorbed_power_W=1.0)
