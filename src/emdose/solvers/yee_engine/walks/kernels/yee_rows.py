"""NumPy reference of yee_rows.cuh."""

from __future__ import annotations

import numpy as np


def uniform_rows(
    shape: tuple[int],
    rows_of_one: int,
    nz: int,
    stride: int,
    wide: int,
    ids8: np.ndarray,
    ids16: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Material at both ends of every row, begin and end of the range between them."""
    ids, out = (ids16 if wide else ids8).reshape(-1, stride), rows.reshape(-1, 3, 3)
    for component in range(shape[0] // rows_of_one):
        cut = slice(component * rows_of_one, (component + 1) * rows_of_one)
        part = ids[cut, : nz - (component == 2)]
        count = part.shape[1]
        first, last = part[:, 0], part[:, -1]
        from_low, from_high = part != first[:, None], part[:, ::-1] != last[:, None]
        low = np.where(from_low.any(1), from_low.argmax(1), count)
        high = np.maximum(np.where(from_high.any(1), count - from_high.argmax(1), 0), low)
        one = np.where(low >= count - high, first, last)
        whole = low == count
        out[:, component, 0] = one
        out[:, component, 1] = np.where(whole, count, np.where(one == first, low, 0))
        out[:, component, 2] = np.where(whole, count, np.where(one == last, high, count))
