"""NIfTI in and out: geometry, units, and one line for what is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from emdose.errors import EmdoseWarning, InputError, OutputError
from emdose.io import read_phantom, read_volume, write_phantom
from emdose.io.bodies import nifti
from emdose.models import bodies

TISSUES = {1: "muscle", 2: "fat"}


def save(path: Path, labels: np.ndarray, affine: Any = None, unit: str = "mm", code: int = 1) -> Path:
    affine = np.diag([2.0, 3.0, 4.0, 1.0]) if affine is None else affine
    image = nib.Nifti1Image(labels, affine)
    image.header.set_xyzt_units(unit)
    image.set_sform(affine, code)
    image.set_qform(None, 0)
    nib.save(image, path)
    return path


def labels() -> np.ndarray:
    """Asymmetric labels, so that every flip and permutation shows."""
    a = np.zeros((5, 6, 7), np.uint8)
    a[0, 0, 0], a[4, 0, 0], a[0, 5, 1], a[1, 2, 6] = 1, 2, 2, 1
    return a


def test_affine_becomes_grid(tmp_path: Path) -> None:
    """Oracle: definition of the NIfTI affine: it maps voxel centres to RAS+ millimetres."""
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-10, 20, 30)
    body = read_phantom(save(tmp_path / "a.nii.gz", labels(), affine), TISSUES)
    assert body.spacing_m == pytest.approx((2e-3, 3e-3, 4e-3))
    assert body.grid.centres(0)[0] == pytest.approx(-10e-3)
    assert body.grid.centres(2)[6] == pytest.approx((30 + 4 * 6) * 1e-3)
    assert body.tissues[body.labels[4, 0, 0]].name == "fat"
    assert body.name == "a.nii.gz"
    assert "SHA-256" in body.source


@pytest.mark.parametrize("axes", ["LPS", "PIR", "SAL", "IRP"])
def test_axes_are_turned_to_ras(tmp_path: Path, axes: str) -> None:
    """Oracle: nibabel's own reorientation and the world position of every labelled voxel."""
    source = nib.orientations.axcodes2ornt("RAS")
    target = nib.orientations.axcodes2ornt(tuple(axes))
    straight = nib.Nifti1Image(labels(), np.array([[2.0, 0, 0, -7], [0, 3, 0, 5], [0, 0, 4, 1], [0, 0, 0, 1]]))
    turned = straight.as_reoriented(nib.orientations.ornt_transform(source, target))
    turned.header.set_xyzt_units("mm")
    nib.save(turned, tmp_path / "t.nii")
    straight.header.set_xyzt_units("mm")
    nib.save(straight, tmp_path / "s.nii")
    assert read_phantom(tmp_path / "t.nii", TISSUES).hash() == read_phantom(tmp_path / "s.nii", TISSUES).hash()


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1.0)])
def test_units_of_the_header(tmp_path: Path, unit: str, factor: float) -> None:
    """Oracle: the same length in another unit."""
    affine = np.diag([2.0 * factor, 2.0 * factor, 2.0 * factor, 1.0])
    assert read_phantom(save(tmp_path / "u.nii", labels(), affine, unit), TISSUES).spacing_m[0] == pytest.approx(2e-3)


def test_oblique_keeps_voxels_and_says_so(tmp_path: Path) -> None:
    """Oracle: the angle that was put in; centre and spacing stay."""
    c, s = np.cos(np.radians(7)), np.sin(np.radians(7))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:2, :2] = 2 * np.array([[c, -s], [s, c]])
    affine[:3, 3] = -affine[:3, :3] @ (0.5 * (np.array(labels().shape) - 1))
    with pytest.warns(EmdoseWarning, match=r"oblique by 7\.0 degrees"):
        body = read_phantom(save(tmp_path / "o.nii", labels(), affine), TISSUES)
    assert np.allclose(np.add(*body.grid.bounds_m), 0, atol=1e-6)
    assert body.grid.is_cubic


def _oblique(path: Path) -> Any:
    """A body of one labelled voxel of fat in skin, tilted about two axes, its voxels in another order than x, y, z."""
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    axes = np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]], float)
    affine[:3, :3] = 2 * Rotation.from_euler("xz", [12, -9], degrees=True).as_matrix() @ axes
    affine[:3, 3] = (-31, 12, 47)
    values = np.ones((15, 18, 21), np.uint8)
    values[3, 5, 14] = 2
    with pytest.warns(EmdoseWarning, match="oblique"):
        body = read_phantom(save(path, values, affine), {0: "air", 1: "muscle", 2: "fat"})
    return body, nib.affines.apply_affine(affine, (3, 5, 14))


def _world_of_fat(body: Any) -> np.ndarray:
    label = [t.name for t in body.tissues].index("fat")
    index = np.argwhere(body.labels == label).mean(axis=0)
    return nib.affines.apply_affine(nifti.grid_affine_mm(body.grid, body.file_from_grid), index)


@pytest.mark.parametrize("change", ["none", "translate", "quarter", "turn", "crop", "pad", "resample", "file"])
def test_an_oblique_body_lies_over_its_file(tmp_path: Path, change: str) -> None:
    """Oracle: the affine of the file, whatever was done to the body since."""
    body, place = _oblique(tmp_path / "o.nii")
    changed = {
        "none": lambda: body,
        "translate": lambda: body.translate((0.05, -0.01, 0.2)),
        "quarter": lambda: body.translate((0.01, 0.0, 0.0)).rotate(90, "y"),
        "turn": lambda: body.resample(1e-3).rotate(20, "z", about_m=(0.1, 0.0, 0.0)).translate((0.0, 0.03, 0.0)),
        "crop": lambda: body.crop((2, 1, 0), body.grid.shape),
        "pad": lambda: body.pad(3),
        "resample": lambda: body.resample(1e-3),
        "file": lambda: read_phantom(write_phantom(body.translate((0.1, 0.0, 0.0)), tmp_path / "b.h5")),
    }[change]()
    apart = 1.0 if change == "turn" else 1e-6  # turned voxels are others
    assert np.allclose(_world_of_fat(changed), place, atol=apart)


def test_no_orientation_is_said(tmp_path: Path) -> None:
    """Oracle: the header's codes are 0, so nothing is known."""
    with pytest.warns(EmdoseWarning, match="no orientation"):
        body = read_phantom(save(tmp_path / "n.nii", labels(), code=0), TISSUES)
    assert np.allclose(np.add(*body.grid.bounds_m), 0, atol=1e-6)


def test_float_labels_that_are_whole(tmp_path: Path) -> None:
    """Oracle: the same labels as integers."""
    body = read_phantom(save(tmp_path / "f.nii", labels().astype(np.float32)), TISSUES)
    assert body.hash() == read_phantom(save(tmp_path / "i.nii", labels()), TISSUES).hash()


@pytest.mark.parametrize("name", ["b.h5", "b.nii.gz", "b.nii", "b.npz"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    """Oracle: round trip; the hash covers labels, grid and tissues."""
    body = bodies.layered_head(8e-3).with_tissue("skull", density_kg_m3=1800.0)
    body = body.with_tissue("fat", conductivity_S_m=0.03)
    again = read_phantom(write_phantom(body, tmp_path / name))
    assert again.hash() == body.hash()
    assert again.mass_kg == pytest.approx(body.mass_kg)
    if name == "b.h5":
        assert again.regions.keys() == body.regions.keys()
        for key, mask in body.regions.items():
            np.testing.assert_array_equal(again.regions[key], mask)
        assert (again.name, again.source) == (body.name, body.source)
        assert dict(again.tissues[3].sources) == dict(body.tissues[3].sources)


def four_d(p: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3, 2), np.uint8), np.eye(4)), p)


def cut(p: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 3, (20, 20, 20)).astype(np.uint8)
    data = gzip.compress(nib.Nifti1Image(noise, np.diag([2, 2, 2, 1])).to_bytes())
    p.write_bytes(data[: len(data) // 2])


def huge(p: Path) -> None:
    data = bytearray(nib.Nifti1Image(labels(), np.diag([2, 2, 2, 1])).to_bytes())
    data[40:48] = np.array([3, 32000, 32000, 32000], "<i2").tobytes()
    p.write_bytes(gzip.compress(bytes(data)))


def affine_of(*diagonal: float) -> Any:
    """A file whose stored affine no writer would make: its bytes 280 to 328."""

    def write(path: Path) -> None:
        data = bytearray(nib.Nifti1Image(labels(), np.diag([2, 2, 2, 1])).to_bytes())
        data[280:328] = np.diag([*diagonal, 1.0])[:3].astype("<f4").tobytes()
        path.write_bytes(gzip.compress(bytes(data)))

    return write


BROKEN = {
    "not a readable NIfTI": lambda p: p.write_bytes(b"no image at all" * 50),
    "not a readable NIfTI file": lambda p: p.write_bytes(b""),
    "three-dimensional": four_d,
    "damaged or truncated": cut,
    "memory": huge,
    "size of zero": affine_of(0, 2, 2),
    "absurd size": affine_of(1e-4, 1e-4, 1e-4),
    "absurd size: 14 m": affine_of(2, 2, 2e3),
    "not finite": affine_of(np.nan, 2, 2),
    "whole numbers": lambda p: save(p, labels() * np.float32(0.4)),
    "NaN": lambda p: save(p, np.full((3, 3, 3), np.nan, np.float32)),
    "negative label": lambda p: save(p, labels().astype(np.int16) - 1),
    "no tissue voxel": lambda p: save(p, 0 * labels()),
    "sheared": lambda p: save(p, labels(), np.array([[2.0, 1, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])),
    "folder": lambda p: p.mkdir(),
    "no such file": lambda p: None,
}


@pytest.mark.parametrize("message", BROKEN)
def test_one_line_for_what_is_wrong(tmp_path: Path, message: str) -> None:
    """Oracle: the reader's contract: one line that names the file and the fault."""
    path = tmp_path / "bad.nii.gz"
    BROKEN[message](path)
    with pytest.raises(InputError, match=message) as caught:
        read_phantom(path, TISSUES)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.int16, np.uint32, bool])
def test_every_kind_of_integer(tmp_path: Path, kind: type) -> None:
    """Oracle: the same body whatever the labels are stored as; NIfTI-2 as well."""
    plain = labels() > 0 if kind is bool else labels()
    stored = np.uint8 if kind is bool else kind
    image = nib.Nifti2Image(plain.astype(stored), np.diag([2.0, 3.0, 4.0, 1.0]), dtype=stored)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "k.nii")
    assert read_phantom(tmp_path / "k.nii", TISSUES).volume_m3 == pytest.approx(4 * 24e-9)
    if kind is np.int64:
        far = np.where(plain == 1, 2**40, plain.astype(kind))
        np.savez(tmp_path / "far.npz", labels=far, spacing_m=2e-3)
        assert read_phantom(tmp_path / "far.npz", {2**40: "muscle", 2: "fat"}).body.sum() == 4
    if kind is bool:
        np.savez(tmp_path / "bool.npz", labels=plain, spacing_m=2e-3)
        assert read_phantom(tmp_path / "bool.npz", TISSUES).body.sum() == 4


def test_labels_without_tissue_are_listed(tmp_path: Path) -> None:
    """Oracle: the labels and counts that were put in."""
    path = save(tmp_path / "l.nii", labels())
    with pytest.raises(InputError, match=r"1 label without tissue: 2 \(2 voxels\)"):
        read_phantom(path, {1: "muscle"})
    with pytest.raises(InputError, match=r"no label table.*expected tissues= or a file l\.csv beside it"):
        read_phantom(path)
    with pytest.raises(InputError, match="did you mean 'muscle'"):
        read_phantom(path, {1: "muscel", 2: "fat"})
    for key in ("1", 1.5, -1, True):
        with pytest.raises(InputError, match="bad label"):
            read_phantom(path, {key: "fat"})  # type: ignore[dict-item]


def test_nothing_is_half_written(tmp_path: Path) -> None:
    """Oracle: the folder is as before."""
    body = bodies.sphere(0.02, 5e-3)
    with pytest.raises(OutputError):
        write_phantom(body, tmp_path / "missing" / "b.h5")
    with pytest.raises(InputError, match="cannot write this format"):
        write_phantom(body, tmp_path / "b.raw")
    assert list(tmp_path.iterdir()) == []


def test_volume_of_values(tmp_path: Path) -> None:
    """Oracle: the values that were put in, with the header's scaling."""
    image = nib.Nifti1Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.diag([5.0, 5, 5, 1]))
    nib.save(image, tmp_path / "v.nii.gz")
    values, grid = read_volume(tmp_path / "v.nii.gz")
    np.testing.assert_array_equal(values, np.arange(60).reshape(3, 4, 5))
    assert grid.shape == (3, 4, 5)
