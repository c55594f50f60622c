"""Files of a cache. Oracle: what another user can do to them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from emdose.compute import private_files
from emdose.compute.private_files import UntrustedError, keep, private_file, private_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")


@pytest.fixture
def strangers(monkeypatch):
    """Makes a path belong to another user."""

    def give_away(path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
        else:  # only root can give a file away: become another one instead
            monkeypatch.setattr(private_files.os, "geteuid", lambda: 65534)

    return give_away


def test_a_new_folder_is_private(tmp_path):
    folder = private_folder(tmp_path / "a" / "b")
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert private_folder(tmp_path / "a" / "b") == folder


def test_a_link_is_followed_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert private_folder(tmp_path / "link") == (tmp_path / "real").resolve()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_others_can_write_is_refused(tmp_path, mode):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(mode)
    with pytest.raises(UntrustedError, match="everybody can write"):
        private_folder(tmp_path / "a")


def test_a_folder_above_may_be_open_if_it_is_sticky(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o1777)
    assert private_folder(tmp_path / "a" / "b").name == "b"
    (tmp_path / "a").chmod(0o777)
    with pytest.raises(UntrustedError, match="everybody can write"):
        private_folder(tmp_path / "a" / "b")


def test_a_folder_of_a_group_is_refused_unless_it_is_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o770)
    monkeypatch.setattr(private_files, "_own_group", lambda gid: False)
    with pytest.raises(UntrustedError, match="group can write"):
        private_folder(tmp_path / "a")
    monkeypatch.setattr(private_files, "_own_group", lambda gid: True)
    private_folder(tmp_path / "a")


def test_a_strangers_folder_is_refused(tmp_path, strangers):
    (tmp_path / "a").mkdir(mode=0o755)
    strangers(tmp_path / "a")
    with pytest.raises(UntrustedError, match="belongs to another user"):
        private_folder(tmp_path / "a")


def test_a_strangers_file_is_refused(tmp_path, strangers):
    (tmp_path / "file").write_bytes(b"1")
    assert private_file(tmp_path / "file") == tmp_path / "file"
    strangers(tmp_path / "file")
    with pytest.raises(UntrustedError, match="belongs to another user"):
        private_file(tmp_path / "file")


def test_a_link_or_a_device_is_no_file_of_a_cache(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(UntrustedError, match="not a plain file"):
        private_file(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UntrustedError, match="not a plain file"):
        private_file(tmp_path / "pipe")


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Oracle: the order of the calls."""
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(private_files.os, "fsync", lambda f: done.append("flushed") or fsync(f))
    monkeypatch.setattr(private_files.os, "replace", lambda a, b: done.append("named") or replace(a, b))
    (tmp_path / "made").write_bytes(b"1")
    keep(tmp_path / "made", tmp_path / "kept")
    assert done == ["flushed", "named", "flushed"]
    assert private_file(tmp_path / "kept").read_bytes() == b"1"
