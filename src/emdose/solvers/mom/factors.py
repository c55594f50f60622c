r"""Solution of Z I = V: one factorisation, or one per harmonic of a symmetry of rotation.

Where Z is block-circulant, Z_{s s'} = Z_{s' - s}, a Fourier transform over the sectors parts it:

.. math:: \hat Z_k = \sum_d Z_d\, e^{2\pi j k d / n}, \qquad \hat Z_k \hat I_k = \hat V_k, \qquad
          \hat I_k = \sum_s I_s e^{-2\pi j k s / n}

As Z is symmetric, the factors of harmonic -k are those of k, transposed: half of them do.

The factors are those of Gauss with pivots, in place. What stands beside them in ``benchmarks/mom.py``, on 2 820
unknowns: LDL^T with pivots is a quarter faster on one thread, and was slower on two of a busy machine. Without
pivots, by blocks, it leaves a residual of 5e-10 at 128 MHz and 0.1 at 1 MHz. Single precision, improved three times,
is a quarter faster, needs Z beside its factors, and fails at 1 MHz. Blocks of low rank have to keep the magnetic part
of Z beside that of the charges, which is larger by the square of a wavelength over a cell: for an admittance to 3e-6
at 64 MHz they keep 36 % of the memory, and lack the pivots. So Z stays whole: 8 000 unknowns take 1 GiB and half a
minute of one core.

Source: P. Davis, Circulant Matrices, Wiley 1979, ch. 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emdose.solvers.mom.impedance import CHUNK_BYTES

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
            blocks = be.ifftn(blocks, axes=(0,), overwrite_x=True)
            blocks *= self.sectors
        # Transposed, a block is as LAPACK wants it: its factors take its place. They are those of harmonic -k.
        self._factors = [
            be.linalg.lu_factor(blocks[k].T, overwrite_a=True, check_finite=False) for k in range(self.sectors // 2 + 1)
        ]

    def solve(self, rhs: Any) -> Any:
        """Z^-1 rhs for rhs (unknowns, k), on the device."""
        xp, linalg = self._be.xp, self._be.linalg
        b = xp.asarray(rhs, complex)
        if self.sectors == 1:
            return linalg.lu_solve(self._factors[0], b, check_finite=False)
        parts = self._be.fftn(b.reshape(self.sectors, self.count, -1), axes=(0,))
        for k in range(self.sectors):
            mirror = k > self.sectors // 2
            factor = self._factors[self.sectors - k if mirror else k]
            parts[k] = linalg.lu_solve(factor, parts[k], trans=0 if mirror else 1, check_finite=False)
        return self._be.ifftn(parts, axes=(0,)).reshape(b.shape)


def planned_bytes(count: int, sectors: int = 1) -> int:
    """Memory of Z, whose factors take its place, of a chunk of pairs, and of a sector in between [bytes]."""
    return 16 * count * count * (sectors + (2 if sectors > 1 else 0)) + 2 * CHUNK_BYTES
