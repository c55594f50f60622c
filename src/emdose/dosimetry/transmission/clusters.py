r"""Clusters of matrices below one matrix each: quick covers, with more matrices than convex covers.

Around the matrix B of the largest eigenvalue, matrices are taken in the order in which they stick out of it least; with
each, what sticks out is added,

.. math:: Z \leftarrow Z + (B + Z - Q)^- , \qquad V = B + Z ,

as long as the norm of Z stays below the overestimate that is allowed.

Source: G. Eichfelder and M. Gebhardt, Magn. Reson. Med. 66 (2011) 1468-1476, with Z kept from matrix to matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.dosimetry.transmission.covers import PackedMatrices

ROOM = 1.001
"""Of what is allowed: matrices are left out by a test in their own precision."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """What clustering found.

    Parameters
    ----------
    chosen : (v,) int ndarray
        Number of the matrix that each cluster began with.
    matrices : (v, n, n) complex128 ndarray
        V of every cluster.
    bound : (m,) int32 ndarray
        Cluster of every matrix.
    """

    chosen: np.ndarray
    matrices: np.ndarray
    bound: np.ndarray


def clusters(packed: PackedMatrices, largest: np.ndarray, allowed: float) -> Clusters:
    """Clusters of matrices.

    Parameters
    ----------
    packed : PackedMatrices
        Hermitian, positive semidefinite.
    largest : (m,) ndarray
        Largest eigenvalue of each.
    allowed : float
        Largest norm of what is added.
    """
    matrices, be = packed.full, packed.be
    left = np.argsort(-largest, kind="stable")
    bound = np.full(len(matrices), -1, np.int32)
    chosen: list[int] = []
    made: list[np.ndarray] = []
    while len(left):
        first, others = int(left[0]), left[1:]
        B = matrices[first].astype(complex)
        V, Z = B, np.zeros_like(B)
        inside = np.zeros(len(others), bool)
        # What is added has no more than the norm allowed: a Q that sticks out further stays outside.
        near = np.flatnonzero(be.to_numpy(packed.below(B, be.asarray(others), ROOM * allowed)))
        sticks_out = np.linalg.eigvalsh(B - matrices[others[near]])[:, 0] if len(near) else np.empty(0)
        order = np.argsort(-sticks_out, kind="stable")
        whole = int(np.searchsorted(-sticks_out[order], 0.0, side="right"))
        inside[near[order[:whole]]] = True
        for n in near[order[whole:]]:
            values, vectors = np.linalg.eigh(V - matrices[others[n]])
            below = values < 0
            more = Z - (vectors[:, below] * values[below]) @ vectors[:, below].conj().T
            if np.linalg.eigvalsh(more)[-1] > allowed:
                break
            Z = more
            V = B + Z
            inside[n] = True
        bound[first] = len(chosen)
        bound[others[inside]] = len(chosen)
        chosen.append(first)
        made.append(V)
        left = others[~inside]
    return Clusters(np.array(chosen), np.array(made), bound)
