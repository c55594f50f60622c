"""Thousands of commands as users, editors and disks garble them, from words to result folders.

Oracle: exit code 0, 1, 2 or 130 by the documented meaning; one line on stderr for what is refused; no traceback; a
result folder that is whole, or absent, or holds what was solved; nothing is written beside it.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import warnings
from types import SimpleNamespace

import fuzzing
import numpy as np
import pytest
from command_line import call

import emdose as em
from emdose import scenarios
from emdose.compute import backend
from emdose.io import write_volume
from emdose.io.disk import run_files
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.implants import tensor_files

SECONDS = 20  # what a case may take before it gets a Ctrl-C, which is a case too
PARTS = 4 if fuzzing.cases() >= 1000 else 1  # for processes that share the cases
MEMORY_BYTES = 40 << 20  # free, as far as plans know: what a slip makes huge is refused, not solved

RF = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {"type": "sphere", "radius_m": 0.04, "spacing_m": 20e-3, "tissue": "muscle"},
    "coil": {"type": "birdcage", "rungs": 8, "radius_m": 0.1, "length_m": 0.12},
    "drive": {"name": "quadrature"},
    "exposure": {"frequency_Hz": 64e6},
    "normalise": {"b1plus_rms_T": 2e-6},
    "solver": {"tolerance": 1e-2, "max_iterations": 100},
    "checks": {"patient": True, "patient_mass_kg": 70.0, "duty_cycle": 0.5},
}
IMPLANT = {
    "scenario": {"kind": "implant-gradient", "name": "metal"},
    "implant": {"type": "sphere", "radius_m": 8e-3, "metal": "Ti6Al4V", "position_m": [0.0, 0.0, 0.01]},
    "solver": {"spacing_m": 2e-3, "frequencies_Hz": [270.0, 1000.0]},
    "gradients": {"type": "ideal", "position_m": [0.1, 0.0, 0.19]},
    "exposures": {
        "sine": {"type": "sinusoid", "frequency_Hz": 500.0, "dbdt_rms_T_s": 20.0, "direction": [1.0, 0.0, 0.0]}
    },
    "thermal": {"spacing_m": 8e-3, "margin_m": 0.02, "duration_s": 10.0, "curve_points": 3},
}
EPT = {
    "scenario": {"kind": "ept", "name": "maps"},
    "exposure": {"frequency_Hz": 64e6},
    "data": {"type": "files", "magnitude": "mag.nii.gz", "phase": "phase.nii.gz"},
    "methods": {"helmholtz": {"type": "helmholtz", "radius": 1}},
}
NUMBERS = [
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "1e15",
    "1e-300",
    "5",
    "2.5",
    "true",
    '"5 mm"',
    "[]",
    "[1]",
    "{a=1}",
    "''",
    "1979-05-27",
    '"\\u0000"',
    "[nan, 1, 2]",
    '"../x"',
    '"auto"',
    "0.02",
    "1000",
    "[1e-3, 1e-3, 2e-3]",
]
KEYS = [
    "radius_mm",
    "rugs",
    "typ",
    '"a.b"',
    "''",
    "frequency_MHz",
    "spacing",
    "ünïcödé",
    "kind",
    "tissues",
    "name",
    "accept",
]
HEADS = [
    "[phantom]",
    "[coil]",
    "[[coil]]",
    "[phantom.tissues.muscle]",
    "[unknown]",
    "[a.b.c.d]",
    "[]",
    "[output]",
    "[thermal]",
]
WORDS = [
    "run",
    "demo",
    "check",
    "limits",
    "report",
    "validate",
    "ept",
    "refine",
    "devices",
    "rum",
    "--help",
    "--version",
    "-q",
    "--",
]
VALUES = [
    "",
    "0",
    "-1",
    "nan",
    "1e999",
    "0.5",
    "volume",
    "local",
    "IEC 60601-2-33",
    "../x",
    "a\nb",
    "ü",
    "--",
    "/dev/null",
    "/",
]
OPTIONS = [
    "--out",
    "--device",
    "--resume",
    "--force",
    "--quiet",
    "--no-report",
    "--duty-cycle",
    "--patient-mass-kg",
    "--coil-type",
    "--edition",
    "--head",
    "--json",
    "--csv",
    "--state",
    "--frequency-hz",
    "--nope",
    "--list",
    "--case",
    "--spacings",
]
SPACINGS = [
    "",
    "0.02",
    "0.02 0.02",
    "-0.02, 0.03",
    "0 0.02",
    "nan 0.02",
    "inf;0.02",
    "20 mm, 30 mm",
    "0.02,,0.03",
    "1e-9 0.02",
    "1e-300 1e300",
    "0.02 0.0200000001",
    "0,02 0,03",
    "\u0660.02 0.03",
    "1e400 1",
    "auto",
    "[0.02, 0.03]",
    "5 10",
]
SOUND_SPACINGS = {"rf": "0.02 0.03", "implant": "4e-3 2e-3", "ept": "2e-3 3e-3"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Sound scenarios and finished results to damage, a small memory, and a folder to work in."""
    folder = tmp_path_factory.mktemp("sound")
    phase = np.linspace(0.1, 1, 6 * 6 * 5).reshape(6, 6, 5)
    grid = em.Grid(phase.shape, 2e-3)
    write_volume(folder / "mag.nii.gz", (1e-6 * (1 + phase)).astype(np.float32), grid)
    write_volume(folder / "phase.nii.gz", phase.astype(np.float32), grid)
    texts = {"rf": toml.dump(RF), "implant": toml.dump(IMPLANT), "ept": toml.dump(EPT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensor_files, "cache_folder", lambda: folder / "cache" / "kernels")
        patch.setattr(backend.Backend, "memory_free_bytes", lambda self: MEMORY_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, text in texts.items():
                (folder / f"{name}.toml").write_text(text)
                scenarios.run(folder / f"{name}.toml", folder / f"{name}-result", device="cpu")
        work = tmp_path_factory.mktemp("work")
        patch.chdir(work)
        yield SimpleNamespace(sound=folder, work=work, texts=texts)


@contextlib.contextmanager
def interrupted_after(seconds: int):
    """Ctrl-C for what takes too long."""
    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def mutated(rng: random.Random, text: str) -> bytes:
    """A scenario with one to three things done to it."""
    data = text.encode()
    for _ in range(rng.randint(1, 3)):
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        kind = rng.randrange(8)
        if kind <= 2:
            filled = [i for i, line in enumerate(lines) if b"=" in line]
            at = rng.choice(filled) if filled else at
            lines[at] = lines[at].split(b"=")[0] + b"= " + rng.choice(NUMBERS).encode()
        elif kind == 3:
            del lines[at]
        elif kind == 4:
            lines.insert(at, rng.choice(HEADS).encode())
        elif kind == 5:
            lines.insert(at, f"{rng.choice(KEYS)} = {rng.choice(NUMBERS)}".encode())
        elif kind == 6:
            lines.insert(at, lines[rng.randrange(len(lines))])
        else:
            lines = fuzzing.damaged(rng, data).split(b"\n")
        data = b"\n".join(lines)
    return data


def command(rng: random.Random, place: SimpleNamespace) -> list[str]:
    """The words of a command; what they name lies in the folder to work in."""
    for path in list(place.work.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    kind = rng.choice(list(place.texts))
    choice = rng.random()
    if kind == "ept" and choice < 0.6:
        for name in ("mag.nii.gz", "phase.nii.gz"):
            shutil.copy(place.sound / name, place.work / name)
    if choice < 0.08:
        return refinement(rng, place, kind)
    if choice < 0.6:
        (place.work / "s.toml").write_bytes(mutated(rng, place.texts[kind]))
        more = rng.sample(["--quiet", "--resume", "--force", "--no-report", "--no-report"], rng.randint(0, 2))
        if rng.random() < 0.3:
            return ["check", "s.toml"]
        return ["run", "s.toml", "--device", "cpu", "--out", "out", "--no-report", *more]
    if choice < 0.85:
        shutil.copytree(place.sound / f"{kind}-result", place.work / "out")
        if rng.random() < 0.7:
            path = place.work / "out" / rng.choice(["summary.json", "result.h5", "scenario.lock.toml"])
            path.write_bytes(fuzzing.damaged(rng, path.read_bytes()))
        options = [w for _ in range(rng.randint(0, 2)) for w in (rng.choice(OPTIONS[6:13]), rng.choice(VALUES))]
        if rng.random() < 0.1:
            return ["report", "out"]
        shutil.copy(place.sound / f"{kind}.toml", place.work / "s.toml")
        return rng.choice(
            [["check", "out", *options], ["run", "s.toml", "--out", "out", "--no-report", "--device", "cpu"]]
        )
    words = [rng.choice(WORDS[:6] + WORDS[6:] * 2)]
    words += [rng.choice([rng.choice(OPTIONS), rng.choice(VALUES)]) for _ in range(rng.randint(0, 4))]
    # These compute for minutes when they are taken; their words are tried behind another command.
    return ["limits", *words[1:]] if words[0] in ("demo", "validate", "devices") else words


def refinement(rng: random.Random, place: SimpleNamespace, kind: str) -> list[str]:
    """A scenario on several grids: mostly one of the two is damaged, spacings or scenario."""
    choice, text = rng.random(), place.texts[kind]
    (place.work / "s.toml").write_bytes(mutated(rng, text) if choice < 0.3 else text.encode())
    spacings = rng.choice(SPACINGS) if 0.3 <= choice < 0.9 else SOUND_SPACINGS[kind]
    if rng.random() < 0.1:  # a folder that is not one of refinements
        (place.work / "out").mkdir()
        (place.work / "out" / "notes.txt").write_text("mine")
    more = rng.sample(["--quiet", "--force"], rng.randint(0, 2))
    words = ["refine", "s.toml", "--spacings", spacings, "--out", "out", "--device", "cpu", "--no-report", *more]
    if rng.random() < 0.1:
        words[words.index("--spacings") : words.index("--out")] = []
    return words


def outside(place: SimpleNamespace) -> set[str]:
    """What lies in the folder to work in, result folder and inputs apart."""
    known = {"s.toml", "out", "mag.nii.gz", "phase.nii.gz"}
    return {p.name for p in place.work.iterdir()} - known


def trouble(code: int, out: str, err: str, place: SimpleNamespace, words: list[str]) -> str:
    """What is wrong with how a command has ended; empty when nothing is."""
    if "Traceback" in out + err or "emdose has failed" in err:
        return "it has failed"
    if code not in (0, 1, 2, 130):
        return f"exit code {code}"
    lines = [line for line in err.splitlines() if line.startswith("emdose: error: ")]
    if code == 2 and (len(lines) != 1 or not fuzzing.is_clear(lines[0])):
        return "not one line of error"
    if code == 0 and lines:
        return "an error, and exit code 0"
    folder = place.work / "out"
    if words[0] == "refine" and code == 0 and not (folder / "refine.json").exists() and "--help" not in words:
        return "no table of the refinement"
    if words[0] == "refine" and code == 2 and (folder / "notes.txt").exists() and len(list(folder.iterdir())) > 1:
        return "a folder of something else was used"
    if words[0] == "run" and code in (0, 1) and (folder / run_files.SUMMARY_FILE).exists():
        told = json.loads((folder / run_files.SUMMARY_FILE).read_text())
        state = told["validity"]["state"]
        if (state == "not valid") != (code == 1):
            return f"exit code {code} for a result that is {state}"
        if state == "not valid" and told.get("quantities"):
            return "numbers of a result that is not valid"
    left = [p.name for p in folder.rglob("*") if p.suffix in (".tmp", ".part")] if folder.is_dir() else []
    if left:
        return f"left behind: {left}"
    new = outside(place)
    return f"written beside the result: {new}" if new and not {"--json", "--csv", "--out"} & set(words) else ""


@pytest.mark.parametrize("part", range(PARTS))
def test_commands(place, capsys, part):
    ends: dict[int, int] = {}
    for n, rng in fuzzing.generators("command line", part, PARTS):
        words = command(rng, place)
        with warnings.catch_warnings(), interrupted_after(SECONDS):
            warnings.simplefilter("ignore")
            code, out, err = call(capsys, *words)
        wrong = trouble(code, out, err, place, words)
        text = (place.work / "s.toml").read_bytes()[:3000] if (place.work / "s.toml").exists() else b""
        assert not wrong, f"case {n}, seed {fuzzing.seed_of_the_day()}: {wrong}; {words}; {err[-500:]}\n{text!r}"
        ends[code] = ends.get(code, 0) + 1
    total = sum(ends.values())
    assert ends.get(0, 0) > 0.05 * total
    assert ends.get(2, 0) > 0.3 * total
    assert ends.get(130, 0) <= max(1, 0.01 * total)
