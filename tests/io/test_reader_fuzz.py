"""Damaged files: whatever is done to a file, a reader gives a body or one clear line."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.io import read_phantom, read_tissues, write_phantom
from emdose.models import bodies

LABELS = "label,tissue,density_kg_m3\n1,muscle,\n2,fat,900\n3,bone_cortical,\n"
TISSUES = "tissue,like,conductivity_S_m,density_kg_m3\nmy_gel,gel,0.5,1010\nmuscle,,0.7,\n"
TOML = """
[my_gel]
like = 'gel'
conductivity_S_m = 0.5
[other]
density_kg_m3 = 1e3
relative_permittivity = 40
conductivity_S_m = 1
"""
HEADER = """1 Muscle 1.0 0.2 0.2
2 Fat 1 1 0
3 Bone_cortical 0.9 0.9 0.9

nx 6
ny 5
nz 4
dx 0.002
dy 0.002
dz 0.002
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One intact file of every kind."""
    folder = tmp_path_factory.mktemp("intact")
    body = bodies.layered_sphere((5e-3, 8e-3), ("muscle", "fat"), 2e-3)
    for name in ("body.h5", "body.nii", "body.nii.gz", "body.npz"):
        write_phantom(body, folder / name)
    np.save(folder / "body.npy", body.labels)
    (folder / "raw.txt").write_text(HEADER)
    (folder / "raw.raw").write_bytes(bytes(np.arange(120, dtype=np.uint8) % 4))
    for name, text in (("labels.csv", LABELS), ("tissues.csv", TISSUES), ("tissues.toml", TOML)):
        (folder / name).write_text(text)
    return folder


def read(path: Path, table: Path) -> None:
    """The reader that a user would call for this file."""
    if path.name.startswith("tissues"):
        read_tissues(path)
    elif path.name == "labels.csv":
        read_phantom(path.with_name("body.nii"), path)
    elif path.suffix in (".h5", ".npz") or path.name.startswith("raw"):
        read_phantom(path)
    else:
        read_phantom(path, table, spacing_m=2e-3 if path.suffix == ".npy" else None)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut, flipped, overwritten, repeated or emptied."""
    kind = rng.randrange(6)
    out = bytearray(data)
    if kind == 0:
        return bytes(out[: rng.randrange(len(out) + 1)])
    if kind == 1:
        for _ in range(rng.randrange(1, 9)):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        return bytes(out)
    if kind == 2:  # headers hold what matters
        for _ in range(rng.randrange(1, 9)):
            out[rng.randrange(min(352, len(out)))] = rng.randrange(256)
        return bytes(out)
    at = rng.randrange(len(out))
    if kind == 3:
        return bytes(out[:at] + out[at // 2 :])
    if kind == 4:
        return bytes(out[:at] + rng.randbytes(16) + out[at:])
    return rng.choice([b"", b"\0" * 400, b"\xff" * 400, rng.randbytes(500), b"nan,inf\n-1,1e999\n", bytes(out[at:])])


FILES = [
    "body.h5",
    "body.nii",
    "body.nii.gz",
    "body.npz",
    "body.npy",
    "raw.txt",
    "raw.raw",
    "labels.csv",
    "tissues.csv",
    "tissues.toml",
]


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_give_one_line(name: str, folder: Path, tmp_path: Path) -> None:
    """Oracle: the contract of every reader, InputError with one line or a result, over seeded random damage."""
    for other in folder.iterdir():
        (tmp_path / other.name).write_bytes(other.read_bytes())
    intact, target = (folder / name).read_bytes(), tmp_path / name
    table, rng = folder / "labels.csv", random.Random(name)
    read(target, table)
    lines = []
    for _ in range(120):
        target.write_bytes(damaged(intact, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(target, table)
        except InputError as error:
            lines.append(str(error))
    assert all("\n" not in line and len(line) < 600 for line in lines)
    assert len(lines) > 30  # most damage is seen
