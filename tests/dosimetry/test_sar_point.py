"""Point SAR: exact in uniform fields, energy conserving, ordered by rule."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose.dosimetry.power import absorbed_power, power_report, tissue_sar
from emdose.dosimetry.sar import (
    RULES,
    SarMap,
    mean_square,
    peak,
    point_sar,
    region_sar,
    whole_body_sar,
)
from emdose.errors import InputError
from emdose.models.grids.grid import Grid


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_uniform_field_in_uniform_tissue_is_exact(made_up, rule, dtype):
    # Oracle: sigma E^2 / (2 rho) with E^2 = 3^2 + 4^2 + abs(12j)^2 = 169, closed form.
    phantom = made_up.phantom(np.ones((4, 5, 6)))
    E = np.empty((1, 3, *phantom.grid.node_shape), dtype)
    E[0, 0], E[0, 1], E[0, 2] = 3, 4, 12j
    sar = point_sar(made_up.fields(phantom, E), phantom, rule)
    expected = 0.7 * 169 / (2 * 1050)
    np.testing.assert_allclose(sar.value, expected, rtol=1e-6)
    assert sar.rule == rule
    assert sar.value.dtype == np.dtype(dtype).type(0).real.dtype
    assert whole_body_sar(sar) == pytest.approx(expected, rel=1e-6)


def test_linear_profile_gives_the_three_integrals(made_up):
    # Oracle: E_x = a y in a voxel of size h at y_c. mid-ordinate (a y_c)^2; linear a^2 (y_c^2 + h^2/12), the true
    # mean; trapezium a^2 (y_c^2 + h^2/4).
    phantom = made_up.phantom(np.ones((3, 8, 3)))
    grid, a = phantom.grid, 250.0
    E = np.zeros((1, 3, *grid.node_shape), complex)
    E[0, 0] = a * grid.nodes(1)[None, :, None]
    y, h = grid.centres(1)[None, :, None], grid.spacing_m[1]
    for rule, extra in (("mid-ordinate", 0.0), ("linear", h**2 / 12), ("trapezium", h**2 / 4)):
        np.testing.assert_allclose(
            mean_square(E[0], rule), np.broadcast_to(a**2 * (y**2 + extra), grid.shape), rtol=1e-12
        )


def test_linear_rule_is_the_integral_of_the_bilinear_interpolant(made_up):
    # Oracle: 3 x 3 Gauss quadrature of abs(bilinear interpolant)^2, exact for this polynomial.
    phantom = made_up.phantom(np.ones((3, 4, 5)))
    E = made_up.E(phantom, seed=3)[0]
    t, w = np.polynomial.legendre.leggauss(3)
    t, w = 0.5 * (t + 1), 0.5 * w
    expected = np.zeros(phantom.grid.shape)
    for c in range(3):
        first, second = (ax for ax in range(3) if ax != c)
        e = np.moveaxis(E[c], (c, first, second), (0, 1, 2))[:-1]
        part = np.zeros((e.shape[0], e.shape[1] - 1, e.shape[2] - 1))
        for u, wu in zip(t, w, strict=True):
            for v, wv in zip(t, w, strict=True):
                value = (
                    (1 - u) * (1 - v) * e[:, :-1, :-1]
                    + u * (1 - v) * e[:, 1:, :-1]
                    + (1 - u) * v * e[:, :-1, 1:]
                    + u * v * e[:, 1:, 1:]
                )
                part += wu * wv * np.abs(value) ** 2
        expected += np.moveaxis(part, (0, 1, 2), (c, first, second))
    np.testing.assert_allclose(mean_square(E, "linear"), expected, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.complex128, 1e-6), (np.complex64, 1e-4)])
def test_trapezium_conserves_the_power_of_the_edges(made_up, mixed, dtype, tolerance):
    # Oracle: conservation, against edge sums written as plain loops (fields.power of the test double).
    fields = made_up.fields(mixed, made_up.E(mixed, seed=1, dtype=dtype))
    sar = point_sar(fields, mixed)
    absorbed = fields.power.power()["absorbed_W"]
    assert sar.power_W() == pytest.approx(absorbed, rel=tolerance)
    assert absorbed_power(fields, mixed) == pytest.approx(absorbed, rel=tolerance)
    report = power_report(fields, mixed, sar)
    assert report.map_W == pytest.approx(report.edge_absorbed_W, rel=tolerance)
    assert report.closure == pytest.approx(0, abs=1e-12)
    assert sum(row.power_W for row in report.tissues) == pytest.approx(absorbed, rel=tolerance)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), smooth=st.booleans())
def test_rules_are_ordered_in_every_voxel(made_up, mixed, seed, smooth):
    # Oracle: convexity of abs(.)^2 (Jensen): trapezium >= linear >= mid-ordinate.
    E = made_up.E(mixed, seed=seed)
    if smooth:
        E = np.cumsum(np.cumsum(E, axis=-1), axis=-2)
    trapezium, linear, middle = (mean_square(E[0], rule) for rule in ("trapezium", "linear", "mid-ordinate"))
    slack = 1e-12 * trapezium.max()
    assert (trapezium >= linear - slack).all()
    assert (linear >= middle - slack).all()
    assert (middle >= 0).all()


@settings(max_examples=25, deadline=None)
@given(
    magnitude=st.floats(1e-3, 1e3),
    angle=st.floats(-3.2, 3.2),
    rule=st.sampled_from(RULES),
)
def test_sar_grows_with_the_square_of_the_drive(made_up, mixed, magnitude, angle, rule):
    # Oracle: SAR(c E) = abs(c)^2 SAR(E); the phase of the drive is irrelevant.
    E = made_up.E(mixed, seed=5)
    one = point_sar(made_up.fields(mixed, E), mixed, rule)
    driven = made_up.fields(mixed, E).drive([magnitude * np.exp(1j * angle)])
    np.testing.assert_allclose(point_sar(driven, mixed, rule).value, magnitude**2 * one.value, rtol=1e-9)


def test_background_has_no_sar_and_no_mass(made_up, mixed):
    # Oracle: mass per tissue from voxel counts.
    sar = point_sar(made_up.fields(mixed, made_up.E(mixed)), mixed)
    assert (sar.value[~mixed.body] == 0).all()
    assert sar.mass_kg() == pytest.approx(mixed.mass_kg, rel=1e-6)
    rows = {row.tissue: row for row in tissue_sar(sar, mixed)}
    assert {k: row.mass_kg for k, row in rows.items()} == pytest.approx(mixed.tissue_mass(), rel=1e-6)
    for label, tissue in enumerate(mixed.tissues[1:], 1):
        inside = mixed.labels == label
        assert rows[tissue.name].sar_W_kg == pytest.approx(sar.value[inside].mean(), rel=1e-6)
        assert rows[tissue.name].peak_sar_W_kg == pytest.approx(sar.value[inside].max(), rel=1e-6)
        assert region_sar(sar, inside) == pytest.approx(sar.value[inside].mean(), rel=1e-6)


def test_peak_says_where_and_in_which_tissue(made_up, mixed):
    # Oracle: a map with one planted maximum.
    values = np.zeros(mixed.grid.shape)
    index = tuple(int(i) for i in np.argwhere(mixed.labels == 2)[3])
    values[index] = 5.0
    values[tuple(np.argwhere(~mixed.body)[0])] = 9.0
    values[tuple(np.argwhere(mixed.labels == 1)[0])] = np.nan
    at = peak(values, mixed)
    assert (at.value, at.index, at.tissue) == (5.0, index, "bone_like")
    assert mixed.grid.index_of(at.location_m) == index
    assert peak(values, mixed, mixed.labels == 3).value == 0.0
    with pytest.raises(InputError, match="no finite value"):
        peak(values, mixed, ~mixed.body)


def test_fields_of_several_ports_are_refused(made_up, mixed):
    # Oracle: the convention that SAR belongs to a drive, not to ports.
    with pytest.raises(InputError, match=r"call \.drive"):
        point_sar(made_up.fields(mixed, made_up.E(mixed, ports=2)), mixed)


def test_unknown_rule_and_other_grid_are_refused(made_up, mixed):
    # Oracle: one-line errors that name what is accepted.
    fields = made_up.fields(mixed, made_up.E(mixed))
    with pytest.raises(InputError, match="trapezium"):
        point_sar(fields, mixed, "simpson")
    with pytest.raises(InputError, match="different grids"):
        point_sar(fields, mixed.translate((1e-3, 0, 0)))
    with pytest.raises(InputError, match="different grids"):
        point_sar(fields, made_up.phantom(np.ones((2, 2, 2))))


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
@pytest.mark.parametrize("name", ["density", "conductivity"])
def test_unusable_tissue_values_are_refused_with_the_tissue(made_up, mixed, name, bad):
    # Oracle: density must be > 0 and conductivity >= 0 and finite in tissue; 0 S/m is fine.
    values = {"density": mixed.density.copy(), "conductivity": mixed.conductivity(1e8).copy()}
    values[name][mixed.labels == 2] = bad
    double = SimpleNamespace(
        grid=mixed.grid,
        body=mixed.body,
        labels=mixed.labels,
        tissues=mixed.tissues,
        density=values["density"],
        conductivity=lambda f: values["conductivity"],
    )
    fields = made_up.fields(mixed, made_up.E(mixed))
    if name == "conductivity" and bad == 0.0:
        assert (point_sar(fields, double).value[mixed.labels == 2] == 0).all()
    else:
        with pytest.raises(InputError, match=f"bone_like.*{name}"):
            point_sar(fields, double)


def test_masks_must_be_masks_and_hold_tissue(made_up, mixed):
    # Oracle: one-line errors.
    sar = point_sar(made_up.fields(mixed, made_up.E(mixed)), mixed)
    with pytest.raises(InputError, match="not a mask"):
        region_sar(sar, mixed.labels)
    with pytest.raises(InputError, match="not a mask"):
        region_sar(sar, np.ones((2, 2, 2), bool))
    with pytest.raises(InputError, match="holds no tissue"):
        region_sar(sar, ~mixed.body)
    with pytest.raises(InputError, match="does not fit the grid"):
        SarMap(np.zeros((2, 2, 2)), "linear", mixed.grid, mixed.density)


def test_provenance_of_drive_and_scale_stays_with_the_map(made_up, mixed):
    # Oracle: what the fields carry.
    fields = made_up.fields(mixed, made_up.E(mixed, ports=2)).drive("all").scale(absorbed_power_W=2.0)
    sar = point_sar(fields, mixed)
    assert sar.provenance["scale"]["target"] == "absorbed_power_W"
    assert sar.provenance["drive"]["name"] == "all"
    assert sar.power_W() == pytest.approx(2.0, rel=1e-9)
    assert replace(sar, rule="linear").rule == "linear"


def test_one_unusable_voxel_is_enough_and_named(made_up, mixed):
    # Oracle: the tissue and the value of the only bad voxel.
    density = mixed.density.copy()
    where = tuple(int(i) for i in np.argwhere(mixed.labels == 2)[-1])
    density[where] = -7.0
    double = SimpleNamespace(
        grid=mixed.grid,
        body=mixed.body,
        labels=mixed.labels,
        tissues=mixed.tissues,
        density=density,
        conductivity=mixed.conductivity,
    )
    with pytest.raises(InputError, match=rf"{mixed.tissues[2].name}.*density unusable in 1 tissue voxels; found -7"):
        point_sar(made_up.fields(mixed, made_up.E(mixed)), double)


@pytest.mark.parametrize(
    ("stretch", "moved", "same"), [(0.9e-6, 0.0, True), (1.1e-6, 0.0, False), (0.0, 0.9e-6, True), (0.0, 1.1e-6, False)]
)
def test_grids_agree_to_a_millionth(made_up, mixed, stretch, moved, same):
    # Oracle: the rule, for the voxels along one axis and the origin in voxels.
    fields = made_up.fields(mixed, made_up.E(mixed))
    spacing = np.array(mixed.spacing_m) * (1, 1 + stretch, 1)
    origin = np.array(mixed.grid.origin_m) + moved * min(mixed.spacing_m)
    other = replace(mixed, grid=Grid(mixed.grid.shape, tuple(spacing), tuple(origin)))
    if same:
        assert point_sar(fields, other).power_W() == pytest.approx(point_sar(fields, mixed).power_W(), rel=1e-5)
    else:
        with pytest.raises(InputError, match="different grids"):
            point_sar(fields, other)


def test_tissues_of_a_part(made_up, mixed):
    # Oracle: sums over the voxels of the part that are body, by hand; the parts make the whole.
    sar = point_sar(made_up.fields(mixed, made_up.E(mixed)), mixed)
    part = np.zeros(mixed.grid.shape, bool)
    part[:3] = True
    whole, one, other = (tissue_sar(sar, mixed, m) for m in (None, part, ~part))
    dV = mixed.grid.voxel_volume_m3
    for n, (all_of_it, here, there) in enumerate(zip(whole, one, other, strict=True), 1):
        own = part & (mixed.labels == n)
        assert here.mass_kg == pytest.approx(own.sum() * mixed.tissues[n].density_kg_m3 * dV, rel=1e-6)
        assert here.power_W == pytest.approx((sar.value * mixed.density)[own].sum() * dV, rel=1e-6)
        assert here.peak_sar_W_kg == pytest.approx(sar.value[own].max())
        assert here.power_W + there.power_W == pytest.approx(all_of_it.power_W)
        assert here.volume_m3 + there.volume_m3 == pytest.approx(all_of_it.volume_m3)
