"""Labelled arrays: the numbers of the value, at the places where they are, with their units.

Oracle: a linear function of the place, which only true coordinates give back, and the value's own arrays.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_implant import made_up_implant

import emdose as em
from emdose.io.maps.labelled import known
from emdose.solvers.results.fields import PowerBalance

xarray = pytest.importorskip("xarray")

GRID = em.Grid((4, 5, 6), (1e-3, 2e-3, 3e-3), (0.1, -0.2, 0.3))
SLOPE = np.array([1.0, 10.0, 100.0])


def linear(points: tuple[Any, Any, Any]) -> np.ndarray:
    return sum(np.broadcast_arrays(*(s * p for s, p in zip(SLOPE, points, strict=True))))  # type: ignore[arg-type]


def made_fields() -> em.Fields:
    """Every component is the same linear function of the place where it lives."""
    E = np.stack([linear(GRID.edge_points(c)) for c in range(3)])[None] * np.array([1, 2j])[:, None, None, None, None]
    B = np.stack([linear(GRID.face_points(c)) for c in range(3)])[None] * np.array([3, 4j])[:, None, None, None, None]
    one = np.eye(2, dtype=complex)
    body = np.ones(GRID.shape, bool)
    power = PowerBalance(one, one, one)
    return em.Fields(GRID, 128e6, E, B, body, 1.0, power, ("a", "b"), {}, "A", np.zeros(2))


def at(array: Any) -> np.ndarray:
    """The linear function at the coordinates of a labelled array."""
    spatial = [d for d in array.dims if d[0] in "xyz"]
    return linear(np.meshgrid(*(array[d].values for d in spatial), indexing="ij"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["E_x", "E_y", "E_z", "B_x", "B_y", "B_z"])
def test_components_are_where_they_live(name: str) -> None:
    array = em.to_xarray(made_fields())[name]
    factor = {"E": (1, 2j), "B": (3, 4j)}[name[0]]
    assert array.dims[0] == "port"
    for port, f in zip("ab", factor, strict=True):
        np.testing.assert_allclose(array.sel(port=port).values, f * at(array), rtol=1e-12)
    assert array.attrs["units"] == {"E": "V/m per A", "B": "T per A"}[name[0]]
    assert all(array[d].attrs["units"] == "m" for d in array.dims[1:])


def test_staggered_axes_are_said() -> None:
    data = em.to_xarray(made_fields())
    assert data["E_x"].dims == ("port", "x", "y_node", "z_node")
    assert data["B_x"].dims == ("port", "x_node", "y", "z")
    np.testing.assert_allclose(data["x"], GRID.centres(0))
    np.testing.assert_allclose(data["x_node"], GRID.nodes(0))
    assert data.attrs["frequency_Hz"] == 128e6


def test_means_at_the_centres_on_request() -> None:
    """A linear function is its own mean."""
    data = em.to_xarray(made_fields(), ["E", "b1plus"])
    assert set(data) == {"E", "b1plus"}
    assert data["E"].dims == ("port", "component", "x", "y", "z")
    np.testing.assert_allclose(data["E"].sel(port="a", component="y").values, at(data["b1plus"]), rtol=1e-12)
    np.testing.assert_allclose(data["b1plus"].sel(port="a"), 0.5 * (3 + 3j) * at(data["b1plus"]), rtol=1e-12)


def test_voxel_maps_keep_numbers_places_and_units() -> None:
    value = linear(GRID.centre_points())
    sar = em.SarMap(value, "linear", GRID, np.ones(GRID.shape))
    data = em.to_xarray(sar)
    np.testing.assert_array_equal(data["value"].values, at(data["value"]))
    assert data["value"].attrs["units"] == "W/kg"
    assert data["density"].attrs["units"] == "kg/m^3"
    assert np.shares_memory(data["value"].values, sar.value)
    with pytest.raises(ValueError, match="read-only"):
        data["value"].values[0] = 1


def test_an_average_takes_the_grid_it_is_given() -> None:
    average = em.MassAverage(np.ones(GRID.shape), np.ones(GRID.shape, np.uint8), np.ones(GRID.shape), 1e-2)
    assert not em.to_xarray(average).coords
    np.testing.assert_allclose(em.to_xarray(average, grid=GRID)["z"], GRID.centres(2))
    with pytest.raises(em.InputError, match="grid does not fit the value"):
        em.to_xarray(average, grid=em.Grid((3, 3, 3), 1e-3))
    with pytest.raises(em.InputError, match="knows its voxels"):
        em.to_xarray(em.SarMap(np.ones(GRID.shape), "linear", GRID, np.ones(GRID.shape)), grid=GRID)


def test_power_tensors_and_networks() -> None:
    tensor = made_up_implant().tensor
    data = em.to_xarray(tensor)
    np.testing.assert_array_equal(
        data["matrix"].sel(frequency=3e3, source="dBy/dt", source_other="dBz/dt"), tensor.matrix[2, 1, 2]
    )
    assert data["matrix"].attrs["units"] == "W per (T/s)^2"
    s = np.arange(8).reshape(2, 2, 2) / 10
    network = em.to_xarray(em.Network(np.array([1e8, 2e8]), s, ["in", "out"]))
    assert complex(network["s"].sel(frequency=2e8, port="out", port_in="in")) == s[1, 1, 0]
    assert network["frequency"].attrs["units"] == "Hz"


def test_a_dataset_goes_through_a_file(tmp_path: Path) -> None:
    """What netCDF takes: no complex numbers, no nested attributes."""
    pytest.importorskip("scipy")
    sar = em.SarMap(linear(GRID.centre_points()), "linear", GRID, np.ones(GRID.shape))
    em.to_xarray(sar).to_netcdf(tmp_path / "sar.nc", engine="scipy")
    back = xarray.load_dataset(tmp_path / "sar.nc", engine="scipy")
    np.testing.assert_array_equal(back["value"], sar.value)
    np.testing.assert_allclose(back["y"], GRID.centres(1))


def test_what_cannot_be_labelled_is_told() -> None:
    with pytest.raises(em.InputError, match=r"no labelled arrays in this; found 'Grid'; expected one of B1Map, Fields"):
        em.to_xarray(GRID)
    with pytest.raises(em.InputError, match="unknown quantity"):
        em.to_xarray(made_fields(), ["e"])
    assert "SarMap" in known()


def test_without_xarray_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(em.InputError, match=r"xarray is not installed; expected pip install 'emdose\[xarray\]'"):
        em.to_xarray(replace(made_fields(), frequency_Hz=1e8))
