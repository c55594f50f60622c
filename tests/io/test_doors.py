"""Files that reach for other files, never end, or claim to be huge. Oracle: one line, and nothing of the other file."""

from __future__ import annotations

import functools
import gzip
import io
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.io.bodies import hdf5
from emdose.io.disk import datasets
from emdose.io.disk.files import read_bytes, sha256
from emdose.io.maps.maps3d import read_map
from emdose.models.bodies import sphere

HUGE = (90_000, 90_000, 90)  # 5.8 TB of doubles


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that no reader of another file has any business with."""
    path = tmp_path / "secret"
    path.write_bytes(np.arange(24.0).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["b1"] = np.arange(24.0).reshape(2, 3, 4)
    return path


def external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("b1", (2, 3, 4), float, external=[(str(secret), 0, 192)])


def external_link(file: h5py.File, secret: Path) -> None:
    file["b1"] = h5py.ExternalLink(str(secret.parent / "other.h5"), "/b1")


def soft_link_through_an_external_one(file: h5py.File, secret: Path) -> None:
    file["far"] = h5py.ExternalLink(str(secret.parent / "other.h5"), "/")
    file["b1"] = h5py.SoftLink("/far/b1")


def virtual_dataset(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((2, 3, 4), float)
    layout[...] = h5py.VirtualSource(str(secret.parent / "other.h5"), "b1", (2, 3, 4))
    file.create_virtual_dataset("b1", layout)


OUT = [external_storage, external_link, soft_link_through_an_external_one, virtual_dataset]


@pytest.mark.parametrize("way", OUT)
@pytest.mark.parametrize("name", ["", ":/b1", ":/in"])
def test_a_map_is_never_read_from_another_file(tmp_path: Path, secret: Path, way, name: str) -> None:
    with h5py.File(tmp_path / "map.h5", "w") as file:
        way(file, secret)
        file["in"] = np.zeros((2, 3, 4))
    with pytest.raises(InputError, match=r"map\.h5: b1 map: |map\.h5: .*another file"):
        read_map(f"{tmp_path}/map.h5{name}", "b1 map")
    with pytest.raises(InputError, match="another file"):
        em.read_property_map(tmp_path / "map.h5")


@pytest.mark.parametrize("way", OUT)
def test_a_phantom_is_never_read_from_another_file(tmp_path: Path, secret: Path, way) -> None:
    body = sphere(spacing_m=2e-3, radius_m=0.01)
    hdf5.write_phantom_file(tmp_path / "body.h5", body)
    assert hdf5.read_phantom_file(tmp_path / "body.h5").hash() == body.hash()
    with h5py.File(tmp_path / "body.h5", "a") as file:
        way(file, secret)
    with pytest.raises(InputError, match="another file"):
        hdf5.read_phantom_file(tmp_path / "body.h5")


@pytest.mark.parametrize("way", [external_link, soft_link_through_an_external_one])
def test_nothing_is_written_into_another_file(tmp_path: Path, secret: Path, way) -> None:
    before = (tmp_path / "other.h5").read_bytes()
    with h5py.File(tmp_path / "out.h5", "w") as file:
        way(file, secret)
        file["far2"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    with pytest.raises(InputError, match="links to another file"):
        datasets.write_datasets(tmp_path / "out.h5", {"/far2/b1": np.zeros(3)})
    assert (tmp_path / "other.h5").read_bytes() == before


def test_links_inside_a_file_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "map.h5", "w") as file:
        file["group/b1"] = np.arange(24.0).reshape(2, 3, 4)
        file["same"] = file["group/b1"]
        file["soft"] = h5py.SoftLink("/group/b1")
        file["round"] = h5py.SoftLink("/round")
        file["group/up"] = file["/"]
    assert read_map(f"{tmp_path}/map.h5:/group/b1", "map").values.shape == (2, 3, 4)


def huge_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("b1", HUGE, float, chunks=(100, 100, 90))


def huge_nifti(path: Path) -> None:
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float64)
    header.set_data_shape((30_000, 30_000, 810))
    header.set_qform(np.eye(4), 1)
    data = header.binaryblock + bytes(4 + 64)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def huge_npy(path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": HUGE})
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("b1.npy", head.getvalue() + bytes(64))
    else:
        path.write_bytes(head.getvalue() + bytes(64))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("map.h5", huge_hdf5),
        ("map.mat", huge_hdf5),
        ("map.nii", huge_nifti),
        ("map.nii.gz", huge_nifti),
        ("map.npy", huge_npy),
        ("map.npz", huge_npy),
    ],
)
def test_a_header_that_claims_terabytes_is_refused(tmp_path: Path, name: str, write) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=r"too large for the memory|not a readable"):
        read_map(tmp_path / name, "map")


def test_a_phantom_that_claims_terabytes_is_refused(tmp_path: Path) -> None:
    hdf5.write_phantom_file(tmp_path / "body.h5", sphere(spacing_m=2e-3, radius_m=0.01))
    with h5py.File(tmp_path / "body.h5", "a") as file:
        file.create_dataset("phantom/more", HUGE, float, chunks=(100, 100, 90))
    with pytest.raises(InputError, match="phantom/more: too large for the memory"):
        hdf5.read_phantom_file(tmp_path / "body.h5")


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(tmp_path: Path, monkeypatch) -> None:
    """Zeros shrink a thousand times; the memory of this machine is said to be small for the test."""
    import psutil

    np.savez_compressed(tmp_path / "map.npz", b1=np.zeros((100, 100, 100)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 2**22})())
    with pytest.raises(InputError, match="too large for the memory"):
        read_map(tmp_path / "map.npz", "map")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("ending", ["h5", "nii", "nii.gz", "npy", "npz", "mat"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_map_is_a_plain_file(tmp_path: Path, ending: str, kind: str) -> None:
    path = tmp_path / f"map.{ending}"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="not a plain file"):
        read_map(path, "map")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_texts_and_phantoms_are_plain_files(tmp_path: Path) -> None:
    """A pipe without a writer, which is waited for for ever, and a device without an end."""
    for name, source in (("pipe", None), ("zero", "/dev/zero")):
        for ending in ("txt", "stl", "vtk", "toml", "nii", "h5", "npz", "npy", "s2p"):
            path = tmp_path / f"{name}.{ending}"
            os.mkfifo(path) if source is None else path.symlink_to(source)
            implant = functools.partial(em.read_implant, metal="CoCrMo", unit="mm")
            readers = {"stl": implant, "vtk": implant, "s2p": em.read_touchstone}
            readers |= dict.fromkeys(("nii", "h5", "npz", "npy"), em.read_phantom)
            for read in (lambda p: read_bytes(p, "a text", 1000), sha256, readers.get(ending, sha256)):
                with pytest.raises(InputError, match="not a plain file"):
                    read(path)
