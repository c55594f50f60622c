"""Readers of fields of other programs, against imitations of their files.

Oracle: the fields that the imitation was written from, point by point; for damage, the one line of the error.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from foreign_files import (
    Solution,
    solution,
    write_cosimpy,
    write_cst,
    write_hfss,
    write_marie,
    write_openems,
    write_plain,
    write_s,
    write_sim4life,
    write_vtk,
)

import emdose as em
from emdose.constants import MU_0

F = 128e6


@pytest.fixture(scope="module")
def s() -> Solution:
    return solution(2, shape=(7, 6, 5))


def same(found: em.ForeignFields, s: Solution, magnetic: np.ndarray, rtol: float = 1e-12) -> None:
    assert found.ports == ("port 1", "port 2")
    assert found.frequency_Hz == F
    for a, b in ((found.E, s.E), (found.magnetic, magnetic)):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max())


def test_plain(tmp_path: Path, s: Solution) -> None:
    found = em.read_foreign_fields(write_plain(tmp_path / "f.h5", s, amplitude="rms", drive_unit="V source"))
    same(found, s, s.H)
    assert found.program == "plain HDF5"
    assert found.stated == {"magnetic": "A/m", "amplitude": "rms", "drive": "V source"}
    assert found.sources["magnetic"] == "what is documented of plain HDF5" or found.sources["magnetic"] == "the file"
    np.testing.assert_array_equal(found.conductivity, s.conductivity)


def test_cst(tmp_path: Path, s: Solution) -> None:
    found = em.read_foreign_fields(write_cst(tmp_path, s.in_unit(1e-3)), frequency_Hz=F)
    same(found, s, s.H, 1e-7)
    assert found.program == "CST"
    assert found.stated["length"] == "mm"
    assert found.sources["length"] == "the file"
    assert "drive" not in found.stated
    np.testing.assert_allclose(found.axes[0], 1e3 * s.axes[0])


def test_hfss(tmp_path: Path, s: Solution) -> None:
    write_hfss(tmp_path, s)
    found = em.read_foreign_fields(tmp_path)
    same(found, s, s.H, 1e-9)
    assert found.program == "HFSS"
    assert found.stated["length"] == "m"  # of the coordinates in the lines, though the corners are in mm
    np.testing.assert_allclose(found.axes[2], s.axes[2], atol=1e-9)


def test_sim4life(tmp_path: Path, s: Solution) -> None:
    found = em.read_foreign_fields(write_sim4life(tmp_path, s), frequency_Hz=F)
    same(found, s, MU_0 * s.H)
    assert found.program == "Sim4Life"
    np.testing.assert_allclose(found.axes[1], s.axes[1], atol=1e-15)
    # Axes of points in the place of those of corners.
    points = em.read_foreign_fields(write_sim4life(tmp_path, s, cells=False)[0], frequency_Hz=F)
    np.testing.assert_allclose(points.axes[1], s.axes[1], atol=1e-15)


def test_openems(tmp_path: Path, s: Solution) -> None:
    found = em.read_foreign_fields(write_openems(tmp_path, s))
    same(found, s, s.H, 1e-7)
    assert found.program == "openEMS"
    assert "positions" not in found.stated


def test_cosimpy(tmp_path: Path, s: Solution) -> None:
    found = em.read_foreign_fields(write_cosimpy(tmp_path / "f", s, density=False), frequency_Hz=F)
    same(found, s, MU_0 * s.H)
    assert found.program == "CoSimPy"
    np.testing.assert_array_equal(found.conductivity, s.conductivity)
    np.testing.assert_allclose(found.axes[0], np.arange(7) + 0.5)
    assert any("no density" in note for note in found.notes)
    assert em.read_foreign_fields(write_cosimpy(tmp_path / "g", s), frequency_Hz=F).density is not None


def test_marie(tmp_path: Path, s: Solution) -> None:
    inside = s.conductivity > 0
    found = em.read_foreign_fields(write_marie(tmp_path, s), frequency_Hz=F)
    same(found, Solution(s.axes, np.where(inside, s.E, 0), s.H, s.conductivity, s.density, s.network), inside * s.H)
    assert found.program == "MARIE"
    np.testing.assert_array_equal(found.density, s.density)


def test_vtk(tmp_path: Path, s: Solution) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = em.read_foreign_fields(write_vtk(tmp_path / "f.vtr", s, amplitude="peak"))
    same(found, s, s.H)
    assert found.stated == {"magnetic": "A/m", "amplitude": "peak"}


def test_touchstone_beside_the_fields(tmp_path: Path, s: Solution) -> None:
    files = [*write_cst(tmp_path, s), write_s(tmp_path, s)]
    found = em.read_foreign_fields(files)
    assert found.network is not None
    np.testing.assert_allclose(found.network.s, s.network.s, atol=1e-14)
    assert len(found.files) == 5
    assert em.read_foreign_fields(tmp_path).network is not None


def test_bad_input_is_one_line(tmp_path: Path, s: Solution) -> None:
    def refused(match: str, *args: Any, **more: Any) -> None:
        with pytest.raises(em.InputError, match=match) as caught:
            em.read_foreign_fields(*args, **more)
        assert "\n" not in str(caught.value)

    def folder(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    sim = write_sim4life(folder("sim"), s)[0]
    refused("the frequency is not in this file", sim)
    dumps = write_openems(folder("dumps"), s)
    refused("ports of E and the magnetic field differ", [p for p in dumps if p.stem != "Hf_2"])
    refused("unknown program", sim, frequency_Hz=F, program="ADS")
    refused("bad frequency", sim, frequency_Hz=-1)
    refused("no such file", tmp_path / "none.h5")
    refused("no file of a field", folder("empty"))
    refused("frequency is cut to whole MHz", write_cosimpy(tmp_path / "c", s))
    refused("unknown amplitude", write_plain(tmp_path / "a.h5", s, amplitude="effective"))
    refused("electric field in another unit", write_cst(folder("cst"), s, electric_unit="kV/m"), frequency_Hz=F)
    refused("no grid", write_marie(folder("marie"), s)[0], frequency_Hz=F)

    fld = write_hfss(folder("hfss"), s)[0]
    lines = fld.read_text().splitlines(keepends=True)
    fld.write_text("".join(lines[:-1]))
    refused("points of no rectilinear grid", fld)
    fld.write_text("".join([*lines[:2], lines[2].rsplit(" ", 1)[0] + "\n", *lines[3:]]))
    refused("not a complex vector field", fld)

    other = write_s(folder("three"), solution(3, shape=(7, 6, 5)))
    refused("ports of fields and network differ", write_plain(tmp_path / "b.h5", s), touchstone=other)
    with h5py.File(tmp_path / "b.h5", "a") as h5:
        h5["x"][2] = h5["x"][1]
    refused("coordinates do not grow", tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5", "a") as h5:
        del h5["E"], h5["H"]
    refused("no field in this file", tmp_path / "b.h5")
    (tmp_path / "noise.mat").write_bytes(b"noise" * 400)
    refused("not a readable MATLAB file", tmp_path / "noise.mat")
    with h5py.File(tmp_path / "odd.h5", "w") as h5:
        h5["something"] = 1
    refused("no field that is known", tmp_path / "odd.h5")


def test_files_of_two_grids_are_refused(tmp_path: Path, s: Solution) -> None:
    files = write_openems(tmp_path, s)
    with h5py.File(files[1], "a") as h5:
        h5["Mesh/x"][0] -= 1e-3
    with pytest.raises(em.InputError, match="another grid than in the file before"):
        em.read_foreign_fields(files)
