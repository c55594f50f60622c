r"""What a body goes through along a trajectory: B, its change within three seconds, dB/dt and induced E over time.

Changes of B are those of the vector in the axes of the body: turning in a uniform field counts as walking does.

Source: ICNIRP, Health Phys. 106 (2014) 418 (change of B within any 3 s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import array, positive, whole
from emdose.errors import InputError
from emdose.models.induction.trajectories import Trajectory
from emdose.solvers.moving.reduced import VoxelSample, percentiles
from emdose.solvers.results.induced import InducedField
from emdose.values import owned, read_only

WINDOW_s = 3.0


@read_only(units={"E": "V/m"})
@dataclass(frozen=True, eq=False)
class MotionCourse:
    """Time course of a body along a trajectory.

    Parameters
    ----------
    trajectory : Trajectory
        Where it went.
    induced : InducedField
        The solved motions.
    sample : VoxelSample
        Voxels that ``E`` holds.
    times_s : (t,) ndarray
        Times [s].
    weights : (t, motions) ndarray
        Of the solved motions.
    B_T : (t, n, 3) float32 ndarray
        Flux density at points of the body, in its axes [T].
    dBdt_T_s : (t, n, 3) float32 ndarray
        Its change there [T/s].
    E : (t, 3, voxels) float32 ndarray
        Induced field in the voxels of the sample [V/m].
    left_out : float
        Largest part of dB/dt that the solved motions leave out, over its largest value: the order of the error of E
        over its largest value.
    about : mapping
        Times and speeds, for the provenance.
    """

    trajectory: Trajectory
    induced: InducedField
    sample: VoxelSample
    times_s: np.ndarray
    weights: np.ndarray
    B_T: np.ndarray
    dBdt_T_s: np.ndarray
    E: np.ndarray
    left_out: float
    about: Mapping[str, Any]

    @cached_property
    def largest_B_T(self) -> np.ndarray:
        r"""Largest \|B\| in the body over time, (t,) [T]."""
        return owned(np.linalg.norm(self.B_T, axis=2).max(axis=1).astype(float))

    @cached_property
    def largest_dBdt_T_s(self) -> np.ndarray:
        r"""Largest \|dB/dt\| in the body over time, (t,) [T/s]."""
        return owned(np.linalg.norm(self.dBdt_T_s, axis=2).max(axis=1).astype(float))

    def change_of_B(self, window_s: float = WINDOW_s) -> float:
        r"""Largest \|B(t2) - B(t1)\| of any point of the body within a time [T].

        Parameters
        ----------
        window_s : float
            Longest time between both [s]; 3 s in ICNIRP 2014.
        """
        positive("window_s", window_s)
        largest = 0.0
        for lag in range(1, len(self.times_s)):
            near = self.times_s[lag:] - self.times_s[:-lag] <= window_s * (1 + 1e-9)
            if not near.any():
                break
            change = self.B_T[lag:][near] - self.B_T[:-lag][near]
            largest = max(largest, float(np.sqrt((change**2).sum(axis=2)).max()))
        return largest

    @cached_property
    def size_E(self) -> np.ndarray:
        r"""\|E\| in the voxels of the sample over time, (t, voxels) float32 [V/m]."""
        return owned(np.sqrt((self.E**2).sum(axis=1)))

    def percentiles(self, percent: Sequence[float] = (99.0, 99.9, 100.0)) -> dict[str, np.ndarray]:
        r"""Percentiles of \|E\| of every tissue over time, (len(percent), t) [V/m] by name.

        Parameters
        ----------
        percent : sequence of float
            Which; 100 is the largest. Tissues of more than 2 400 voxels are read from a sample (see
            :mod:`emdose.solvers.moving.reduced`), whose largest values are exact along the trajectories that were
            solved for.
        """
        wanted = tuple(float(p) for p in percent)
        if not all(0 < p <= 100 for p in wanted):
            raise InputError("bad percentile", field="percent", found=wanted, expected="above 0, up to 100")
        out = {}
        for label in np.unique(self.sample.labels):
            own = self.sample.labels == label
            name = self.induced.phantom.tissues[int(label)].name
            out[name] = percentiles(self.size_E[:, own], self.sample.weights[own], wanted)
        return out

    @property
    def peak_time_s(self) -> float:
        r"""When the largest \|E\| occurs [s]."""
        return float(self.times_s[int(np.argmax(self.size_E.max(axis=1)))])

    @property
    def peak_E(self) -> float:
        r"""Largest \|E\| of all times and voxels [V/m]."""
        return float(self.size_E.max())

    def hottest(self, count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
        """Voxels with the largest peaks and their field over time.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        (count,) int64 ndarray
            Into the voxels that conduct (``induced.cells``), the largest peak first.
        (t, 3, count) float32 ndarray
            Their field over time [V/m].
        """
        peak = self.size_E.max(axis=0)
        some = np.argsort(-peak, kind="stable")[: whole("count", count, 1)]
        return self.sample.index[some], np.ascontiguousarray(self.E[:, :, some])

    def at_voxels(self, voxels: Sequence[int] | np.ndarray) -> np.ndarray:
        """Field over time in voxels of one's choice, (t, 3, n) float32 [V/m].

        Parameters
        ----------
        voxels : (n,) int array
            Into the voxels that conduct (``induced.cells``).
        """
        index = np.asarray(voxels)
        if index.dtype.kind not in "iu" or index.ndim != 1 or np.any(index < 0) or np.any(index >= self._count):
            raise InputError(
                "no such voxels", field="voxels", found=index.shape, expected=f"indices from 0 to {self._count - 1}"
            )
        part = self.induced.E[:, :, index]
        field = self.weights.astype(np.float32) @ part.reshape(len(part), -1)
        return np.asarray(field.reshape(len(self.weights), 3, len(index)))

    def field(self, time_s: float) -> np.ndarray:
        """Field in all voxels that conduct at the nearest of the times, (3, m) float32 [V/m].

        Parameters
        ----------
        time_s : float
            Time [s].
        """
        wanted = array("time_s", [time_s], (1,))[0]
        nearest = int(np.argmin(np.abs(self.times_s - wanted)))
        return self.induced.combined(self.weights[nearest])

    @property
    def _count(self) -> int:
        return self.induced.E.shape[2]
