"""The command line as a user meets it: exit codes, one line on stderr, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import SMALL, call, one_line

from emdose import __version__
from emdose.cli.telling.progress import RunProgress
from emdose.compute.backend import Backend
from emdose.errors import EmdoseWarning, OutputError
from emdose.io.disk import run_files
from emdose.scenarios import bundled_names
from emdose.scenarios.shared.job import Claimed, JobPlan, Planned
from emdose.solvers.progress import remaining
from emdose.solvers.running import Begin, Done, Iteration, March, Setup, TimeStep
from emdose.solvers.vie.problem import ViePlan

TISSUE = "[phantom.tissues.head_liquid]\n"
EMDOSE = [sys.executable, "-m", "emdose"]
ENVIRONMENT = {**os.environ, "EMDOSE_DEVICE": "cpu"}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, made by a real process, and what it printed."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "small.toml").write_text(SMALL)
    process = shell("run", "small.toml", "--out", "result", cwd=folder)
    return folder / "result", process


def shell(*arguments, cwd=None, **options):
    return subprocess.run(
        [*EMDOSE, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        **options,
    )


# ---- a good run ----------------------------------------------------------------------------------------------------
def test_run_writes_everything_and_says_so(done):
    # Oracle: the list of files in the documentation, and the numbers in summary.json.
    folder, process = done
    assert process.returncode == 0, process.stderr
    assert {p.name for p in folder.iterdir()} == {
        "report.html",
        "result.h5",
        "summary.json",
        "fields.vti",
        "scenario.lock.toml",
        "solution",
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert f"{summary['quantities']['psSAR10g']['value']:.4g}" in process.stdout
    assert "Limits: none" in process.stdout  # a ball is a test object, not a patient
    assert "Open file://" in process.stdout
    assert "unaccounted for" in process.stdout
    assert "compliant" not in process.stdout + process.stderr


def test_progress_without_a_terminal_is_plain_lines(done):
    # Oracle: a plan before the solution, stages in order, no control characters.
    lines = done[1].stderr.splitlines()
    words = [
        "results go to",
        "plan:",
        "setting up",
        "solving port 1 of 2",  # and the other with it
        "averaging",
        "checking",
        "writing",
    ]
    at = [next(i for i, line in enumerate(lines) if word in line) for word in words]
    assert at == sorted(at)
    assert "MiB" in lines[at[1]]
    assert all(c.isprintable() for line in lines for c in line)


def test_second_run_computes_nothing(done, capsys):
    # Oracle: the same files, untouched.
    folder, _ = done
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    code, out, err = call(capsys, "run", folder.parent / "small.toml", "--out", folder)
    assert code == 0
    assert "nothing was computed" in out
    assert err == ""
    assert before == {p: p.stat().st_mtime_ns for p in folder.iterdir()}


def test_check_of_a_folder(done, capsys, tmp_path):
    # Oracle: SAR is proportional to the duty cycle.
    folder, _ = done
    code, out, _ = call(capsys, "check", folder)
    assert code == 0
    assert "no patient" in out  # a sphere
    assert "binds first" not in out
    code, out, _ = call(capsys, "check", folder, "--patient", "--json", tmp_path / "one.json")
    assert code == 0
    assert "binds first" in out
    assert "[1] inherited: JIS Z4951:2017" in out
    options = ("--patient", "--duty-cycle", 0.1, "--edition", "2010+A2:2015", "--json", tmp_path / "two.json")
    code, out, _ = call(capsys, "check", folder, *options)
    assert code == 0
    assert "edition 2010+A2:2015" in out
    one, two = (json.loads((tmp_path / f"{n}.json").read_text())["checks"][0] for n in ("one", "two"))
    assert two["value"] == pytest.approx(0.1 * one["value"], rel=1e-9)


def test_check_of_a_scenario_does_not_run_it(small, capsys):
    # Oracle: the disk before and after.
    code, out, _ = call(capsys, "check", small)
    assert code == 0
    assert "valid scenario of kind rf" in out
    assert "plan: " in out
    assert [p.name for p in small.parent.iterdir()] == ["small.toml"]


def test_report_is_written_again(done, capsys, tmp_path):
    # Oracle: a page of its own in another place.
    code, out, _ = call(capsys, "report", done[0], "--out", tmp_path / "page.html")
    assert code == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!")
    assert "page.html" in out


def test_list_version_help(capsys):
    # Oracle: the bundled files and the version of the package.
    code, out, _ = call(capsys, "demo", "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == bundled_names()
    assert call(capsys, "--version")[1] == f"emdose {__version__}\n"
    for arguments in ([], ["--help"], ["run", "--help"]):
        code, out, _ = call(capsys, *arguments)
        assert code == 0
        assert "Usage: " in out


def test_validate(capsys, tmp_path, monkeypatch):
    # Oracle: the rows of the registry, and a row that this test makes fail.
    from emdose.validation import cases

    code, out, _ = call(capsys, "validate", "--list")
    assert code == 0
    assert out.splitlines() == list(cases.names())
    assert call(capsys, "validate", "--list", "--long")[1].splitlines() == [*cases.names(), *cases.names(long=True)]
    name = next(n for n in cases.names() if "average" in n or "averaging" in n)
    code, out, err = call(capsys, "validate", "--case", name, "--json", tmp_path / "rows.json", "--device", "cpu")
    report = json.loads((tmp_path / "rows.json").read_text())
    assert code == 0
    assert report["passed"] is True
    assert set(report["rows"][0]) == {
        "case",
        "oracle",
        "quantity",
        "reference",
        "result",
        "error",
        "tolerance",
        "passed",
    }
    assert "rows within their tolerance" in out
    assert f"case 1 of 1: {name}" in err
    bad = cases.Row("bad", "none", "x", 1.0, 2.0, 1.0, 0.1, False)
    monkeypatch.setattr(cases, "run", lambda *_, **__: [bad])
    code, out, _ = call(capsys, "validate")
    assert code == 1
    assert "FAIL" in out
    assert "0 of 1 rows" in out


def test_devices(capsys, monkeypatch):
    # Oracle: the CPU is always there; the bandwidth is measured elsewhere.
    monkeypatch.setattr("emdose.compute.backend.measure_bandwidth", lambda _: 1.234e10)
    code, out, _ = call(capsys, "devices")
    assert code == 0
    assert out.startswith("cpu: ")
    assert "12.3 GB/s" in out
    assert "threads" in out


# ---- bad input: issue section 7 ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("127.74e6", "0", "exposure.frequency_Hz: bad value; found 0"),
        ("127.74e6", "1e15", "exposure.frequency_Hz: bad value; found 1000000000000000.0"),
        ("127.74e6", "nan", "exposure.frequency_Hz: bad value; found nan"),
        ("12.5e-3", "0", "phantom.spacing_m: bad value; found 0"),
        ("radius_m = 0.05", "radius_mm = 50", "'radius_m' (in m, so radius_m = 0.05)"),
        ("rungs = 8", "rnugs = 8", "did you mean 'rungs'?"),
        ("rungs = 8", "radius_m = 0.04", "runs through the body"),
        ("rungs = 8", "rungs = = 8", "small.toml:11: not valid TOML"),
        ("[exposure]", TISSUE + "conductivity_S_m = nan\n[exposure]", "head_liquid.conductivity_S_m: bad value"),
        ("[exposure]", TISSUE + "conductivity_S_m = -1\n[exposure]", "head_liquid.conductivity_S_m: bad value"),
        ("[exposure]", TISSUE + "density_kg_m3 = 0\n[exposure]", "head_liquid.density_kg_m3: bad value"),
        ("12.5e-3", "12.5e-3\nresample_spacing_m = [0.01, 0.01, 0.02]", "cubic voxels"),
        ("12.5e-3", '12.5e-3\ntissue = "liverr"', "phantom.tissue: unknown tissue; found 'liverr'"),
        ('type = "sphere"', 'type = "file"\nfile = "no.nii"', "phantom"),
    ],
)
def test_wrong_scenario(small, capsys, old, new, words):
    # Oracle: what this test wrote into the file; nothing may be left behind.
    assert old in SMALL
    small.write_text(SMALL.replace(old, new))
    code, out, err = call(capsys, "run", small, "--out", small.parent / "out", "-q")
    assert code == 2
    assert words in one_line(err)
    assert str(small) in err
    assert out == ""
    assert [p.name for p in small.parent.iterdir()] == ["small.toml"]


FILE_SCENARIO = """
[scenario]
kind = "rf"
[phantom]
type = "file"
file = "body.nii"
labels = "labels.csv"
[coil]
type = "plane-wave"
[exposure]
frequency_Hz = 64e6
[normalise]
whole_body_sar_W_kg = 1.0
"""


@pytest.mark.parametrize(
    ("case", "table", "words"),
    [
        ("missing", "label,tissue\n1,muscle\n", "no such file"),
        ("unreadable", "label,tissue\n1,muscle\n", ""),
        ("not a NIfTI", "label,tissue\n1,muscle\n", "body.nii"),
        ("cut", "label,tissue\n1,muscle\n", "body.nii"),
        ("good", "label,tissue\n2,muscle\n", "1"),
        ("good", "label,tissue,density_kg_m3\n1,muscle,-5\n", "density_kg_m3"),
        ("good", "label,tissue,conductivity_S_m\n1,muscle,nan\n", "conductivity_S_m"),
        ("good", "label,tissue\n1,unobtainium\n", "unobtainium"),
        ("good", "", "labels.csv"),
        ("good", "\x00\x01\x02", "labels.csv"),
    ],
)
def test_wrong_phantom_file(tmp_path, capsys, case, table, words):
    # Oracle: the damage that this test does.
    import nibabel
    import numpy as np

    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:6, 2:6, 2:6] = 1
    body, scenario = tmp_path / "body.nii", tmp_path / "s.toml"
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([10.0, 10.0, 10.0, 1.0])), body)
    if case == "missing":
        body.unlink()
    elif case == "unreadable":
        body.unlink()
        body.mkdir()
    elif case == "not a NIfTI":
        body.write_text("this is no image")
    elif case == "cut":
        body.write_bytes(body.read_bytes()[:500])
    (tmp_path / "labels.csv").write_text(table)
    scenario.write_text(FILE_SCENARIO)
    code, _, err = call(capsys, "run", scenario, "--out", tmp_path / "out", "-q")
    assert code == 2
    assert words in one_line(err)
    assert not (tmp_path / "out").exists()


def test_tissue_without_density(tmp_path, capsys):
    # Oracle: the column that this test leaves empty.
    import nibabel
    import numpy as np

    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:6, 2:6, 2:6] = 1
    nibabel.save(nibabel.Nifti1Image(labels, np.diag([10.0, 10.0, 10.0, 1.0])), tmp_path / "body.nii")
    (tmp_path / "labels.csv").write_text("label,tissue\n1,my_gel\n")
    (tmp_path / "tissues.csv").write_text(
        "tissue,relative_permittivity,conductivity_S_m,density_kg_m3\nmy_gel,50,0.5,\n"
    )
    scenario = tmp_path / "s.toml"
    scenario.write_text(FILE_SCENARIO.replace("[coil]", 'tissue_table = "tissues.csv"\n[coil]'))
    code, _, err = call(capsys, "run", scenario, "--out", tmp_path / "out", "-q")
    assert code == 2
    assert "tissues.csv: line 2.density_kg_m3: tissue without density" in one_line(err)


def test_grid_that_does_not_fit_the_memory(small, capsys, monkeypatch):
    # Oracle: a machine with 10 MB; the text says how much is needed and what would fit.
    monkeypatch.setattr(Backend, "memory_free_bytes", lambda self: 10_000_000)
    small.write_text(SMALL.replace("12.5e-3", "1.25e-3"))
    code, _, err = call(capsys, "run", small, "--out", small.parent / "out", "-q")
    assert code == 2
    assert "GiB" in err
    assert "a spacing of" in one_line(err)
    assert not (small.parent / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rum"], "Did you mean 'run'"),
        (["run"], "Missing argument"),
        (["run", "a.toml", "--colour"], "--colour"),
        (["run", "no.toml"], "no such file"),
        (["run", "."], "this is a folder"),
        (["check", "nowhere"], "no result of a finished run"),
        (["check", "."], "no result of a finished run"),
        (["report", "nowhere"], "nowhere"),
        (["demo", "head3t"], "did you mean 'head-3t'?"),
        (["check", "x", "--duty-cycle", "often"], "--duty-cycle"),
        (["validate", "--case", "no such case"], "no such case"),
    ],
)
def test_wrong_command(capsys, arguments, words, tmp_path, monkeypatch):
    # Oracle: the argument that is wrong.
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert words in one_line(err)


def test_wrong_device(small, capsys):
    # Oracle: there is no such device.
    code, _, err = call(capsys, "run", small, "--out", small.parent / "out", "--device", "abacus", "-q")
    assert code == 2
    assert "unknown device 'abacus'" in err
    assert not (small.parent / "out").exists()


def test_folder_of_somebody_else(small, capsys):
    # Oracle: the file stays.
    code, _, err = call(capsys, "run", small, "--out", small.parent)
    assert code == 2
    assert "not a result folder of emdose" in one_line(err)
    assert [p.name for p in small.parent.iterdir()] == ["small.toml"]


def test_read_only_output(small, capsys):
    # Oracle: /proc takes no folders, whoever asks.
    if not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    code, _, err = call(capsys, "run", small, "--out", "/proc/emdose-test")
    assert code == 2
    assert "cannot write" in one_line(err)


def test_unwritable_folder(small):
    # Oracle: file permissions, for a user who is not root.
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (small.parent / "locked").mkdir(mode=0o500)
    process = shell("run", small, "--out", small.parent / "locked" / "out")
    assert process.returncode == 2
    assert "Permission denied" in one_line(process.stderr)


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(options, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small, tiny_disk):
    # Oracle: a real file system of 64 kB, where the result does not fit.
    process = shell("run", small, "--out", tiny_disk / "out", "-q")
    assert process.returncode == 2
    assert "No space left on device" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
    left = {p.name for p in (tiny_disk / "out").glob("*")}
    assert not left & {"summary.json", "result.h5", "fields.vti", "report.html"}
    assert not [n for n in left if n.endswith(".part")]


# ---- stopped runs --------------------------------------------------------------------------------------------------
def slow_run(folder, *more):
    """A run that waits after its first port, and the process; returns when the port is on the disk."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs of a shell ignore it
        "from emdose.io.disk.checkpoint import FolderCheckpoint\n"
        "from emdose.solvers.vie import problem\n"
        "problem.TOGETHER = 1\n"
        "save = FolderCheckpoint.save\n"
        "def slow(self, name, arrays):\n    save(self, name, arrays)\n    time.sleep(120)\n"
        "FolderCheckpoint.save = slow\n"
        "from emdose.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", "small.toml", "--out", "out", *more],
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(2400):
        if (folder / "out" / "checkpoint" / "port-0000.npz").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(0.3)
    return process


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_and_resumed(small, capsys, monkeypatch, sign):
    # Oracle: the solver's account of which ports it took from the checkpoint; those solved for together end together.
    monkeypatch.setattr("emdose.solvers.vie.problem.TOGETHER", 1)
    folder = small.parent
    process = slow_run(folder)
    if sign == signal.SIGTERM:
        # Oracle: this process is alive, so another one must keep out.
        code, _, err = call(capsys, "run", small, "--out", folder / "out", "--force")
        assert code == 2
        assert f"process {process.pid}) is running" in one_line(err)
    process.send_signal(sign)
    err = process.communicate(timeout=600)[1]
    if sign == signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 130
        assert (
            err.splitlines()[-1] == "emdose: interrupted; 1 solved port is kept: the same command with --resume goes on"
        )
        assert "Traceback" not in err
    assert not {p.name for p in (folder / "out").iterdir()} & {"summary.json", "result.h5", "report.html"}
    code, _, err = call(capsys, "run", small, "--out", folder / "out")
    assert code == 2
    assert "--resume" in one_line(err)
    if sign == signal.SIGKILL:
        # Oracle: the key that differs.
        (folder / "changed.toml").write_text(SMALL.replace("rungs = 8", "rungs = 12"))
        code, _, err = call(capsys, "run", folder / "changed.toml", "--out", folder / "out", "--resume")
        assert code == 2
        assert "coil.rungs = 8 there, 12 here" in one_line(err)
    code, _, err = call(capsys, "run", small, "--out", folder / "out", "--resume", "--no-report")
    assert code == 0
    assert "going on with 1 solved port" in err
    ports = run_files.read_summary(folder / "out")["convergence"]["ports"]
    assert [p["resumed"] for p in ports] == [True, False]
    assert not list((folder / "out").glob("*.part")) + list((folder / "out").glob(".*"))


def test_warnings_of_a_run_that_fails_are_told(small, capsys, monkeypatch):
    # Oracle: the warning came before the error, and there is no summary that could hold it.
    def full(*_, **__):
        warnings.warn("no checkpoint from here on", EmdoseWarning, stacklevel=2)
        raise OutputError("disk full")

    monkeypatch.setattr("emdose.scenarios.kinds.rf.job.RfJob.solve", full)
    code, _, err = call(capsys, "run", small, "--out", small.parent / "out", "--quiet")
    assert code == 2
    assert err.splitlines()[-2:] == ["emdose: warning: no checkpoint from here on", "emdose: error: disk full"]


def test_missed_tolerance(small, capsys):
    # Oracle: exit code 1, the reason in the last line, results in the folder all the same.
    small.write_text(SMALL + "[solver]\nmax_iterations = 1\n")
    code, out, err = call(capsys, "run", small, "--out", small.parent / "out", "--no-report")
    assert code == 1
    assert "not valid: The residual over the tolerance" in err.splitlines()[-1]
    assert "NOT VALID" in out.splitlines()[0]
    assert "misses the tolerance" in out
    assert "W/kg" not in out
    assert "WARNING: " in out
    assert run_files.read_summary(small.parent / "out")["convergence"]["converged"] is False


def test_a_bug_is_one_line_and_a_file(small, capsys, monkeypatch, tmp_path):
    # Oracle: the error that this test plants.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("emdose.scenarios.load", lambda _: 1 / 0)
    code, _, err = call(capsys, "run", small)
    assert code == 1
    assert err.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in err
    saved = next(tmp_path.glob("emdose-traceback-*.txt")).read_text()
    assert "Traceback" in saved


def test_out_of_memory(small, capsys, monkeypatch):
    # Oracle: the error that this test plants.
    def load(_):
        raise MemoryError

    monkeypatch.setattr("emdose.scenarios.load", load)
    code, _, err = call(capsys, "run", small)
    assert code == 2
    assert "memory" in one_line(err)


def test_reader_of_a_pipe_goes_away():
    # Oracle: what `head` does to other commands.
    command = f"{sys.executable} -m emdose demo --list | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode in (0, 1)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


# ---- progress ------------------------------------------------------------------------------------------------------
PLAN = ViePlan(
    bytes=2**31,
    seconds=100.0,
    size=5,
    device="cpu",
    shape=(2, 3, 4),
    ports=2,
    fft_shape=(8, 8, 8),
    method="gmres",
    ports_at_once=1,
)


def test_progress_in_a_terminal():
    # Oracle: a recorded terminal shows stage, port, residual, goal and time left.
    from rich.console import Console

    console = Console(force_terminal=True, width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with RunProgress(console) as progress:
        progress(Claimed(name="x", folder=Path("out"), kept=(0, 1), noun="solved port"))
        progress(Begin(stage="phantom"))
        assert not progress._bar.tasks[0].fields["note"]
        progress(Planned(plan=JobPlan(device="cpu", solution=PLAN)))
        port = Iteration(stage="port", name="a", count=2, step=0, residual=1.0, tolerance=1e-4)
        progress(port)
        progress._since -= 10.0
        progress(replace(port, name="b", index=1, step=7, residual=1e-2))
        bar = progress._bar.tasks[0]
    assert bar.description == "solving port 2 of 2"
    assert bar.completed == pytest.approx(0.75)
    assert bar.fields["note"] == "step 7, residual 1.0e-02 (goal 1e-04), about 3 s left"
    shown = console.export_text()
    assert "going on with 2 solved ports" in shown
    assert "2 x 3 x 4 voxels" in shown


def test_estimates():
    # Oracle: arithmetic.
    assert remaining(10.0, 0.25, 0.75) == pytest.approx(30.0)
    assert remaining(10.0, 0.0, 1.0) is None


def test_every_event_is_shown():
    # Oracle: a recorded terminal; a stage that nobody has put in words goes by its own name.
    from rich.console import Console

    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with RunProgress(console) as progress:
        progress(Claimed(name="x", folder=Path("out")))
        progress(Planned(plan=JobPlan(device="cpu", then="2 methods of reconstruction")))
        progress(Setup())
        progress(
            TimeStep(
                stage="port",
                name="a",
                step=5,
                steps=10,
                residual=0.1,
                tolerance=1e-3,
                energy_dB=-20.0,
                cells_per_s=3e8,
                eta_s=9.0,
            )
        )
        progress(March(stage="heat", name="the body", time_s=3.0, duration_s=60.0, final=False))
        progress(Begin(stage="thinking", name="it over", index=1, count=3))
        progress(Done())
    assert console.export_text().splitlines() == [
        "x: results go to out",
        "plan: 2 methods of reconstruction on cpu",
        "setting up the equations",
        "solving port 1 of 1: step 5 of 10, energy -20 dB, residual 1.0e-01 (goal 1e-03), 300 Mcells/s, about 9 s left",
        "choosing time steps: the body: 3 of 60 s",
        "thinking: it over, 2 of 3",
    ]


def test_names_are_not_markup(capsys):
    # Oracle: what users call things must come out as they wrote it, "[/]" included.
    from rich.console import Console

    from emdose.report import terminal

    terminal.table(Console(width=60), ("name", "value"), [("[/] [red]gel", "1"), (("fine", "green"), "2")], right=(1,))
    terminal.say(Console(width=60), "a [/] b")
    out = capsys.readouterr().out
    assert "[/] [red]gel" in out
    assert "a [/] b" in out


def test_narrow_terminals_cut_no_numbers(done, capsys, monkeypatch):
    # Oracle: every number of the wide table is in the narrow one.
    from rich.console import Console

    from emdose.report import terminal

    rows = json.loads((done[0] / "summary.json").read_text())["checks"]
    terminal.checks(Console(width=80), rows, {})
    out = capsys.readouterr().out
    assert all(f"{row['limit']:.3g} W/kg" in out for row in rows if row["limit"] is not None)
    assert all(f"{row['value']:.3g} " in out for row in rows if row["value"] is not None)


def test_quiet_prints_nothing_but_errors(small, capsys):
    # Oracle: empty streams, and the files.
    code, out, err = call(capsys, "run", small, "--out", small.parent / "out", "-q", "--device", "cpu", "--no-report")
    assert (code, out, err) == (0, "", "")
    assert (small.parent / "out" / "summary.json").exists()
