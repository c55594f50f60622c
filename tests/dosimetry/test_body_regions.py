"""Head and exposed mass: what belongs to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose.dosimetry.regions import deposition_slab, head_regions, region, within_coil
from emdose.dosimetry.sar import SarMap, point_sar
from emdose.errors import InputError


@settings(max_examples=60, deadline=None)
@given(
    power=st.lists(st.floats(0, 10), min_size=1, max_size=9).filter(lambda p: sum(p) > 1e-3),
    fraction=st.floats(0.05, 1.0),
)
def test_slab_is_the_thinnest_that_holds_the_share(made_up, power, fraction):
    # Oracle: brute force over all slabs.
    phantom = made_up.phantom(np.ones((1, 1, len(power))))
    sar = SarMap(np.array(power)[None, None, :], "trapezium", phantom.grid, phantom.density)
    slab = deposition_slab(sar, phantom, fraction)
    inside = np.flatnonzero(slab.mask.any((0, 1)))
    assert (np.diff(inside) == 1).all()
    assert sum(power[k] for k in inside) >= fraction * sum(power) * (1 - 1e-9)
    n, need = len(power), fraction * sum(power) * (1 + 1e-9)
    thinner = [sum(power[a : a + t]) for t in range(1, len(inside)) for a in range(n - t + 1)]
    assert all(p < need for p in thinner)
    assert slab.mass_kg == pytest.approx(len(inside) * 1050 * phantom.grid.voxel_volume_m3, rel=1e-6)


def test_body_inside_the_coil_counts_voxel_centres(made_up):
    # Oracle: 4 mm layers with centres at -10, -6, -2, 2, 6, 10 mm; between -6 and 3 mm lie three of them.
    phantom = made_up.phantom(np.ones((2, 2, 6)))
    part = within_coil(phantom, -6e-3 - 1e-9, 3e-3)
    assert np.flatnonzero(part.mask.any((0, 1))).tolist() == [1, 2, 3]
    assert part.mass_kg == pytest.approx(phantom.mass_kg / 2)
    assert "z = -0.006 to 0.003 m" in part.definition
    with pytest.raises(InputError, match="holds no tissue"):
        within_coil(phantom, 1.0, 2.0)


def test_heads_are_the_named_regions_smallest_first(made_up):
    # Oracle: masses by counting voxels.
    whole, small = np.ones((2, 2, 4), bool), np.zeros((2, 2, 4), bool)
    small[:, :, 2:] = True
    phantom = made_up.phantom(
        whole.astype(int), regions={"head to neck": whole, "Head to chin": small, "brain": small, "head empty": ~whole}
    )
    found = head_regions(phantom)
    assert [(h.name, h.mass_kg) for h in found] == [
        ("Head to chin", pytest.approx(phantom.mass_kg / 2)),
        ("head to neck", pytest.approx(phantom.mass_kg)),
    ]


def test_region_keeps_tissue_only(made_up, mixed):
    # Oracle: mask and body.
    everything = region(mixed, "all", np.ones(mixed.grid.shape, bool))
    np.testing.assert_array_equal(everything.mask, mixed.body)
    assert everything.to_dict() == {
        "name": "all",
        "definition": "mask given by the user",
        "mass_kg": pytest.approx(mixed.mass_kg),
    }
    with pytest.raises(InputError, match="holds no tissue"):
        region(mixed, "air", ~mixed.body)


def test_slab_without_power_or_with_bad_share_is_refused(made_up, mixed):
    # Oracle: one-line errors.
    silent = point_sar(made_up.fields(mixed, np.zeros_like(made_up.E(mixed))), mixed)
    with pytest.raises(InputError, match="nothing is absorbed"):
        deposition_slab(silent, mixed)
    for share in (0.0, 1.1, np.nan):
        with pytest.raises(InputError, match="share of the power"):
            deposition_slab(silent, mixed, share)


def test_all_of_the_power_takes_all_layers_with_power(made_up):
    # Oracle: a share of one is allowed; silent layers at the ends do not belong.
    phantom = made_up.phantom(np.ones((1, 1, 5)))
    power = np.array([0.0, 1.0, 0.5, 2.0, 0.0])
    slab = deposition_slab(SarMap(power[None, None], "trapezium", phantom.grid, phantom.density), phantom, 1.0)
    assert np.flatnonzero(slab.mask.any((0, 1))).tolist() == [1, 2, 3]
