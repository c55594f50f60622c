"""The power tensor of an implant, solved once for all scenarios that need the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from emdose import resources
from emdose.io.disk.run_files import to_json
from emdose.scenarios.shared.implants.tensor_files import TensorCache

if TYPE_CHECKING:
    from emdose.compute.shared import Shared
    from emdose.models.implants.implant import Implant
    from emdose.solvers.eddy.solver import EddyCurrent
    from emdose.solvers.results.power_tensor import PowerTensor
    from emdose.solvers.running import Checkpoint, ProgressCallback


def tensor_key(
    implant: Implant, solver: EddyCurrent, frequencies_Hz: Sequence[float], sources: str, device: str
) -> str:
    """Hash of all that a power tensor depends on.

    Parameters
    ----------
    implant, solver, frequencies_Hz, sources, device
        As of :meth:`~emdose.EddyCurrent.solve`.
    """
    code = resources.code_sha256("compute", "models", "solvers", "data")
    told = to_json([code, implant.hash(), asdict(solver), frequencies_Hz, sources, device])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def kept_tensor(
    implant: Implant,
    solver: EddyCurrent,
    frequencies_Hz: Sequence[float],
    sources: str,
    device: str,
    *,
    cache: bool = True,
    progress: ProgressCallback | None = None,
    checkpoint: Checkpoint | None = None,
    shared: Shared | None = None,
) -> PowerTensor:
    """A power tensor from the user's cache, or solved and kept there.

    Parameters
    ----------
    implant, solver, frequencies_Hz, sources, device, progress, checkpoint, shared
        As of :meth:`~emdose.EddyCurrent.solve`.
    cache : bool
        Whether the cache is used.

    Raises
    ------
    InputError, ResourceError, ConvergenceError
        As the solver.
    """
    store = TensorCache() if cache else None
    key = tensor_key(implant, solver, frequencies_Hz, sources, device)
    if store is not None and (tensor := store.load(key)) is not None:
        return tensor
    tensor = solver.solve(implant, frequencies_Hz, sources, device, progress or False, checkpoint, shared)
    if store is not None:
        store.save(key, tensor)
    return tensor
