"""The one line that a user sees."""

from __future__ import annotations

import pickle

from emdose.errors import LONGEST, InputError


def test_a_long_path_keeps_the_name_of_its_file() -> None:
    """Oracle: both ends of what was given."""
    found = "/home/somebody/" + "folder/" * 20 + "none.stl"
    error = InputError("no such file", file="rod.toml", field="implant.file", found=found, expected="a file")
    assert str(error).startswith("rod.toml: implant.file: no such file; found '/home/somebody/folder/")
    assert str(error).endswith("/folder/none.stl'; expected a file")
    assert len(str(error)) < 160
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_a_library_quotes_is_cut() -> None:
    """Oracle: the documented most letters of a part; the beginning and the end of a text say most."""
    text = str(InputError("begin " + 5000 * "x" + " end", file="a.npz", found=10**200))
    assert "begin" in text
    assert " end" in text
    assert len(text) < LONGEST + 200
