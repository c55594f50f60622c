"""What the fuzzers share: seeds, how many cases, and what is done to a file."""

from __future__ import annotations

import datetime
import os
import random
import struct
from collections.abc import Iterator

FIXED_SEED = "20261122"
"""Half of the cases are the same every day, so that a fault that was mended stays mended."""

NASTY = [
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    struct.pack("<f", float("nan")),
    struct.pack("<f", float("inf")),
    struct.pack("<f", -1.0),
    struct.pack("<d", float("nan")),
    b"\x00" * 64,
    struct.pack("<h", 32767),
    struct.pack("<h", -1),
    b"1e999",
    b"nan",
    b"-1",
    b",,,,",
    b"\n\n",
    b'"',
    b"\\",
    b"..\\../",
    b"999999999",
    "µ".encode(),
]


def cases() -> int:
    """Number of cases for each fuzzer: 100, or what EMDOSE_FUZZ_CASES says (.ci/run says 1000; 20000 on demand)."""
    return int(os.environ.get("EMDOSE_FUZZ_CASES", "100"))


def seed_of_the_day() -> str:
    """The date, or what EMDOSE_FUZZ_SEED says: the seed that a failed run has printed."""
    return os.environ.get("EMDOSE_FUZZ_SEED", datetime.datetime.now(datetime.UTC).date().isoformat())


def generator(name: str, n: int) -> random.Random:
    """The random numbers of one case: those of the fixed seed for even ``n``, of the day's for odd ones."""
    return random.Random(f"{seed_of_the_day() if n % 2 else FIXED_SEED} {name} {n}")


def generators(name: str, part: int = 0, parts: int = 1) -> Iterator[tuple[int, random.Random]]:
    """Number and random numbers of every case of one fuzzer, or of one part of them."""
    return ((n, generator(name, n)) for n in range(cases()) if n // 2 % parts == part)


def damaged(rng: random.Random, data: bytes, header: int = 400) -> bytes:
    """One to three things that disks, mailers and editors do to a file; half of them to its first bytes."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        end = min(header, len(out)) if rng.random() < 0.5 else len(out)
        at = rng.randrange(end + 1) if end else 0
        kind = rng.randrange(8)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            nasty = rng.choice(NASTY)
            out[at : at + len(nasty)] = nasty
        elif kind == 3:
            out[at:at] = rng.choice(NASTY)
        elif kind == 4:
            del out[at : at + rng.randint(1, 16)]
        elif kind == 5:
            out[at : at + 8] = rng.randbytes(8)
        elif kind == 6 and len(out):
            first = rng.randrange(len(out))
            out[at:at] = out[first : first + rng.randint(1, 40)]
        elif kind == 7:
            _other_number(rng, out)
    return bytes(out)


def _other_number(rng: random.Random, out: bytearray) -> None:
    """Another number in place of one that is written in digits, where there is any."""
    places = [i for i, c in enumerate(out[:4000]) if 48 <= c <= 57 and (i == 0 or not 48 <= out[i - 1] <= 57)]
    if places:
        first = last = rng.choice(places)
        while last < len(out) and 48 <= out[last] <= 57:
            last += 1
        out[first:last] = rng.choice([b"0", b"-1", b"1e9", b"1e-9", b"nan", b"inf", b"7", b"2147483648", b"x"])


def is_clear(line: str) -> bool:
    """Whether an error text is one line of a readable length."""
    return bool(line) and "\n" not in line and len(line) < 2000 and "Traceback" not in line
