"""Raw voxel bodies, NumPy and HDF5 files: every accepted header, every refused one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from emdose.errors import InputError
from emdose.io import read_phantom, write_phantom
from emdose.io.bodies.hdf5 import read_phantom_file
from emdose.io.bodies.voxelbody import read_header
from emdose.models import bodies

NAMES = "1\tMuscle\t1.0 0.2 0.2\n2\tBrain_grey_matter\t0.5 0.5 0.5\n3 Subcutaneous fat 255 255 0\n"
SIZES = {
    "keyed": "nx 3\nny 4\nnz 5\ndx 0.002\ndy 0.002\ndz 0.004\n",
    "spaced": "n x = 3\nn y = 4\nn z = 5\nd x = 0.002\nd y = 0.002\nd z = 0.004\n",
    "one line": "nx 3 ny 4 nz 5\ndx 2 mm dy 2 mm dz 4 mm\n",
    "triples": "nx ny nz 3 4 5\ndx dy dz 0.002 0.002 0.004\n",
    "bare": "3 4 5\n2 2 4\n",
    "titles": "Grid extent (number of cells):\nnx 3\nny 4\nnz 5\nSpatial steps [mm]:\ndx 2\ndy 2\ndz 4\n",
    "comments": "# made by hand\n\n% sizes\n// below\nnx: 3\nny: 4\nnz: 5\ndx: 2e-3\ndy: 2e-3\ndz: 4e-3\n",
    "bracket": "nx 3\nny 4\nnz 5\ndx [mm] 2\ndy [mm] 2\ndz [mm] 4\n",
}


def labels() -> np.ndarray:
    return np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 4


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["u1", "<u2", "<u4"])
def test_every_header(tmp_path: Path, sizes: str, kind: str) -> None:
    """Oracle: the labels and lengths that were written; x runs fastest in the file."""
    (tmp_path / "b.txt").write_text(NAMES + SIZES[sizes])
    (tmp_path / "b.raw").write_bytes(labels().astype(kind).tobytes(order="F"))
    body = read_phantom(tmp_path / "b.raw")
    assert body.grid.shape == (3, 4, 5)
    assert body.spacing_m == pytest.approx((2e-3, 2e-3, 4e-3))
    names = np.array([t.name for t in body.tissues])[body.labels]
    expected = np.array(["air", "muscle", "grey_matter", "fat_infiltrated"])[labels()]
    np.testing.assert_array_equal(names, expected)
    assert read_phantom(tmp_path / "b.txt").hash() == body.hash()


def test_axes_of_a_raw_body(tmp_path: Path) -> None:
    """Oracle: flipping twice: labels written for LPS and read as LPS are those of RAS."""
    (tmp_path / "b.txt").write_text(NAMES + SIZES["bare"])
    (tmp_path / "b.raw").write_bytes(labels()[::-1, ::-1].tobytes(order="F"))
    ras = np.array(["air", "muscle", "grey_matter", "fat_infiltrated"])[labels()]
    body = read_phantom(tmp_path / "b.raw", axes="LPS")
    np.testing.assert_array_equal(np.array([t.name for t in body.tissues])[body.labels], ras)
    turned = read_phantom(tmp_path / "b.raw", axes="SAR")
    assert turned.grid.shape == (5, 4, 3)
    assert turned.spacing_m == pytest.approx((4e-3, 2e-3, 2e-3))
    with pytest.raises(InputError, match="three letters"):
        read_phantom(tmp_path / "b.raw", axes="XYZ")


def test_header_names_without_tissue(tmp_path: Path) -> None:
    """Oracle: the count that was put in; a label table helps."""
    (tmp_path / "b.txt").write_text(NAMES.replace("Muscle", "Exotic_tissue") + SIZES["bare"])
    (tmp_path / "b.raw").write_bytes(labels().tobytes(order="F"))
    with pytest.raises(InputError, match=r"1 label without tissue: 1 \(15 voxels\)"):
        read_phantom(tmp_path / "b.raw")
    (tmp_path / "t.csv").write_text("label;tissue\n1;muscle\n2;grey_matter\n3;fat\n")
    assert read_phantom(tmp_path / "b.raw", tmp_path / "t.csv").tissue_volume().keys() == {
        "muscle",
        "grey_matter",
        "fat",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nx 3\nny 4\nnz 5\ndx 0.002\ndy 0.002\n", "header without dz"),
        ("nx 3\nny 4\nnz 0\ndx 1\ndy 1\ndz 1\n", "bad number of voxels"),
        ("nx 3\nny 4\nnz 5\ndx 0\ndy 1\ndz 1\n", "bad voxel edge"),
        ("nx 3\nnx 4\n", "nx given twice"),
        ("1 Muscle 1 1 1\n1 Fat 1 1 1\n", "index given twice"),
        ("3 4 5\n2 2 4\n17 18 19 20 21 22\n", "cannot read this line"),
        ("nx 3\nny 4\nnz 5\ndx 1\ndy 1\ndz -1\n", "bad voxel edge"),
        ("nx 300\nny 4\nnz 5\ndx 1\ndy 1\ndz 1\n", "size does not fit the header"),
        ("nx 3\nny 4\nnz 5\ndx 1 m\ndy 1 m\ndz 1 m\n", "absurd size"),
        ("nx 1e999\nny 4\nnz 5\ndx 1 mm\ndy 1 mm\ndz 1 mm\n", "bad number of voxels"),
        ("\0\0\0", "not a text file"),
        ("", "header without"),
    ],
)
def test_refused_headers(tmp_path: Path, text: str, message: str) -> None:
    """Oracle: the reader's contract."""
    (tmp_path / "b.txt").write_text(text)
    (tmp_path / "b.raw").write_bytes(labels().tobytes(order="F"))
    with pytest.raises(InputError, match=message):
        read_phantom(tmp_path / "b.raw")


def test_header_missing(tmp_path: Path) -> None:
    """Oracle: the file that is missing is the one that is named."""
    (tmp_path / "b.raw").write_bytes(b"\0")
    with pytest.raises(InputError, match=r"b\.txt: no such file"):
        read_phantom(tmp_path / "b.raw")
    (tmp_path / "b.txt").write_text(SIZES["bare"])
    (tmp_path / "b.raw").unlink()
    with pytest.raises(InputError, match=r"b\.raw: no such file"):
        read_phantom(tmp_path / "b.txt")
    assert read_header(tmp_path / "b.txt").names == {}


def test_numpy_files(tmp_path: Path) -> None:
    """Oracle: what was saved; the voxel size must come from somewhere."""
    np.save(tmp_path / "a.npy", labels())
    wanted = {1: "muscle", 2: "fat", 3: "skin"}
    body = read_phantom(tmp_path / "a.npy", wanted, spacing_m=2e-3)
    assert body.volume_m3 == pytest.approx(45 * 8e-9)
    np.savez(tmp_path / "a.npz", labels=labels(), spacing_m=[2e-3, 2e-3, 2e-3], origin_m=[0, 0, 0])
    assert read_phantom(tmp_path / "a.npz", wanted).grid.origin_m == (0, 0, 0)
    with pytest.raises(InputError, match="voxel size unknown"):
        read_phantom(tmp_path / "a.npy", wanted)
    for bad in (0, -1e-3, float("nan"), (1e-3, 1e-3)):
        with pytest.raises(InputError, match="spacing_m"):
            read_phantom(tmp_path / "a.npy", wanted, spacing_m=bad)  # type: ignore[arg-type]
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="not a readable NumPy file"):
        read_phantom(tmp_path / "o.npy", wanted, spacing_m=2e-3)
    np.savez(tmp_path / "n.npz", other=labels())
    with pytest.raises(InputError, match="no array 'labels'; found 'other'"):
        read_phantom(tmp_path / "n.npz", wanted)
    np.save(tmp_path / "flat.npy", labels()[0])
    with pytest.raises(InputError, match="three-dimensional"):
        read_phantom(tmp_path / "flat.npy", wanted, spacing_m=2e-3)


def test_hdf5_that_was_touched(tmp_path: Path) -> None:
    """Oracle: the stored hash."""
    path = write_phantom(bodies.sphere(0.02, 5e-3), tmp_path / "b.h5")
    with h5py.File(path, "r+") as h5:
        h5["phantom/labels"][0, 0, 0] = 1
    with pytest.raises(InputError, match="does not match its hash"):
        read_phantom_file(path)
    with h5py.File(tmp_path / "other.h5", "w") as h5:
        h5["x"] = 1
    with pytest.raises(InputError, match="no phantom in this file"):
        read_phantom(tmp_path / "other.h5")


def test_unknown_endings(tmp_path: Path) -> None:
    """Oracle: the list of formats in the message."""
    (tmp_path / "b.vox").write_bytes(b"")
    with pytest.raises(InputError, match=r"unknown kind of body file; found '\.vox'; expected \.nii"):
        read_phantom(tmp_path / "b.vox")
    with pytest.raises(InputError, match="no such file"):
        read_phantom(tmp_path / "missing.h5")
    with pytest.raises(InputError):
        read_phantom("a\0b.nii")
