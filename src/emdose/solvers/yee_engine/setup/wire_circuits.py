r"""A wire as a circuit on the lattice: what its segments and nodes obey, and the time step that this allows.

Per segment and per node, with the current I of segments and the charge Q of nodes,

.. math::

   L \dot I + R I = \sum_e W_e e_e + u - (V_{s+1} - V_s), \qquad \dot Q = I_{s-1} - I_s, \qquad V = V_2 + V_4,

   V_2 = \frac{\ln(b/a)}{2\pi\varepsilon_2 l} Q, \qquad
   \dot V_4 + \frac{\sigma_4}{\varepsilon_4} V_4 = \frac{S}{\varepsilon_4} \dot Q

with the coat from a to b. Bare parts have no V_2, and S and L of the radius of their metal; where a node has both, its
two parts are in parallel. The coat does not change the inductance.

The step is bounded as that of the lattice is, by parts: the wire takes the share theta = 1 - lambda_0 / (lambda eps_r)
of the capacitance of its edges, so that cells stay below lambda, and must itself have no eigenvalue above lambda.

Source: R. Holland and L. Simpson, IEEE Trans. Electromagn. Compat. 23 (1981) 88 (wire in a cell); R. King and G. Smith,
Antennas in Matter, MIT Press 1981, ch. 8 (the coat as a series elastance).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from emdose.constants import C_0, EPS_0, MU_0
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine.setup.materials import PEC, EdgeMaterials
from emdose.solvers.yee_engine.setup.subcell_wires import SubcellWire
from emdose.solvers.yee_engine.setup.wire_paths import Weights, node_weights, segment_weights
from emdose.solvers.yee_engine.setup.wire_statics import elastances, inductances

MOST_SEGMENTS = 800
"""Of a wire whose largest eigenvalue is computed; beyond that it is bounded by row sums."""


@dataclass(frozen=True, eq=False)
class WireCircuit:
    """Elements of a wire.

    Parameters
    ----------
    weights : Weights
        Of edges in the segments.
    inductance_H, resistance_ohm : (n,) float ndarray
        Of segments [H], [ohm].
    coat_elastance, coated_elastance, bare_elastance : (n + 1,) float ndarray
        Of nodes: through the coat, and in the medium around their insulated and their bare part; infinite without one
        [1/F].
    relaxation_1_s : (n + 1,) float ndarray
        Conductivity over permittivity of the medium at the nodes [1/s].
    """

    weights: Weights
    inductance_H: np.ndarray
    resistance_ohm: np.ndarray
    coat_elastance: np.ndarray
    coated_elastance: np.ndarray
    bare_elastance: np.ndarray
    relaxation_1_s: np.ndarray

    @property
    def stiffness(self) -> np.ndarray:
        """Elastance of nodes before charge has leaked, (n + 1,) [1/F]."""
        return np.asarray(1 / (1 / (self.coat_elastance + self.coated_elastance) + 1 / self.bare_elastance))


def circuit_of(grid: RectilinearGrid, materials: EdgeMaterials, wire: SubcellWire) -> WireCircuit:
    """The elements of a wire in the medium of the edges around it.

    Raises
    ------
    InputError
        When the wire touches metal, or is too thick for its cells.
    """
    weights = segment_weights(grid, wire.nodes_m)
    ids = materials.ids[tuple(weights.at.T)]
    if np.any(ids == PEC):
        at = weights.at[int(np.argmax(ids == PEC)), 1:]
        place = ", ".join(f"{1e3 * grid.nodes(a)[at[a]]:.1f}" for a in range(3))
        raise InputError(
            f"'{wire.name}' touches metal, and contact is not modelled",
            field=wire.name,
            found=f"metal at ({place}) mm",
            expected="two cells between a wire and metal",
        )
    eps, sigma = (_at_nodes(weights, table[ids]) for table in (materials.permittivity, materials.conductivity))
    length = wire.node_lengths_m
    inside = inductances(grid, wire, weights) + wire.inductance_H_m * wire.lengths_m
    ends = node_weights(grid, wire.nodes_m)
    outer, metal = (elastances(grid, wire, ends, r) for r in (wire.outer_radius_m, wire.contact_radius_m))
    thick = 0.0 if wire.coat_radius_m is None else math.log(wire.coat_radius_m / wire.conductor_radius_m)
    coated = wire.coated_m
    assert coated is not None
    # A contact has another radius than the conductor: its magnetic field begins there.
    share = 0.5 * (coated[1:] / length[1:] + coated[:-1] / length[:-1])
    wider = math.log(wire.contact_radius_m / wire.conductor_radius_m)
    inside = inside - MU_0 / (2 * math.pi) * wider * (1 - share) * wire.lengths_m
    if min(inside.min(), outer.min(), metal.min()) <= 0:
        raise InputError(
            f"'{wire.name}' is too thick for its cells",
            field=wire.name,
            found=f"{wire.outer_radius_m:g} m",
            expected="an outer radius of at most a quarter of a cell",
        )
    bare = np.maximum(length - coated, 0.0)
    bare[bare < 1e-9 * length] = 0.0
    with np.errstate(divide="ignore"):
        coat = np.where(coated > 0, thick, 1.0) / (2 * math.pi * EPS_0 * wire.coat_permittivity * coated)
        around = outer * length / (eps * coated)
        naked = metal * length / (eps * bare)
    return WireCircuit(weights, inside, wire.resistance_ohm_m * wire.lengths_m, coat, around, naked, sigma / eps)


def _at_nodes(weights: Weights, values: np.ndarray) -> np.ndarray:
    """Means at nodes of what edges have, by their weights in the segments beside them."""
    share = np.abs(weights.weight)
    which = np.repeat(np.arange(len(weights.row) - 1), np.diff(weights.row))
    total, weight = (np.bincount(which, v) for v in (share * values, share))
    pairs = [np.concatenate([v, [0.0]]) + np.concatenate([[0.0], v]) for v in (total, weight)]
    return np.asarray(pairs[0] / pairs[1])


def stable_step_with(
    grid: RectilinearGrid, materials: EdgeMaterials, circuits: list[WireCircuit], step_s: float
) -> float:
    """Largest time step known to be stable with wires [s], given that of the lattice without them.

    Parameters
    ----------
    grid : RectilinearGrid
        The grid.
    materials : EdgeMaterials
        Of its edges.
    circuits : list of WireCircuit
        Wires.
    step_s : float
        Step that is stable without them [s].
    """
    if not circuits:
        return step_s
    without = (2 / (C_0 * step_s)) ** 2
    wanted, system = without, _System(grid, materials, circuits)
    while not system.fits(wanted, without):
        wanted *= 1.02
    return 2 / (C_0 * math.sqrt(wanted))


class _System:
    """The matrix of all wires, in units of c: 1 / m^2."""

    def __init__(self, grid: RectilinearGrid, materials: EdgeMaterials, circuits: list[WireCircuit]) -> None:
        at = np.concatenate([c.weights.at for c in circuits])
        c, ids = at[:, 0], materials.ids[tuple(at.T)]
        self.relative = materials.permittivity[ids] / EPS_0
        length = np.choose(c, [grid.steps(a)[np.minimum(at[:, 1 + a], grid.shape[a] - 1)] for a in range(3)])
        area = np.ones(len(c))
        for a in range(3):
            area *= np.where(c == a, 1.0, grid.dual_steps(a)[at[:, 1 + a]])
        self.capacitance = materials.permittivity[ids] * area / length
        _, self.column = np.unique(np.ravel_multi_index(tuple(at.T), (3, *grid.node_shape)), return_inverse=True)
        self.root = 1 / (C_0 * np.sqrt(np.concatenate([c.inductance_H for c in circuits])))
        per = np.concatenate([np.diff(c.weights.row) for c in circuits])
        self.segment = np.repeat(np.arange(len(per)), per)
        self.weight = np.concatenate([c.weights.weight for c in circuits])
        self.chain = block_diag(*[_chain(c.stiffness) for c in circuits])

    def fits(self, wanted: float, without: float) -> bool:
        """Whether no eigenvalue is above the wanted one [1/m^2]."""
        share = 1 - without / (wanted * self.relative)
        if share.min() <= 0:
            return False
        dense = np.zeros((len(self.root), int(self.column.max()) + 1))
        dense[self.segment, self.column] = self.weight / np.sqrt(self.capacitance * share)
        matrix = self.root[:, None] * (dense @ dense.T + self.chain) * self.root
        if len(self.root) <= MOST_SEGMENTS:
            return bool(np.linalg.eigvalsh(matrix)[-1] <= wanted)
        return bool(np.abs(matrix).sum(1).max() <= wanted)


def _chain(stiffness: np.ndarray) -> np.ndarray:
    """What charges of nodes do to the currents of the segments between them."""
    S = stiffness
    return np.asarray(np.diag(S[:-1] + S[1:]) - np.diag(S[1:-1], 1) - np.diag(S[1:-1], -1))
