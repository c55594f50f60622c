"""Runs emdose in forks of one process that has imported it, and sends them a signal after a given time.

A line of JSON on stdin asks for a run: {"arguments": [...], "after_s": s or null, "signal": number, "largest": bytes or
null}; a line on stdout tells {"code": exit code or minus the signal, "seconds": s, "err": stderr}.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self


class RunServer:
    """The process from the side of a test; a context manager."""

    def __enter__(self) -> Self:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen([sys.executable, __file__], **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def __call__(
        self,
        *arguments: object,
        after_s: float | None = None,
        with_: int = signal.SIGKILL,
        largest_file: int | None = None,
    ) -> dict[str, Any]:
        """Run the command line with some arguments.

        Parameters
        ----------
        arguments : str or Path
            What stands behind ``emdose``.
        after_s, with_ : float, int
            The run is ended by this signal after so many seconds, if it takes so long.
        largest_file : int, optional
            Largest file that the run can write [bytes].
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {
            "arguments": [str(a) for a in arguments],
            "after_s": after_s,
            "signal": int(with_),
            "largest": largest_file,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


def _child(arguments: list[str], err: str, largest: int | None) -> None:
    from emdose.cli import main

    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    handle = os.open(err, os.O_WRONLY)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    code = 99
    try:
        main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    import scipy.stats

    import emdose.scenarios
    from emdose.scenarios.kinds.ept import job as _ept
    from emdose.scenarios.kinds.implant_gradient import heating as _heating
    from emdose.scenarios.kinds.implant_gradient import job as _implant
    from emdose.scenarios.kinds.rf import job as _rf
    from emdose.scenarios.study import study as _study
    from emdose.uncertainty import chaos as _chaos

    assert all((emdose.scenarios, scipy.stats, _ept, _heating, _implant, _rf, _study, _chaos))
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.NamedTemporaryFile() as err:
            start = time.perf_counter()
            child = os.fork()
            if not child:
                _child(job["arguments"], err.name, job["largest"])
            ended = 0
            while job["after_s"] is not None and not ended and time.perf_counter() - start < job["after_s"]:
                time.sleep(min(0.002, max(0.0, job["after_s"] - (time.perf_counter() - start))))
                ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                if job["after_s"] is not None:
                    os.kill(child, job["signal"])
                _, status = os.waitpid(child, 0)
            seconds = time.perf_counter() - start
            text = Path(err.name).read_text(errors="replace")
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "err": text}), flush=True)


if __name__ == "__main__":
    _serve()
