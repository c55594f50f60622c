"""Files are whole or absent."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from emdose.errors import InputError, OutputError
from emdose.io.disk import atomic, files
from emdose.io.maps import vtk
from emdose.models.grids.grid import Grid


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_file_appears_whole(tmp_path):
    # Oracle: what was written.
    path = tmp_path / "a.txt"
    with atomic.replacing(path) as part:
        part.write_text("half")
        assert names(tmp_path) == [part.name]
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_old_file_survives_a_failure(tmp_path, error):
    # Oracle: the old content.
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with atomic.replacing(path) as part:
            part.write_text("new, half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_all_files_of_a_stage_or_none(tmp_path):
    # Oracle: the second file cannot be written, so the first must not appear.
    def fail():
        with atomic.staging(tmp_path) as stage:
            stage.path("first").write_text("1")
            stage.path("second").write_text("2")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="No space left"):
        fail()
    assert names(tmp_path) == []
    with atomic.staging(tmp_path) as stage:
        stage.path("first").write_text("1")
        stage.path("second").write_text("2")
    assert names(tmp_path) == ["first", "second"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "can be written"), (errno.EACCES, "may write"), (errno.EIO, "")],
)
def test_error_says_why_and_what_to_do(tmp_path, code, words, monkeypatch):
    # Oracle: the error number that this test raises from the system call.
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    with pytest.raises(OutputError) as error:
        atomic.write_text(tmp_path / "a.txt", "text")
    assert os.strerror(code) in str(error.value)
    assert words in str(error.value)
    assert atomic.PART not in str(error.value)
    assert names(tmp_path) == []


def test_folder_that_is_not_there(tmp_path):
    # Oracle: the state of the disk.
    with pytest.raises(OutputError, match="No such file or directory"):
        atomic.write_text(tmp_path / "no" / "a.txt", "text")


def test_permissions_follow_the_umask(tmp_path):
    # Oracle: what open() would have given.
    atomic.write_text(tmp_path / "a", "")
    (tmp_path / "b").write_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_hdf5_message_of_a_full_disk():
    # Oracle: the text that HDF5 gives when write(2) fails with ENOSPC (28).
    error = OSError("Can't synchronously write data (file write failed: errno = 28, error message = 'No space')")
    assert "No space left on device" in str(atomic.output_error(error, "x"))


def test_killed_while_writing(tmp_path):
    # Oracle: kill -9 between the bytes and the rename leaves the old file.
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = (
        "import os, signal, sys; from emdose.io.disk import atomic\n"
        "with atomic.replacing(sys.argv[1]) as part:\n"
        "    part.write_text('new'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    assert path.read_text() == "old"


def test_reading_bytes(tmp_path):
    # Oracle: the state of the disk.
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.read_bytes(path, "a file", 5) == b"12345"
    assert files.sha256(path) == "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
    for wrong in (tmp_path, tmp_path / "no", tmp_path / "a\0"):
        with pytest.raises(InputError):
            files.read_bytes(wrong, "a file", 5)
        with pytest.raises(InputError):
            files.sha256(wrong)
    with pytest.raises(InputError, match="too large"):
        files.read_bytes(path, "a file", 4)


def test_vti_is_read_back_by_vtk(tmp_path):
    # Oracle: VTK's own reader, through pyvista.
    pyvista = pytest.importorskip("pyvista")
    grid = Grid((3, 4, 5), (1e-3, 2e-3, 3e-3), (0.1, -0.2, 0.3))
    values = np.random.default_rng(1).random(grid.shape).astype(np.float32)
    labels = np.arange(60, dtype=np.uint8).reshape(grid.shape)
    vtk.write_vti(tmp_path / "a.vti", grid, {"SAR_W_kg": values, "label": labels})
    image = pyvista.read(tmp_path / "a.vti")
    assert image.spacing == grid.spacing_m
    assert image.origin == grid.origin_m
    assert np.array_equal(image.cell_data["SAR_W_kg"].reshape(grid.shape, order="F"), values)
    assert np.array_equal(image.cell_data["label"].reshape(grid.shape, order="F"), labels)
    with pytest.raises(InputError, match="does not fit"):
        vtk.write_vti(tmp_path / "b.vti", grid, {"a": values[1:]})
