"""NumPy reference of yee.cuh."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.kernels.yee_lattice import PLAN, Reference, add_terms, branch_terms, face_terms

Shape3 = tuple[int, int, int]


def _reference(
    shape: Shape3,
    stride: int,
    component: int,
    longest: int,
    low_x: int,
    high_x: int,
    low_y: int,
    high_y: int,
    lanes_low: int,
    lanes_high: int,
    widest: int,
    psi: tuple[int, int, int],
    magnetic: int,
    factor: np.ndarray,
    layer: np.ndarray,
) -> Reference:
    values = dict(zip(("NX", "NY", "NZ"), shape, strict=True)) | {
        "STRIDE": stride,
        "PLANE": shape[1] * stride,
        "COMPONENT": component,
        "LONGEST": longest,
        "LOW_X": low_x,
        "HIGH_X": high_x,
        "LOW_Y": low_y,
        "HIGH_Y": high_y,
        "LANES_LOW": lanes_low,
        "LANES_HIGH": lanes_high,
        "WIDEST": widest,
        **{f"PSI_{'EH'[magnetic]}{a}": p for a, p in zip("XYZ", psi, strict=True)},
    }
    return Reference(np.array([values.get(name, 0) for name in PLAN]), factor, layer)


def cells_e(
    shape: Shape3,
    stride: int,
    component: int,
    longest: int,
    wide: int,
    low_x: int,
    high_x: int,
    low_y: int,
    high_y: int,
    lanes_low: int,
    lanes_high: int,
    widest: int,
    psi_x: int,
    psi_y: int,
    psi_z: int,
    ids8: np.ndarray,
    ids16: np.ndarray,
    ca: np.ndarray,
    cb: np.ndarray,
    factor: np.ndarray,
    layer: np.ndarray,
    h: np.ndarray,
    e: np.ndarray,
    psi: np.ndarray,
) -> None:
    """E of one step from H, absorbing layers included."""
    reference = _reference(
        shape,
        stride,
        component,
        longest,
        low_x,
        high_x,
        low_y,
        high_y,
        lanes_low,
        lanes_high,
        widest,
        (psi_x, psi_y, psi_z),
        0,
        factor,
        layer,
    )
    reference.update(0, e, h, ca, cb, ids16 if wide else ids8, psi)


def cells_h(
    shape: Shape3,
    stride: int,
    component: int,
    longest: int,
    low_x: int,
    high_x: int,
    low_y: int,
    high_y: int,
    lanes_low: int,
    lanes_high: int,
    widest: int,
    psi_x: int,
    psi_y: int,
    psi_z: int,
    factor: np.ndarray,
    layer: np.ndarray,
    e: np.ndarray,
    h: np.ndarray,
    psi: np.ndarray,
) -> None:
    """H of one step from E, absorbing layers included."""
    reference = _reference(
        shape,
        stride,
        component,
        longest,
        low_x,
        high_x,
        low_y,
        high_y,
        lanes_low,
        lanes_high,
        widest,
        (psi_x, psi_y, psi_z),
        1,
        factor,
        layer,
    )
    none = np.zeros(1, factor.dtype)
    reference.update(1, h, e, none, none, np.zeros(0, np.uint8), psi)


def terms(
    shape: tuple[int],
    step: int,
    first: int,
    columns: int,
    entry: np.ndarray,
    term_row: np.ndarray,
    column: np.ndarray,
    coefficient: np.ndarray,
    drive: np.ndarray,
    f: np.ndarray,
) -> None:
    """Impressed terms of one step."""
    add_terms(first, first + shape[0], entry, term_row, column, coefficient, drive[step * columns :], f)


def faces(
    shape: tuple[int],
    face: np.ndarray,
    turn: np.ndarray,
    face_gain: np.ndarray,
    e: np.ndarray,
    h: np.ndarray,
) -> None:
    """Faces of another permeability."""
    face_terms(0, shape[0], face, turn, face_gain, e, h)


def branches(
    shape: tuple[int],
    step: int,
    path_row: np.ndarray,
    path_edge: np.ndarray,
    sign: np.ndarray,
    path_gain: np.ndarray,
    law: np.ndarray,
    source: np.ndarray,
    state: np.ndarray,
    e: np.ndarray,
    record: np.ndarray,
) -> None:
    """Ports and lumped elements of one step."""
    place = step * shape[0]
    branch_terms(shape[0], path_row, path_edge, sign, path_gain, law, source[place:], state, e, record[2 * place :])


def fourier(
    shape: Shape3,
    sample: int,
    low: int,
    plane: int,
    stride: int,
    component: int,
    frequencies: int,
    magnetic: int,
    phase: np.ndarray,
    field: np.ndarray,
    sums: np.ndarray,
) -> None:
    """One sample of the running Fourier sums of a box."""
    pairs = phase.reshape(-1, frequencies, 2, 2)[sample, :, magnetic].astype(sums.dtype)
    i, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    at = low + i * plane + j * stride + k
    out = sums.reshape(frequencies, 2, 3, *shape)
    for c in range(3):
        x = field.reshape(-1)[c * component + at]
        for f in range(frequencies):
            for part in (0, 1):
                out[f, part, c] += pairs[f, part] * x
