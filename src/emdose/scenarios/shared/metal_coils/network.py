"""The network of a tuned coil as a run keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.circuits.network import Network

NETWORK = "network"
"""Entry of the provenance, and of summary.json, that holds S-parameters, modes and elements."""


def network_of(about: Mapping[str, Any]) -> Network:
    """The network of the feeds from its entry."""
    s = np.asarray(about["S"], float)
    return Network(about["frequencies_Hz"], s[..., 0] + 1j * s[..., 1], about["ports"], about["reference_ohm"])
