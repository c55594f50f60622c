"""Matrices of other programs are read by a named convention alone, or by the power matrix that tells it.

Oracle: the same matrices in the convention of emdose; SAR by brute force; a load on one side of a ring, whose peak in
the circular mode differs from that in the reversed one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ring_matrices import point_and_averaged
from scipy.io import savemat

import emdose as em

SAID: dict[str, Any] = {"phasor": "peak", "drive_unit": "V", "averaging": "10 g"}
MODE = np.exp(2j * np.pi * np.arange(8) / 8)


@pytest.fixture(scope="module")
def q() -> em.QMatrices:
    """A ring whose load fills one side of it: no mirror maps the mode on the reversed one."""
    whole = point_and_averaged()[1]
    x, y, z = (i - 9 for i in np.unravel_index(whole.voxel, whole.grid.shape))
    kept = (x > 0) & (y > 2 * x) & (z > 1) & (x**2 + y**2 > 16)
    return replace(whole, matrices=whole.matrices[kept], voxel=whole.voxel[kept])


@pytest.fixture(scope="module")
def vops(q: em.QMatrices) -> em.VirtualObservationPoints:
    return em.compress(q, 0.1)


@pytest.fixture(scope="module")
def power(q: em.QMatrices) -> np.ndarray:
    return np.asarray(q.matrices).mean(axis=0)


def stacked(matrices: np.ndarray) -> np.ndarray:
    return np.moveaxis(matrices, 0, -1)


def test_the_reversed_mode_tells_q_from_its_transpose(tmp_path: Path, q, vops, power) -> None:
    assert vops.peak(MODE) != pytest.approx(vops.peak(MODE.conj()), rel=0.01)
    savemat(tmp_path / "z.mat", {"ZZ": stacked(vops.matrices.conj()), "Sglobal": power.conj()})
    for said in ({"convention": "vTQv*"}, {"power_W": 3 * power}):
        back = em.read_vops(tmp_path / "z.mat", **said, **SAID)
        assert back.peak(MODE) == pytest.approx(vops.peak(MODE), rel=1e-12)
        assert back.peak(MODE.conj()) == pytest.approx(vops.peak(MODE.conj()), rel=1e-12)
    wrong = em.read_vops(tmp_path / "z.mat", "vHQv", **SAID)
    assert wrong.peak(MODE) == pytest.approx(vops.peak(MODE.conj()), rel=1e-12)
    with pytest.raises(em.InputError, match="another convention"):
        em.read_vops(tmp_path / "z.mat", "vHQv", power_W=power, **SAID)
    with pytest.raises(em.InputError, match="does not tell Q"):
        em.read_vops(tmp_path / "z.mat", power_W=np.eye(8), **SAID)
    with pytest.raises(em.InputError, match=r"does not say its convention, phasor, drive_unit, averaging.*ZZ"):
        em.read_vops(tmp_path / "z.mat")


def test_conjugated_points_bound_once_they_are_named(tmp_path: Path, q, vops) -> None:
    """As CoSimPy returns them: used directly they under-estimate."""
    np.savez(tmp_path / "c.npz", VOPm=vops.matrices.conj())
    named = em.read_vops(tmp_path / "c.npz", "vTQv*", **SAID)
    taken = em.read_vops(tmp_path / "c.npz", "vHQv", **SAID)
    rng = np.random.default_rng(1)
    drives = rng.normal(size=(500, 8)) + 1j * rng.normal(size=(500, 8))
    truth = np.array([q.sar(v).max() for v in drives])
    assert (named.peak(drives) / truth).min() >= 1
    assert (taken.peak(drives) / truth).min() < 0.95


def rms(matrices: np.ndarray) -> dict[str, Any]:
    return {"values": 2 * matrices, "convention": "vHQv", "phasor": "rms"}


def other_time(matrices: np.ndarray) -> dict[str, Any]:
    return {"values": matrices.conj(), "convention": "vHQv", "time": "exp(-jwt)"}


def both(matrices: np.ndarray) -> dict[str, Any]:
    return {"values": matrices, "convention": "vTQv*", "time": "exp(-jwt)"}


def density(matrices: np.ndarray) -> dict[str, Any]:
    return {"values": 1050 * matrices, "convention": "vHQv", "scale": 1 / 1050}


@pytest.mark.parametrize("way", [rms, other_time, both, density])
def test_conventions_are_converted(tmp_path: Path, vops, way: Any) -> None:
    said = {**SAID, **way(vops.matrices)}
    savemat(tmp_path / "v.mat", {"VOP": stacked(said.pop("values"))})
    np.testing.assert_allclose(em.read_vops(tmp_path / "v.mat", **said).matrices, vops.matrices, rtol=1e-12)


def test_matlab_files_of_version_7_3_list_axes_the_other_way(tmp_path: Path, vops) -> None:
    turned = np.transpose(stacked(vops.matrices))
    pairs = np.empty(turned.shape, [("real", float), ("imag", float)])
    pairs["real"], pairs["imag"] = turned.real, turned.imag
    with h5py.File(tmp_path / "v.mat", "w") as file:
        file.create_dataset("VOP", data=pairs).attrs["MATLAB_class"] = np.bytes_("double")
    np.testing.assert_array_equal(em.read_vops(tmp_path / "v.mat", "vHQv", **SAID).matrices, vops.matrices)


def test_other_kinds_of_matrices_among_them_are_left_out(tmp_path: Path, vops, power) -> None:
    values = np.concatenate([power[None], np.eye(8)[None], vops.matrices])
    savemat(tmp_path / "s.mat", {"ZZ": stacked(values.conj()), "ZZtype": np.array([6, 8] + [5] * len(vops))})
    np.testing.assert_array_equal(em.read_vops(tmp_path / "s.mat", "vTQv*", **SAID).matrices, vops.matrices)


def test_channels_and_field_strength_are_held_against_the_coil(tmp_path: Path, q, vops) -> None:
    path = em.write_vops(replace(vops, frequency_Hz=298e6), tmp_path / "v.h5")
    assert em.read_vops(path, ports=q, frequency_Hz=297.2e6).frequency_Hz == 298e6
    with pytest.raises(em.InputError, match=r"field strength; found '298 MHz'; expected 123 MHz"):
        em.read_vops(path, frequency_Hz=123e6)
    with pytest.raises(em.InputError, match=r"channels differ; found 8; expected 7 of the coil"):
        em.read_vops(path, ports=7)
    with pytest.raises(em.InputError, match="channels differ"):
        em.read_vops(path, ports=q.ports[::-1])
    with pytest.raises(em.InputError, match="states another convention"):
        em.read_vops(path, "vTQv*")
    foreign = np.array(vops.matrices)
    np.savez(tmp_path / "f.npz", vops=foreign)
    read = em.read_vops(tmp_path / "f.npz", "vHQv", **SAID)
    with pytest.raises(em.NotValidError, match="no certificate"):
        read.certify(q)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda V: -V, "not positive"),
        (lambda V: V + 1j * np.abs(V).max(), "not Hermitian"),
        (lambda V: V * np.nan, "not finite"),
        (lambda V: V[:, :3], "not a stack"),
        (lambda V: np.array([{}], object), "not a readable NumPy archive"),
    ],
)
def test_what_is_no_set_of_matrices_is_refused_in_one_line(tmp_path: Path, vops, change: Any, words: str) -> None:
    np.savez(tmp_path / "bad.npz", vops=change(np.array(vops.matrices)))
    with pytest.raises(em.InputError, match=words) as caught:
        em.read_vops(tmp_path / "bad.npz", "vHQv", **SAID)
    assert "\n" not in str(caught.value)
