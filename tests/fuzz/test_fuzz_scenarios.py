"""Malformed scenarios by the hundreds: each is read, or refused in one line; nothing else may happen."""

from __future__ import annotations

import random

import fuzzing
from fuzzing import is_clear
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emdose import scenarios
from emdose.errors import EmdoseError
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared import toml

TEXTS = [scenarios.bundled(name).read_bytes() for name in scenarios.bundled_names()]

NUMBERS = [
    "0",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e15",
    "1e-300",
    "9" * 400,
    "0x10",
    "true",
    '"5 mm"',
    "[]",
    "[1]",
    "[[1]]",
    "{}",
    "{a=1}",
    "1979-05-27",
    "07:32:00",
    "''",
    '"\\u0000"',
    "[nan, 1, 2]",
    "[1e-3, 1e-3, 2e-3]",
]
KEYS = ["radius_mm", "rugs", "typ", '"a.b"', "''", "frequency_MHz", "spacing", "ünïcödé", "kind", "tissues", "name"]
HEADS = [
    "[phantom]",
    "[coil]",
    "[[coil]]",
    "[phantom.tissues]",
    "[phantom.tissues.muscle]",
    "[unknown]",
    "[a.b.c.d]",
    "[]",
    "[scenario.scenario]",
    "[[phantom]]",
    "[output]",
    "[checks]",
    "[drive]",
    "[solver]",
]


def mutated(rng: random.Random) -> bytes:
    """A bundled scenario with one to four things done to it that users, editors and disks do."""
    data = bytearray(rng.choice(TEXTS))
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(9)
        lines = bytes(data).split(b"\n")
        at = rng.randrange(len(lines))
        if kind == 0 and data:
            data[rng.randrange(len(data))] = rng.randrange(256)
            continue
        if kind == 1:
            data = data[: rng.randrange(len(data) + 1)]
            continue
        if kind == 2:
            where = rng.randrange(len(data) + 1)
            data[where:where] = rng.randbytes(rng.randint(1, 40))
            continue
        if kind == 3:
            del lines[at]
        elif kind == 4:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif kind == 5:
            lines.insert(at, rng.choice(HEADS).encode())
        elif kind == 6 and b"=" in lines[at]:
            lines[at] = lines[at].split(b"=")[0] + b"= " + rng.choice(NUMBERS).encode()
        elif kind == 7 and b"=" in lines[at]:
            lines[at] = rng.choice(KEYS).encode() + b" =" + lines[at].split(b"=", 1)[1]
        elif kind == 8:
            lines.insert(at, f"{rng.choice(KEYS)} = {rng.choice(NUMBERS)}".encode())
        data = bytearray(b"\n".join(lines))
    return bytes(data)


def refusal(data: bytes | dict) -> str | None:
    """What a scenario is refused with, None when it is taken; anything but an EmdoseError escapes."""
    try:
        from_tables(toml.parse(data, "fuzz.toml") if isinstance(data, bytes) else data, "fuzz.toml")
    except EmdoseError as error:
        return str(error)
    return None


def test_mutated_texts():
    # Oracle: whatever is not an EmdoseError in one line fails; and enough of both outcomes occur to mean something.
    outcome = {"read": 0, "refused": 0}
    for n, rng in fuzzing.generators("scenarios"):
        data = mutated(rng)
        line = refusal(data)
        assert line is None or is_clear(line), (n, fuzzing.seed_of_the_day(), data)
        outcome["read" if line is None else "refused"] += 1
    assert outcome["refused"] > 0.6 * fuzzing.cases()
    assert outcome["read"] > 0.01 * fuzzing.cases()


keys = st.one_of(
    st.sampled_from(
        [
            "scenario",
            "phantom",
            "coil",
            "exposure",
            "normalise",
            "drive",
            "checks",
            "solver",
            "type",
            "kind",
            "radius_m",
            "tissues",
            "spacing_m",
            "file",
            "over",
        ]
    ),
    st.text(max_size=6),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["rf", "sphere", "birdcage", "plane-wave", "file", "isocentre"]),
)
anything = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)), max_leaves=8
)
patched = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "scenario",
                "phantom",
                "coil",
                "exposure",
                "normalise",
                "drive",
                "checks",
                "solver",
                "dosimetry",
                "output",
                "other",
            ]
        ),
        keys,
        anything,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(patched, st.sampled_from(TEXTS))
def test_any_value_anywhere(patches, data):
    # Oracle: as above, for values of any type at any key.
    tables = toml.parse(data)
    for table, key, value in patches:
        if isinstance(tables.get(table), dict):
            tables[table][key] = value
        else:
            tables[table] = {key: value}
    line = refusal(tables)
    assert line is None or is_clear(line)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(st.dictionaries(keys, anything, max_size=6), st.dictionaries(st.just("scenario"), anything)))
def test_any_tables(tables):
    # Oracle: as above.
    assert is_clear(refusal(tables) or "")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes(data):
    # Oracle: as above; parsing may succeed for an empty file or a comment.
    line = refusal(data)
    assert line is None or is_clear(line)
