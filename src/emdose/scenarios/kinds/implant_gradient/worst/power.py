"""Power of every exposure in the pose of the scenario, and over all orientations of the implant in its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emdose.scenarios.kinds.implant_gradient.worst.poses import Poses
from emdose.solvers.results.orientations import power_form, rotations, worst_turn

if TYPE_CHECKING:
    from emdose.models.gradients.spectrum import Spectrum
    from emdose.solvers.results.power_tensor import PowerTensor

SHARES = np.linspace(0, 1, 51)
"""Parts of all orientations for which the page knows the largest value."""


class AppliedExposure(Protocol):
    """What is needed of an exposure that is ready to be applied."""

    @property
    def matrix(self) -> np.ndarray | None:
        """Terms of dB/dt at the implant per rate of every axis; None for a uniform field along one direction."""
        ...

    @property
    def direction(self) -> Any:
        """Direction of a uniform field, or "worst"."""
        ...

    def turned(self, rotations: np.ndarray) -> np.ndarray:
        """Terms of dB/dt in the axes of the implant turned by rotations (t, 3, 3)."""
        ...

    def harmonics(self, max_frequency_Hz: float) -> Spectrum:
        """Harmonics of the waveform itself."""
        ...

    def spectrum(self, max_frequency_Hz: float, worst: np.ndarray) -> Spectrum:
        """Harmonics of dB/dt at the implant."""
        ...


def power_of(one: AppliedExposure, tensor: PowerTensor, top_Hz: float, poses: Poses) -> dict[str, Any]:
    """Power of an exposure, its worst and best orientation, and what the solved frequencies leave out.

    Parameters
    ----------
    one : AppliedExposure
        The exposure.
    tensor : PowerTensor
        Power matrices.
    top_Hz : float
        Highest solved frequency [Hz].
    poses : Poses
        How orientations are told.

    Returns
    -------
    dict
        Entries of ``summary["implant"]["exposures"]``; those that begin with "_" stay in memory: the spectrum at the
        implant, the strength of its harmonics, and the rotations of the worst and the best pose.
    """
    own = one.harmonics(top_Hz)
    return _in_any_direction(one, tensor, top_Hz, own) if one.matrix is None else _turned(one, tensor, own, poses)


def missing_W(tensor: PowerTensor, own: Spectrum, matrix: np.ndarray) -> float:
    r"""Largest possible power of the harmonics that were left out [W].

    At a fixed field the power falls with frequency, so a harmonic a gives at most a^H N a with N = G^T M(top) G; of the
    axes only the mean squares d that were left out are known, and sum_h |a_a a_b| <= sqrt(d_a d_b).

    Parameters
    ----------
    tensor : PowerTensor
        Power matrices.
    own : Spectrum
        Harmonics of the axes, with the whole rms.
    matrix : (n, axes) ndarray
        Terms of the field per axis.
    """
    assert own.rms_total is not None
    left = np.sqrt(np.maximum(own.rms_total**2 - own.rms**2, 0.0))
    N = matrix.T @ tensor.matrix[-1] @ matrix
    return float(left @ np.abs(N) @ left)


def _in_any_direction(one: AppliedExposure, tensor: PowerTensor, top: float, own: Spectrum) -> dict[str, Any]:
    """A uniform field along one direction: orientations are directions of the field."""
    strength = np.asarray(np.abs(own.amplitudes[:, 0]) / np.sqrt(2))
    worst, along = tensor.worst(own.frequencies_Hz, strength)
    best, across = tensor.best(own.frequencies_Hz, strength)
    spectrum = one.spectrum(top, np.concatenate([along, np.zeros(len(tensor.sources) - 3)]))
    whole, dropped = _whole_rms(spectrum), spectrum.dropped
    # Beyond the highest frequency the power at a fixed dB/dt falls: what was left out is worth less than this.
    missing = dropped * whole**2 * tensor.worst(top)[0]
    return {
        "dbdt_rms_T_s": whole,
        "direction": along if isinstance(one.direction, str) else np.asarray(one.direction)[:3],
        "power_W": tensor.average_power(spectrum),
        "power_matrix_W": np.einsum("h,hij->ij", strength**2, tensor.at(own.frequencies_Hz)[:, :3, :3].real),
        "worst_W": worst,
        "worst_direction": along,
        "best_W": best,
        "best_direction": across,
        "harmonics": _harmonics(own, dropped, tensor.extrapolated(spectrum)),
        "missing_W": missing,
        "missing_share": _share(missing, tensor.average_power(spectrum)),
        "_spectrum": spectrum,
        "_strength": strength,
    }


def _turned(one: AppliedExposure, tensor: PowerTensor, own: Spectrum, poses: Poses) -> dict[str, Any]:
    """A field of its own: orientations are turns of the implant about its middle."""
    assert one.matrix is not None
    matrix, form = one.matrix, power_form(tensor, own)
    spectrum = own.through(matrix)

    def power(R: np.ndarray) -> np.ndarray:
        return form(one.turned(R))

    grid = power(rotations())
    worst, turn = worst_turn(power, grid)
    best, across = worst_turn(power, grid, least=True)
    here = tensor.average_power(spectrum)
    there = one.turned(turn[None])[0]
    missing, beyond = missing_W(tensor, own, matrix), missing_W(tensor, own, there)
    extrapolated = [tensor.extrapolated(own.through(m)) for m in (matrix, there)]
    return {
        "dbdt_rms_T_s": _whole_rms(spectrum),
        "direction": None,
        "power_W": here,
        "worst_W": max(worst, here),
        "worst_pose": poses.told(turn),
        "best_W": min(best, here),
        "best_pose": poses.told(across),
        "power_quantiles_W": np.quantile(grid, SHARES),
        "harmonics": _harmonics(own, own.dropped, max(extrapolated)),
        "missing_W": missing,
        "missing_share": max(_share(missing, here), _share(beyond, worst)),
        "_spectrum": spectrum,
        "_drive": own,
        "_turn": turn,
    }


def _whole_rms(spectrum: Spectrum) -> float:
    """Rms of dB/dt about the middle of the implant with the harmonics that were left out [T/s]."""
    rms, dropped = float(np.linalg.norm(spectrum.rms[:3])), spectrum.dropped
    return rms / np.sqrt(1 - dropped) if dropped < 1 else rms


def _harmonics(own: Spectrum, dropped: float, extrapolated: float) -> dict[str, Any]:
    return {
        "count": len(own.frequencies_Hz),
        "max_frequency_Hz": float(own.frequencies_Hz[-1]),
        "dropped": dropped,
        "extrapolated": extrapolated,
    }


def _share(missing: float, power: float) -> float:
    return missing / (power + missing) if missing > 0 else 0.0
