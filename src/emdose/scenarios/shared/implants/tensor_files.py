"""Power tensors as plain arrays: in result files, checkpoints, and a cache for scenarios with the same implant."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.compute.kernel_compiler import cache_folder
from emdose.compute.private_files import UntrustedError, keep, private_file, private_folder
from emdose.errors import EmdoseWarning, InputError, OutputError
from emdose.io.disk.checkpoint import checksum
from emdose.io.disk.run_files import to_json
from emdose.models.grids.grid import Grid
from emdose.models.implants.metals import PROPERTIES, Metal
from emdose.solvers.results.power_tensor import PowerTensor

NUMBERS = ("frequencies_Hz", "matrix", "cells", "loss", "residual", "identity", "skin_depth_over_step", "left_out")
TEXTS = ("sources", "engine", "source_units", "warnings", "provenance")
CACHE_VERSION = 3
_SUM = "checksum"
MOST_FILES = 12
"""Power tensors that the cache keeps; the ones not used for longest go."""


def tensor_arrays(tensor: PowerTensor, *, loss: bool = True) -> dict[str, np.ndarray]:
    """Everything in a power tensor as arrays of numbers and JSON texts.

    Parameters
    ----------
    tensor : PowerTensor
        The tensor.
    loss : bool
        Whether the power density, by far the largest part, is kept; without it, it reads as zero.
    """
    arrays = {key: np.asarray(getattr(tensor, key)) for key in NUMBERS if loss or key != "loss"}
    arrays["shape"] = np.array(tensor.grid.shape)
    arrays["spacing_m"], arrays["origin_m"] = np.array(tensor.grid.spacing_m), np.array(tensor.grid.origin_m)
    arrays |= {key: np.array(to_json(getattr(tensor, key))) for key in TEXTS}
    metals = [
        {"name": m.name, "sources": dict(m.sources)} | {k: getattr(m, k) for k in PROPERTIES} for m in tensor.metals
    ]
    arrays["metals"] = np.array(to_json(metals))
    return arrays


def tensor_of_arrays(arrays: Mapping[str, Any], file: object = None) -> PowerTensor:
    """Inverse of :func:`tensor_arrays`; raises InputError for arrays that are no power tensor."""
    try:
        grid = Grid(*(tuple(np.asarray(arrays[k]).tolist()) for k in ("shape", "spacing_m", "origin_m")))
        numbers: dict[str, Any] = {k: np.asarray(arrays[k]) for k in NUMBERS if k in arrays}
        f, n, m = len(numbers["frequencies_Hz"]), numbers["matrix"].shape[-1], len(numbers["cells"])
        numbers.setdefault("loss", np.zeros((f, n, n, m), np.complex64))
        texts: dict[str, Any] = {k: json.loads(_text(arrays[k])) for k in TEXTS}
        texts |= {k: tuple(texts[k]) for k in TEXTS if k != "provenance"}
        metals = tuple(Metal(**row) for row in json.loads(_text(arrays["metals"])))
        return PowerTensor(grid=grid, metals=metals, **numbers, **texts)
    except InputError as error:
        raise InputError(f"damaged power tensor: {error.problem}", file=file, field=error.field) from None
    except (KeyError, ValueError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split())[:80]
        raise InputError("damaged power tensor", file=file, found=f"{type(error).__name__}: {reason}") from None


class TensorCache:
    """Power tensors of earlier runs in the user's cache folder, by a key that holds all that they depend on.

    Parameters
    ----------
    folder : Path, optional
        Where they lie; by default in EMDOSE_CACHE_DIR or the user's cache folder. What cannot be written is not kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder().parent / "power-tensors"

    def load(self, key: str) -> PowerTensor | None:
        """The power tensor of a key, or None; what is damaged, changed or another user's counts as none."""
        path = self._path(key)
        try:
            folder = private_folder(self.folder)
            with np.load(private_file(folder / path.name), allow_pickle=False) as data:
                arrays = {k: data[k] for k in data.files}
            if str(arrays.pop(_SUM)) != checksum(key, arrays):
                raise InputError("does not match its checksum", file=path)
            tensor = tensor_of_arrays(arrays, path)
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError, NotImplementedError) as error:
            reason = str(error) if isinstance(error, UntrustedError | InputError) else f"{path}: damaged"
            text = f"{reason}: this power tensor is not used and is solved anew"
            warnings.warn(text, EmdoseWarning, stacklevel=2)
            return None
        return tensor

    def save(self, key: str, tensor: PowerTensor) -> None:
        """Keep a power tensor; older ones beyond a dozen are removed. Nothing happens where nothing can be written."""
        with contextlib.suppress(OSError, OutputError):
            folder = private_folder(self.folder)
            arrays: dict[str, Any] = tensor_arrays(tensor)
            arrays[_SUM] = np.array(checksum(key, arrays))
            with tempfile.TemporaryDirectory(dir=folder, prefix="write-") as made:
                part = Path(made) / "tensor.npz"
                np.savez(part, **arrays)
                keep(part, folder / self._path(key).name)
            files = sorted(folder.glob("*.npz"), key=lambda p: p.stat().st_mtime, reverse=True)
            for old in files[MOST_FILES:]:
                # Another process may have written it a moment ago.
                if time.time() - old.stat().st_mtime > 60:
                    old.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"v{CACHE_VERSION}-{key}.npz"


def _text(value: Any) -> str:
    item = value.item() if isinstance(value, np.ndarray) else value
    return item.decode() if isinstance(item, bytes) else str(item)
