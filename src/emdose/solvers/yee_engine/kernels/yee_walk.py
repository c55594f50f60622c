"""NumPy reference of yee_walk.cuh: whole steps over the whole lattice, whatever the order of the blocks."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.kernels.yee_lattice import Reference, add_terms, branch_terms, face_terms


def walk(
    shape: tuple[int],
    mode: int,
    steps: int,
    plan: np.ndarray,
    group_x: np.ndarray,
    group_y: np.ndarray,
    ids8: np.ndarray,
    ids16: np.ndarray,
    rows: np.ndarray,
    ca: np.ndarray,
    cb: np.ndarray,
    factor: np.ndarray,
    layer: np.ndarray,
    gain: np.ndarray,
    dense: np.ndarray,
    span: np.ndarray,
    busy: np.ndarray,
    first: np.ndarray,
    entry: np.ndarray,
    term_row: np.ndarray,
    column: np.ndarray,
    coefficient: np.ndarray,
    drive: np.ndarray,
    face: np.ndarray,
    turn: np.ndarray,
    face_gain: np.ndarray,
    branch: np.ndarray,
    path_row: np.ndarray,
    path_edge: np.ndarray,
    sign: np.ndarray,
    path_gain: np.ndarray,
    law: np.ndarray,
    source: np.ndarray,
    phase: np.ndarray,
    e: np.ndarray,
    h: np.ndarray,
    psi: np.ndarray,
    dft: np.ndarray,
    state: np.ndarray,
    record: np.ndarray,
) -> None:
    """Mode 0: E of one step, 1: H of it, 2: ``steps`` whole steps, 3: nothing, for 2 has done it."""
    reference = Reference(plan, factor, layer)
    ids = ids16 if reference.wide_ids else ids8
    bounds = first.reshape(4, -1)
    (e0, h0, f0, _), (e1, h1, f1, _) = (bounds[:, n].tolist() for n in (0, -1))

    def electric(n: int) -> None:
        reference.update(0, e, h, ca, cb, ids, psi)
        at = drive[n * reference.columns :]
        add_terms(e0, e1, entry, term_row, column, coefficient, at, e)
        place = n * reference.branches
        branch_terms(
            reference.branches, path_row, path_edge, sign, path_gain, law, source[place:], state, e, record[2 * place :]
        )
        reference.fourier(0, e, phase, reference.first_step + n, dft)

    def magnetic(n: int) -> None:
        reference.update(1, h, e, ca, cb, ids, psi)
        face_terms(f0, f1, face, turn, face_gain, e, h)
        add_terms(h0, h1, entry, term_row, column, coefficient, drive[n * reference.columns :], h)
        reference.fourier(1, h, phase, reference.first_step + n, dft)

    if mode == 0:
        electric(steps)
    elif mode == 1:
        magnetic(steps)
    elif mode == 2:
        for n in range(steps):
            electric(n)
            magnetic(n)
