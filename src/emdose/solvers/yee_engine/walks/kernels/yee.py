"""NumPy reference of yee.cuh."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.walks.kernels.yee_lattice import Reference, Struct, add_terms, branch_terms, face_terms

Shape3 = tuple[int, int, int]


def cells_e(shape: Shape3, mesh: Struct, medium: Struct, h: np.ndarray, e: np.ndarray, psi: np.ndarray) -> None:
    """E of one step from H, absorbing layers included."""
    Reference(mesh, medium).update(0, e, h, psi)


def cells_h(shape: Shape3, mesh: Struct, medium: Struct, e: np.ndarray, h: np.ndarray, psi: np.ndarray) -> None:
    """H of one step from E, absorbing layers included."""
    Reference(mesh, medium).update(1, h, e, psi)


def terms(shape: tuple[int], step: int, first: int, listed: Struct, drive: np.ndarray, f: np.ndarray) -> None:
    """Impressed terms of one step."""
    add_terms(first, first + shape[0], listed, drive[step * listed.columns :], f)


def faces(shape: tuple[int], listed: Struct, e: np.ndarray, h: np.ndarray) -> None:
    """Faces of another permeability."""
    face_terms(0, shape[0], listed, e, h)


def branches(
    shape: tuple[int],
    step: int,
    listed: Struct,
    source: np.ndarray,
    state: np.ndarray,
    e: np.ndarray,
    record: np.ndarray,
) -> None:
    """Ports and lumped elements of one step."""
    place = step * listed.count
    branch_terms(listed, source[place:], state, e, record[2 * place :])


def fourier(shape: Shape3, sample: int, box: Struct, phase: np.ndarray, field: np.ndarray, sums: np.ndarray) -> None:
    """One sample of the running Fourier sums of a box."""
    pairs = phase.reshape(-1, box.frequencies, 2, 2)[sample, :, box.magnetic].astype(sums.dtype)
    i, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    at = box.low + i * box.plane + j * box.stride + k
    out = sums.reshape(box.frequencies, 2, 3, *shape)
    for c in range(3):
        x = field.reshape(-1)[c * box.component + at]
        for f in range(box.frequencies):
            for part in (0, 1):
                out[f, part, c] += pairs[f, part] * x
