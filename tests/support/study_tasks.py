"""Functions that workers of studies are tried with; their processes import them by name from this folder."""

import os
import signal
from pathlib import Path

import numpy as np

from emdose.compute import machine
from emdose.errors import InputError


def field(task: dict, memo: dict) -> dict:
    """Numbers that depend on every bit of the inputs, with what the worker keeps."""
    memo["seen"] = memo.get("seen", 0) + 1
    x = np.random.default_rng(task["seed"]).standard_normal(1000) * task["scale"]
    return {"field": np.sin(x).cumsum(), "process": os.getpid(), "threads": machine.thread_count(), **memo}


def dies(task: dict, memo: dict) -> dict:
    """As field; the process of one task is killed, as often as a file says."""
    left = Path(task["folder"]) / f"deaths-{task['seed']}"
    if left.exists() and (deaths := int(left.read_text())):
        left.write_text(str(deaths - 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return field(task, memo)


def refuses(task: dict, memo: dict) -> float:
    """Refuses one task whatever happens, and another with what an earlier one has left in the memo."""
    memo[str(task["seed"])] = True
    if task["seed"] == 2 or (task["seed"] == 4 and len(memo) > 1):
        raise InputError("no head", field="phantom", found=task["seed"])
    return float(task["seed"])


def lambdas(task: dict, memo: dict) -> object:
    """What cannot be sent back."""
    return lambda: task


def waits(task: dict, memo: dict) -> None:
    """Never ends."""
    Path(task["folder"], f"{os.getpid()}.pid").touch()
    signal.pause()
