r"""The power that eddy currents turn into heat, for every orientation, waveform and sequence afterwards.

With the phasors of the rates b = (dB_x/dt, dB_y/dt, dB_z/dt) as rms values, and J_i the current density that a rate of
1 T/s rms along axis i drives,

.. math:: q(\mathbf r, f) = \mathbf b^H Q(\mathbf r, f)\, \mathbf b, \quad
          Q_{ij} = \frac{\mathbf J_i^* \cdot \mathbf J_j}{\sigma}, \qquad
          P(f) = \mathbf b^H M(f)\, \mathbf b, \quad M = \int Q\, dV .

A linearly polarised field needs only the real symmetric part of M: its eigenvectors are the worst and the best
orientation.

Source: A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447 (heating of prostheses by gradient waveforms); the harmonics
of a periodic waveform are orthogonal, so that their powers add.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import one_of
from emdose.errors import EmdoseWarning, InputError
from emdose.models.grids.grid import Grid
from emdose.solvers.results import power_errors
from emdose.solvers.results.bounds import extrapolated_share
from emdose.solvers.results.congruence import congruence
from emdose.solvers.results.measures import worst
from emdose.solvers.results.power_errors import UNIFORM
from emdose.solvers.results.relaxations import Relaxations, shares
from emdose.validity import Measure
from emdose.values import owned, read_only

LINEAR = ("dGxx/dt", "dGyy/dt", "dGxy/dt", "dGxz/dt", "dGyz/dt")
"""Names of the linear sources, in T/m/s; see :func:`emdose.solvers.eddy.voxels.sources.linear_potential`."""


@read_only(units={"matrix": "W per (unit of source)^2", "loss": "W/m^3 per (unit of source)^2"})
@dataclass(frozen=True, eq=False)
class PowerTensor:
    """Power matrix of a metal body per frequency, with its density.

    Parameters
    ----------
    frequencies_Hz : (f,) ndarray
        Frequencies that were solved, growing [Hz].
    sources : tuple of str
        Names of the n sources: "dBx/dt", "dBy/dt", "dBz/dt", five linear ones, or those of a coil.
    matrix : (f, n, n) complex128 ndarray
        Hermitian power matrices [W per (unit of source, rms)^2]; the unit of the uniform sources is T/s.
    grid : Grid
        Voxels.
    cells : (m, 3) int32 ndarray
        Indices of the voxels that hold metal.
    loss : (f, n, n, m) complex64 ndarray
        Hermitian power density averaged over the whole voxel [W/m^3 per (unit of source, rms)^2]; its sum times the
        voxel volume is the matrix.
    engine : tuple of str
        "voxel" or "thin-skin", per frequency.
    residual : (f,) ndarray
        Largest relative residual over the sources.
    identity : (f,) ndarray
        Relative difference between the power in the resistances and the work of the source: conservation of energy.
    skin_depth_over_step : (f,) ndarray
        Smallest skin depth of the metals over the largest voxel step.
    left_out : (f, n, n) float64 ndarray
        Power that the variation of the current inside voxels would add; 0 by default [W as the matrix].
    metals : tuple
        The metals; anything with a name.
    source_units : tuple of str
        Unit of each source; T/s by default.
    warnings : tuple of str
        What limits how far the numbers can be trusted.
    provenance : mapping
        Solver, options, body, device, timing; "error_estimate": the parts of
        :mod:`emdose.solvers.results.power_errors`, (f,) each.

    Raises
    ------
    InputError
        When the shapes do not fit together, frequencies do not grow, or a matrix is not finite.
    """

    frequencies_Hz: np.ndarray
    sources: tuple[str, ...]
    matrix: np.ndarray
    grid: Grid
    cells: np.ndarray
    loss: np.ndarray
    engine: tuple[str, ...] = ()
    residual: np.ndarray = field(default_factory=lambda: np.zeros(0))
    identity: np.ndarray = field(default_factory=lambda: np.zeros(0))
    skin_depth_over_step: np.ndarray = field(default_factory=lambda: np.zeros(0))
    left_out: np.ndarray = field(default_factory=lambda: np.zeros(0))
    metals: tuple[Any, ...] = ()
    source_units: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        f = np.atleast_1d(np.asarray(self.frequencies_Hz, float))
        n = len(self.sources)
        matrix = np.asarray(self.matrix, complex)
        cells = np.asarray(self.cells, np.int32)
        if np.any(~np.isfinite(f)) or np.any(f <= 0) or np.any(np.diff(f) <= 0):
            raise InputError(
                "bad frequencies", field="frequencies_Hz", found=f.tolist(), expected="finite, positive, growing"
            )
        if matrix.shape != (len(f), n, n) or not np.all(np.isfinite(matrix)):
            raise InputError(
                "bad power matrix",
                field="matrix",
                found=matrix.shape,
                expected=f"finite numbers of shape {(len(f), n, n)}",
            )
        if cells.ndim != 2 or cells.shape[1] != 3 or self.loss.shape != (len(f), n, n, len(cells)):
            raise InputError(
                "loss does not fit the cells",
                field="loss",
                found=self.loss.shape,
                expected=f"{(len(f), n, n)} and one per cell",
            )
        object.__setattr__(self, "frequencies_Hz", f)
        object.__setattr__(self, "matrix", 0.5 * (matrix + matrix.conj().swapaxes(1, 2)))
        object.__setattr__(self, "cells", cells)
        for name, empty in (("residual", 0.0), ("identity", 0.0), ("skin_depth_over_step", np.inf)):
            value = np.asarray(getattr(self, name), float)
            object.__setattr__(self, name, value if value.size else np.full(len(f), empty))
        left_out = np.asarray(self.left_out, float)
        left_out = left_out if left_out.size else np.zeros(matrix.shape)
        if left_out.shape != matrix.shape or not np.all(np.isfinite(left_out)):
            raise InputError(
                "bad power", field="left_out", found=left_out.shape, expected=f"finite, of shape {matrix.shape}"
            )
        object.__setattr__(self, "left_out", left_out)
        if not self.engine:
            object.__setattr__(self, "engine", ("voxel",) * len(f))
        if not self.source_units:
            object.__setattr__(self, "source_units", tuple("T/m/s" if s in LINEAR else "T/s" for s in self.sources))

    @cached_property
    def fit(self) -> Relaxations:
        """The rational fit of the matrix over frequency."""
        return Relaxations(self.frequencies_Hz, self.matrix)

    def measures(self) -> list[Measure]:
        """How far this tensor can be trusted, for :func:`emdose.validity.judge`.

        Residual over tolerance of the frequencies that were solved on voxels, power against work of the source, and the
        estimated error of the power for the orientation in which it is largest.
        """
        tolerance = self.provenance.get("options", {}).get("tolerance")
        names = [f"{f:g} Hz" for f in self.frequencies_Hz]
        met = {n: float(r) for n, r, e in zip(names, self.residual, self.engine, strict=True) if e == "voxel"}
        identity = {n: abs(float(i)) for n, i in zip(names, self.identity, strict=True)}
        found = worst("residual", {n: r / tolerance for n, r in met.items()}) if tolerance else []
        told = self.provenance.get("error_estimate")
        errors = dict(zip(names, power_errors.total(told), strict=True)) if told else {}
        return [*found, *worst("power_identity", identity), *worst("eddy_error", errors)]

    def at(self, frequencies_Hz: Any) -> np.ndarray:
        """Power matrices at any frequencies, exact at the solved ones.

        Parameters
        ----------
        frequencies_Hz : float or (k,) array
            Frequencies [Hz].

        Returns
        -------
        (k, n, n) complex ndarray, or (n, n) for one frequency
            Positive semidefinite [W per (unit of source, rms)^2].

        Warns
        -----
        EmdoseWarning
            Above the highest solved frequency, where the fit guesses.
        """
        f = np.asarray(frequencies_Hz, float)
        if np.any(~np.isfinite(f)) or np.any(f <= 0):
            raise InputError("bad frequency", field="frequencies_Hz", found=frequencies_Hz, expected="> 0 Hz")
        self._warn_beyond(f.max(initial=0.0))
        M = self.fit(np.atleast_1d(f))
        return M if f.ndim else M[0]

    def worst(self, frequencies_Hz: Any, rms: Any = None) -> tuple[float, np.ndarray]:
        """Largest power over all orientations of a linearly polarised uniform field.

        Parameters
        ----------
        frequencies_Hz : float or (h,) array
            One frequency, or the harmonics of a waveform that keeps its direction [Hz].
        rms : float or (h,) array, optional
            Rms dB/dt of each harmonic [T/s]; by default 1.

        Returns
        -------
        float, (3,) ndarray
            Power [W] and unit vector.
        """
        return self._extreme(frequencies_Hz, rms, -1)

    def best(self, frequencies_Hz: Any, rms: Any = None) -> tuple[float, np.ndarray]:
        """Smallest power over all orientations; parameters as in :meth:`worst`."""
        return self._extreme(frequencies_Hz, rms, 0)

    def power(self, dbdt_rms: Any, frequency_Hz: float) -> Any:
        """Power in a sinusoidal field.

        Parameters
        ----------
        dbdt_rms : (..., n) array
            Rms phasors of the sources; complex for elliptical polarisation [T/s]. Three are a uniform field, also
            where there are linear sources.
        frequency_Hz : float
            Frequency [Hz].

        Returns
        -------
        float or (...) ndarray
            Power [W].
        """
        b = self._vectors(dbdt_rms)
        P = np.einsum("...i,ij,...j->...", b.conj(), self.at(float(frequency_Hz)), b).real
        return float(P) if P.ndim == 0 else P

    def average_power(self, frequencies_Hz: Any, dbdt_rms: Any = None) -> float:
        """Time average of the power in a periodic field.

        Parameters
        ----------
        frequencies_Hz : (h,) array, or an object with frequencies_Hz and amplitudes
            Harmonics [Hz]. An object such as ``Spectrum`` brings its peak phasors (h, n) itself.
        dbdt_rms : (h, n) array, optional
            Rms phasors of every harmonic [T/s].

        Returns
        -------
        float
            Power [W].
        """
        f, b = self._spectrum(frequencies_Hz, dbdt_rms)
        return float(np.einsum("hi,hij,hj->", b.conj(), self.at(f), b).real)

    def extrapolated(self, frequencies_Hz: Any, dbdt_rms: Any = None) -> float:
        """Largest possible error of :meth:`average_power` from harmonics beyond the solved frequencies, as a share.

        Parameters as in :meth:`average_power`; see :func:`emdose.solvers.results.bounds.relaxation_bounds`.
        """
        f, b = self._spectrum(frequencies_Hz, dbdt_rms)
        known = np.einsum("hi,fij,hj->fh", b.conj(), self.matrix, b).real
        found = np.einsum("hi,hij,hj->h", b.conj(), self.fit(f), b).real
        return extrapolated_share(self.frequencies_Hz, known, f, found)

    def error(self, frequencies_Hz: Any, dbdt_rms: Any = None) -> dict[str, float]:
        """Estimated relative error of :meth:`average_power`, by its parts.

        Parameters as in :meth:`average_power`.

        Returns
        -------
        dict
            "iteration", "skin_depth" and "discretisation" of :mod:`emdose.solvers.results.power_errors`, and their
            "total"; the discretisation is that of this direction of the field.
        """
        f, b = self._spectrum(frequencies_Hz, dbdt_rms)
        power = np.einsum("hi,hij,hj->h", b.conj(), self.fit(f), b).real
        told = self.provenance.get("error_estimate") or {}
        none = np.zeros(len(self.frequencies_Hz))
        parts = {
            name: power_errors.at_harmonics(self.frequencies_Hz, told.get(name, none), f, power)
            for name in power_errors.PARTS[:2]
        }
        weights = np.einsum("hs,hij->sij", self._shares(f), np.einsum("hi,hj->hij", b.conj(), b))
        found, lacking = (np.einsum("sij,sij->", weights, a).real for a in (self.matrix, self.left_out))
        parts["discretisation"] = float(power_errors.share(found, lacking))
        return parts | {"total": float(power_errors.total(parts))}

    def loss_density(self, frequencies_Hz: Any, dbdt_rms: Any = None) -> np.ndarray:
        """Mean power density of every cell in a sinusoidal or periodic field.

        Between the solved frequencies the density is interpolated and scaled so that it sums to the power.

        Parameters
        ----------
        frequencies_Hz : float, (h,) array, or an object with frequencies_Hz and amplitudes
            As in :meth:`average_power`.
        dbdt_rms : (n,) or (h, n) array, optional
            Rms phasors [T/s].

        Returns
        -------
        (m,) float64 ndarray
            Power density averaged over the whole voxel [W/m^3]; times the voxel volume it sums to the power.
        """
        f, b = self._spectrum(frequencies_Hz, dbdt_rms)
        share = self._shares(f)
        outer = np.einsum("hi,hj->hij", b.conj(), b)
        weights = np.einsum("hs,hij->sij", share, outer)
        density = self._weigh(weights)
        found = float(np.einsum("sij,sij->", weights, self.matrix).real)
        wanted = float(np.einsum("hij,hij->", outer, self.at(f)).real)
        return density * (wanted / found if found > 0 else 1.0)

    def loss_map(self, frequencies_Hz: Any, dbdt_rms: Any = None) -> np.ndarray:
        """:meth:`loss_density` on the whole grid, (nx, ny, nz) [W/m^3], zero outside the metal."""
        return self.on_grid(self.loss_density(frequencies_Hz, dbdt_rms))

    def basis(self, frequencies_Hz: Any, rms: Any = None) -> np.ndarray:
        """Power density of every pair of sources, for fields that keep their direction.

        A waveform with harmonics of rms value s_h and direction u has the density sum_ij u_i u_j basis[i, j]: six maps
        for the three uniform sources.

        Parameters
        ----------
        frequencies_Hz : float or (h,) array
            Harmonics [Hz].
        rms : float or (h,) array, optional
            Rms dB/dt of each harmonic [T/s]; by default 1.

        Returns
        -------
        (n, n, m) float64 ndarray
            Symmetric in the first two indices [W/m^3].
        """
        f = np.atleast_1d(np.asarray(frequencies_Hz, float))
        s = np.broadcast_to(1.0 if rms is None else np.asarray(rms, float), f.shape)
        weights = (s**2) @ self._shares(f)
        n = len(self.sources)
        out = np.zeros((n, n, len(self.cells)))
        for weight, loss in zip(weights, self.loss, strict=True):
            if weight:
                out += weight * loss.real
        # Scaled by a congruence of the matrices, so that the maps sum to the fit.
        found = np.einsum("s,sij->ij", weights, self.matrix.real)
        wanted = np.einsum("h,hij->ij", s**2, self.at(f).real)
        if np.allclose(found, wanted, rtol=1e-12, atol=0):
            return out
        T = congruence(found, wanted)
        return np.einsum("ai,abm,bj->ijm", T, out, T, optimize=True)

    def on_grid(self, values: np.ndarray) -> np.ndarray:
        """Values per cell (..., m) on the whole grid, (..., nx, ny, nz), zero outside the metal."""
        values = np.asarray(values)
        out = np.zeros((*values.shape[:-1], *self.grid.shape), values.dtype)
        out[(..., *self.cells.T)] = values
        return out

    def select(self, sources: Any) -> PowerTensor:
        """The tensor of some of the sources, by name, in the order given."""
        names = tuple(sources)
        for name in names:
            one_of("sources", name, self.sources, problem="unknown source")
        i = [self.sources.index(name) for name in names]
        return replace(
            self,
            sources=names,
            matrix=self.matrix[:, i][:, :, i],
            loss=owned(self.loss[:, i][:, :, i]),
            left_out=owned(self.left_out[:, i][:, :, i]),
            source_units=tuple(self.source_units[k] for k in i),
        )

    def _extreme(self, frequencies_Hz: Any, rms: Any, which: int) -> tuple[float, np.ndarray]:
        if self.sources[:3] != UNIFORM:
            raise InputError(
                "orientations need the three uniform sources",
                field="sources",
                found=self.sources,
                expected=", ".join(UNIFORM),
            )
        f = np.atleast_1d(np.asarray(frequencies_Hz, float))
        s = np.broadcast_to(1.0 if rms is None else np.asarray(rms, float), f.shape)
        values, vectors = np.linalg.eigh(np.einsum("h,hij->ij", s**2, self.at(f)[:, :3, :3].real))
        u = vectors[:, which]
        return float(max(values[which], 0.0)), u * np.sign(u[np.argmax(np.abs(u))])

    def _vectors(self, dbdt_rms: Any) -> np.ndarray:
        b, n = np.asarray(dbdt_rms, complex), len(self.sources)
        linear = self.sources == UNIFORM + LINEAR
        if linear and b.ndim and b.shape[-1] == len(UNIFORM):  # a uniform field
            b = np.concatenate([b, np.zeros((*b.shape[:-1], len(LINEAR)))], axis=-1)
        if b.ndim and b.shape[-1] == len(UNIFORM) + len(LINEAR) and self.sources == UNIFORM:
            raise InputError(
                "the field varies over the implant, and this power tensor has no linear terms",
                field="sources",
                found="uniform",
                expected='a tensor solved with sources="uniform+linear"; GradientSet.uniform_matrix leaves them out',
            )
        if b.ndim == 0 or b.shape[-1] != n or not np.all(np.isfinite(b)):
            raise InputError(
                "bad field vector",
                field="dbdt_rms",
                found=b.shape,
                expected=f"finite numbers for {', '.join(self.sources)}",
            )
        return b

    def _spectrum(self, frequencies_Hz: Any, dbdt_rms: Any) -> tuple[np.ndarray, np.ndarray]:
        if dbdt_rms is None:
            if not hasattr(frequencies_Hz, "amplitudes"):
                raise InputError("field vectors are missing", field="dbdt_rms", expected="one per frequency")
            dbdt_rms = np.asarray(frequencies_Hz.amplitudes) / np.sqrt(2)
            frequencies_Hz = frequencies_Hz.frequencies_Hz
        f = np.atleast_1d(np.asarray(frequencies_Hz, float))
        b = np.atleast_2d(self._vectors(dbdt_rms))
        if b.shape != (len(f), len(self.sources)):
            raise InputError(
                "bad field vectors", field="dbdt_rms", found=b.shape, expected=f"{(len(f), len(self.sources))}"
            )
        return f, b

    def _shares(self, frequencies_Hz: np.ndarray) -> np.ndarray:
        return shares(self.frequencies_Hz, self.matrix, frequencies_Hz, self.fit)

    def _weigh(self, weights: np.ndarray) -> np.ndarray:
        """sum_s,ij Re(weights[s, i, j] loss[s, i, j]) per cell."""
        n, out = len(self.sources), np.zeros(len(self.cells))
        for w, loss in zip(weights, self.loss, strict=True):
            if not np.any(w):
                continue
            for i in range(n):
                out += w[i, i].real * loss[i, i].real
                for j in range(i + 1, n):
                    # The two Hermitian partners together.
                    pair = w[i, j] + w[j, i].conj()
                    if pair != 0:
                        out += pair.real * loss[i, j].real - pair.imag * loss[i, j].imag
        return out

    def _warn_beyond(self, frequency_Hz: float) -> None:
        highest = self.frequencies_Hz[-1]
        if frequency_Hz > 1.001 * highest:
            warnings.warn(
                f"power asked for up to {frequency_Hz:g} Hz, beyond the highest solved frequency of {highest:g} Hz: "
                "extrapolated by the fit; solve a higher frequency",
                EmdoseWarning,
                stacklevel=4,
            )
