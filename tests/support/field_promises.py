"""What the fields of every engine promise, for a coil of two ports."""

from __future__ import annotations

import numpy as np
import pytest


def require_promises(exposure, fields, engine, tolerance):
    """Oracle: the conventions of constants.py."""
    assert fields.ports == ("cosine", "sine")
    assert set(fields.drives) == {"quadrature", "anti-quadrature", "linear"}
    assert fields.drive_unit == "A"
    assert fields.E.dtype == np.complex64
    assert fields.E.shape == fields.B.shape == (2, 3, *exposure.phantom.grid.node_shape)
    for c in range(3):
        last = [slice(None)] * 3
        last[c] = -1
        assert not fields.E[(slice(None), c, *last)].any()
        for a in range(3):
            if a != c:
                last = [slice(None)] * 3
                last[a] = -1
                assert not fields.B[(slice(None), c, *last)].any()
    assert fields.body_mass_kg == pytest.approx(exposure.phantom.mass_kg)
    assert np.all(fields.residual <= tolerance)
    assert fields.provenance["engine"] == engine
    assert fields.provenance["phantom"]["sha256"] == exposure.phantom.hash()
