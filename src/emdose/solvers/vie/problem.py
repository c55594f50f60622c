"""The discrete equations of the volume integral, and what solving them will take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0
from emdose.errors import InputError, ResourceError
from emdose.models.coils.circuit import require_ideal
from emdose.models.grids.grid import Shape
from emdose.solvers.running import Plan, plural
from emdose.solvers.vie.body import BodyOperator, largest_permittivity
from emdose.solvers.vie.metal import EdgeMetal, edges_of_metal, metal_bytes
from emdose.solvers.vie.static_inverse import static_bytes
from emdose.solvers.yee_grid.edge_materials import bounding_box
from emdose.solvers.yee_grid.green_convolution import CHUNK_BYTES, padded_shape
from emdose.solvers.yee_grid.incident import incident_E
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.compute.shared import Shared
    from emdose.models.bodies.phantom import Phantom
    from emdose.models.exposure import Exposure
    from emdose.solvers.vie.options import VieOptions

PRODUCTS, WITH_METAL = 25, 120
"""Products that a port costs, the preconditioner included, and with metal in the body; without it 80."""
SLOW = 5e5
"""Largest permittivity up to which the static inverse has the digits that GMRES needs; at 2e6 (5 kHz) it stagnates."""
TOGETHER = 32
"""Ports that are solved for together at most; a checkpoint keeps them when all of them are done."""
OVERHEAD_BYTES = 2 * 2**20
"""What plans and tables of transforms take whatever the size."""


@read_only
@dataclass(frozen=True, kw_only=True)
class ViePlan(Plan):
    """What a volume integral will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels of the phantom.
    ports : int
        Ports to solve for.
    fft_shape : (int, int, int)
        Points of the transforms.
    method : str
        Krylov method.
    ports_at_once : int
        Ports that are solved together.
    directions : int
        What GMRES keeps before it begins anew, each twice: as it is, and preconditioned.
    """

    shape: Shape
    ports: int
    fft_shape: Shape
    method: str
    ports_at_once: int
    directions: int = 25

    @property
    def what(self) -> str:
        """Voxels, unknowns and ports."""
        return f"{' x '.join(map(str, self.shape))} voxels, {self.size} unknowns, {plural(self.ports, 'port')}"


class VieProblem(BodyOperator):
    """The equations of the body of one exposure on one device, and the field of its source.

    Parameters
    ----------
    solver : VieOptions
        Options.
    exposure : Exposure
        The question.
    be : Backend
        Device.
    shared : Shared, optional
        Hands on Green's function and the field of the coil.
    drive : (port,) complex ndarray, optional
        One drive of all ports, which is the only right-hand side then.
    name : str
        What that drive is called.
    """

    def __init__(
        self,
        solver: VieOptions,
        exposure: Exposure,
        be: Backend,
        shared: Shared | None = None,
        drive: np.ndarray | None = None,
        name: str = "custom",
    ) -> None:
        exposure.refuse_metal("Vie", implants=False)
        metal = None
        if exposure.implanted is not None:
            metal = EdgeMetal.of(exposure.implanted, exposure.phantom, exposure.frequency_Hz, solver.metal == "real")
        super().__init__(solver, exposure.tissue, exposure.frequency_Hz, be, shared, metal)
        self.exposure = exposure
        self.weights = None if drive is None else np.asarray(drive, complex)
        self.ports: tuple[str, ...] = tuple(exposure.coil.ports) if drive is None else (name,)
        self.source = require_ideal(exposure.coil)
        self.E_incident = self.driven(incident_E(self.source, self.grid, self.frequency_Hz, be, self.dtype, shared))
        self.on_unknowns: Any = None
        """E_inc on the unknowns (port, n) where it is another than that of ``E_incident`` [V/m]."""

    def driven(self, incident: Any) -> Any:
        """The field (port, ...) of the coil, of its drive alone where there is one."""
        if self.weights is None:
            return incident
        return self.be.xp.tensordot(self.be.asarray(self.weights.astype(incident.dtype)), incident, 1)[None]

    def right_hand_sides(self, ports: list[int]) -> Any:
        """j w eps0 M E_inc of some ports on the unknowns, (port, n) [A/m^2]."""
        return self.right_hand_side(self.incident_on_unknowns(ports))

    def incident_on_unknowns(self, ports: list[int]) -> Any:
        """E_inc on the edges that hold tissue, (port, n) [V/m]."""
        if self.on_unknowns is not None:
            return self.on_unknowns[ports]
        box = self.E_incident[(slice(None), slice(None), *self.box)]
        return self.rows(self.be.xp.stack([box[p] for p in ports]))


def plan(solver: VieOptions, exposure: Exposure, be: Backend, driven: bool = False) -> ViePlan:
    """What a solution will take.

    Parameters
    ----------
    solver, exposure, be : VieOptions, Exposure, Backend
        As in :class:`VieProblem`.
    driven : bool
        Whether one drive of all ports is solved for.

    Raises
    ------
    InputError
        When the grid cannot be used: not cubic, or without tissue.
    ResourceError
        When it does not fit the memory; the text names what is needed and a spacing that would fit.
    """
    require_ideal(exposure.coil)
    exposure.refuse_metal("Vie", implants=False)
    ports = 1 if driven else len(exposure.coil.ports)
    metal = None if exposure.implanted is None else exposure.implanted.metal
    return plan_body(solver, exposure.tissue, exposure.frequency_Hz, ports, be, metal)


def plan_body(
    solver: VieOptions,
    phantom: Phantom,
    frequency_Hz: float,
    ports: int,
    be: Backend,
    metal: np.ndarray | None = None,
) -> ViePlan:
    """What a solution for some number of incident fields will take, whatever they come from.

    Parameters
    ----------
    solver, phantom, frequency_Hz, be : VieOptions, Phantom, float, Backend
        As in :class:`~emdose.solvers.vie.body.BodyOperator`.
    ports : int
        Incident fields, each kept on the whole grid of the phantom.
    metal : (nx, ny, nz) bool ndarray, optional
        Voxels of metal.

    Raises
    ------
    InputError, ResourceError
        As :func:`plan`.
    """
    grid = phantom.grid
    if not grid.is_cubic:
        raise InputError(
            "the volume integral needs cubic voxels",
            field="spacing_m",
            found=grid.spacing_m,
            expected=f"one spacing: phantom.resample({min(grid.spacing_m):g})",
        )
    body = np.asarray(phantom.body, bool)
    low, high = bounding_box(body if metal is None else body | metal)
    if not body.any():
        raise InputError("the phantom holds no tissue", field="phantom", expected="at least one voxel that is not air")
    box: Shape = tuple(b - a + 1 for a, b in zip(low, high, strict=True))  # type: ignore[assignment]
    densest = largest_permittivity(phantom, frequency_Hz)
    dtype = solver.precision(densest, metal is not None)
    item, nodes = dtype.itemsize, 3 * math.prod(grid.node_shape)
    big = padded_shape(box, box, (0, 0, 0), be)
    whole = padded_shape(box, grid.node_shape, low, be)
    unknowns = int(3 * np.count_nonzero(body) * 1.05) + 3 * math.prod(box) // 50
    on_metal = 0 if metal is None else edges_of_metal(metal)
    # What stays: incident field, contrast, M and index of the unknowns.
    kept = ports * nodes * item + unknowns * (16 + item + 8)
    inner, outer = (_convolution(box, t, n, item, be) for t, n in ((box, big), (grid.node_shape, whole)))
    edges = 3 * math.prod(box)
    # Currents and fields of all ports in the end, and either their powers in double precision or the fields of one.
    last = kept + ports * (nodes + unknowns + edges) * item
    last += inner + max(32 * (ports + 1) * unknowns, outer + 2 * nodes * item)
    free = be.memory_free_bytes()

    # Iterations grow with the size in wavelengths: 6 for a head at 128 MHz, 14 at 298 MHz.
    index = np.sqrt(np.asarray(phantom.complex_permittivity(frequency_Hz))[body].astype(complex)).real.mean()
    wavelengths = max(b - a for a, b in zip(low, high, strict=True)) * grid.spacing_m[0] * frequency_Hz * index / C_0
    once = max(1, min(solver.restart // 2, math.ceil(6 + 10 * wavelengths)))
    if on_metal:  # currents of metal are more than the wave has: 20 to 60
        once = solver.restart

    def directions(at_once: int) -> int:
        """Ports share them: eight take about four times those of one."""
        return math.ceil(0.5 * once * (1 + at_once))

    def krylov(method: str, at_once: int) -> int:
        # On a CPU the operator takes one vector at a time.
        abreast = at_once if be.name == "cuda" or method != "gmres" else 1
        vectors = 14 * at_once
        static = 0
        if method == "gmres":
            vectors = 2 * directions(at_once) + 12 * at_once + 6
            static = static_bytes(box, abreast, item) + metal_bytes(on_metal, unknowns, abreast, item)
        return kept + inner * abreast + static + (ports + vectors) * unknowns * item + 3 * abreast * edges * item

    methods = ("gmres", "cocr") if solver.method == "auto" else (solver.method,)
    if (
        solver.method == "auto" and densest > SLOW and item == 16 and not on_metal
    ):  # single precision stagnates with any
        methods = ("cocr",)
    together = {m: min(ports, TOGETHER) if m == "gmres" or be.name == "cuda" else 1 for m in methods}
    choices = [(m, n) for m in methods for n in sorted({together[m], -(-together[m] // 4), 1}, reverse=True)]
    method, at_once, need = "", 1, 0
    for method, at_once in choices:
        need = int(max(krylov(method, at_once), 1.1 * last)) + OVERHEAD_BYTES
        if need <= 0.9 * free:
            break
    else:
        spacing = grid.spacing_m[0] * (need / (0.8 * free)) ** (1 / 3)
        elsewhere = ', or device="cpu", which is slower' if be.name == "cuda" else ""
        raise ResourceError(
            f"volume integral of {'x'.join(map(str, grid.shape))} voxels needs {need / 2**30:.3g} GiB but "
            f"{free / 2**30:.3g} GiB are free on {be.name}, of which a tenth is kept back; a spacing of "
            f"{1e3 * spacing:.2g} mm would fit, as would cropping air around the body (phantom.crop_to_body){elsewhere}"
        )
    # Seconds per padded point and product, as measured; iterations grow with the size in wavelengths.
    rate = {"cpu": 5e-8, "cuda": 2e-10}[be.name] * item / 8
    products = (PRODUCTS if not on_metal else WITH_METAL) if method == "gmres" else 80
    return ViePlan(
        bytes=int(need),
        seconds=float(ports * products * rate * math.prod(big) + 2e-10 * on_metal**3),
        size=unknowns,
        device=be.name,
        shape=grid.shape,
        ports=ports,
        fft_shape=big,
        method=method,
        ports_at_once=at_once,
        directions=directions(at_once),
    )


def _convolution(source: Shape, target: tuple[int, ...], lengths: tuple[int, ...], item: int, be: Backend) -> int:
    """Bytes that a convolution of one port holds, or takes while it is made."""
    half = 3 * item * lengths[1] * lengths[2]
    slab = min(CHUNK_BYTES[be.name], half * lengths[0])
    # On a GPU every transform makes a new array and a transposed one.
    copies = 3 if be.name == "cuda" else 1
    octant = math.prod(n // 2 + 1 for n in lengths)
    return max(int(1.5 * half * max(source[0], target[0]) + slab) * copies + 2 * item * octant, 96 * octant)
