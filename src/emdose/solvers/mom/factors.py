r"""Solution of Z I = V: one factorisation, or one per harmonic of a symmetry of rotation.

Where Z is block-circulant, Z_{s s'} = Z_{s' - s}, a Fourier transform over the sectors parts it:

.. math:: \hat Z_k = \sum_d Z_d\, e^{2\pi j k d / n}, \qquad \hat Z_k \hat I_k = \hat V_k, \qquad
          \hat I_k = \sum_s I_s e^{-2\pi j k s / n}

As Z is symmetric, the factors of harmonic -k are those of k, transposed.

Source: P. Davis, Circulant Matrices, Wiley 1979, ch. 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


class SectorFactors:
    """Factors of a symmetric matrix with equal sectors.

    Parameters
    ----------
    blocks : (sectors, n, n) complex array
        Its first block row; given up to be overwritten.
    be : Backend
        Device.
    """

    def __init__(self, blocks: Any, be: Backend) -> None:
        self._be, self.sectors, self.count = be, len(blocks), blocks.shape[1]
        if self.sectors > 1:
            # b_s = sum_d Z_d x_{s + d}: the harmonic k of x meets sum_d Z_d exp(+2 pi j k d / n).
            blocks = be.fft.ifft(blocks, axis=0, norm="forward")
        linalg = _linalg(be)
        self._factors = [
            linalg.lu_factor(blocks[k], overwrite_a=True, check_finite=False) for k in range(self.sectors // 2 + 1)
        ]

    def solve(self, rhs: Any) -> Any:
        """Z^-1 rhs for rhs (unknowns, k), on the device."""
        xp, linalg = self._be.xp, _linalg(self._be)
        b = xp.asarray(rhs, complex)
        if self.sectors == 1:
            return linalg.lu_solve(self._factors[0], b, check_finite=False)
        parts = xp.fft.fft(b.reshape(self.sectors, self.count, -1), axis=0)
        for k in range(self.sectors):
            mirror = k > self.sectors // 2
            factor = self._factors[self.sectors - k if mirror else k]
            parts[k] = linalg.lu_solve(factor, parts[k], trans=1 if mirror else 0, check_finite=False)
        return xp.fft.ifft(parts, axis=0).reshape(b.shape)


def _linalg(be: Backend) -> Any:
    if be.name == "cuda":
        from importlib import import_module

        return import_module("cupyx.scipy.linalg")
    import scipy.linalg

    return scipy.linalg


def planned_bytes(count: int, sectors: int = 1) -> int:
    """Memory of Z and of its factors at their peak [bytes]."""
    matrix = 16 * count * count
    return int(matrix * (1 if sectors == 1 else 2 * sectors)) + np.dtype(complex).itemsize * 2**22
