"""TOML in and out."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdose.errors import InputError
from emdose.scenarios.shared import toml

plain_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
scalars = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), plain_text, st.lists(st.floats(-1e9, 1e9))
)
tables = st.recursive(
    st.dictionaries(plain_text.filter(bool), scalars, max_size=4),
    lambda inner: st.dictionaries(plain_text.filter(bool), st.one_of(scalars, inner), max_size=4),
    max_leaves=12,
)


@given(tables)
def test_dump_is_read_back_by_the_standard_library(value):
    # Oracle: tomllib, the parser of Python itself.
    assert tomllib.loads(toml.dump(value)) == value


def test_none_is_left_out():
    # Oracle: TOML has no null.
    assert toml.dump({"a": {"b": None, "c": 1}}) == "[a]\nc = 1\n"


@given(tables)
def test_digest_ignores_order(value):
    # Oracle: a table is a set of keys; the order in the file must not matter.
    assert toml.digest(dict(reversed(value.items()))) == toml.digest(value)


def test_digest_sees_values_and_not_spelling():
    # Oracle: 5e-3 and 0.005 and, in lists, 1 and 1.0 are the same numbers; 0.0051 is not.
    same = [toml.parse(t) for t in (b"a = 5e-3\nb = [1]", b"# hello\nb = [1.0]\na = 0.005")]
    assert toml.digest(same[0]) == toml.digest(same[1])
    assert toml.digest({"a": 0.005}) != toml.digest({"a": 0.0051})
    assert toml.digest({"a": True}) != toml.digest({"a": 1})


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"a = 1\nb = = 2\n", ":2:", "not valid TOML"),
        (b"a = 1\na = 2\n", ":2:", "not valid TOML"),
        (b"[table\n", ":1:", "not valid TOML"),
        (b'a = "open', ":1:", "not valid TOML"),
        (b"a = 1\nb = \xff\n", ":2:", "UTF-8"),
        (b"a = " + b"9" * 5000, "", "not valid TOML"),
        (b"a = " + b"[" * 20000, "", "nested too deeply"),
        (b"\x00\x01\x02", ":1:", "not valid TOML"),
    ],
)
def test_bad_text_names_file_and_line(data, place, words):
    # Oracle: the line was put there by this test.
    with pytest.raises(InputError) as error:
        toml.parse(data, file="x.toml")
    assert str(error.value).startswith(f"x.toml{place}")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_byte_order_mark_is_taken():
    # Oracle: what Windows editors write before the first key.
    assert toml.parse(b"\xef\xbb\xbfa = 1") == {"a": 1}


def test_unreadable_files(tmp_path):
    # Oracle: the state of the disk that this test made.
    for path, words in [
        (tmp_path, "folder"),
        (tmp_path / "no.toml", "no such file"),
        (tmp_path / "a\0b", "cannot read"),
    ]:
        with pytest.raises(InputError, match=words):
            toml.read(path)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (toml.LARGEST_SCENARIO_BYTES + 1))
    with pytest.raises(InputError, match="too large"):
        toml.read(large)
