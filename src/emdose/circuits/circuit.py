r"""Circuits around a network: terminations, feeds with matching networks, and what flows inside.

The circuit is a linear network too, with the scattering matrix L over the network's own (internal) ports i and the
feeds e. With b = S a at the internal ports,

.. math::

   \mathbf a = L_{ii}\mathbf b + L_{ie}\mathbf a_e \;\Rightarrow\;
   \mathbf a = (1 - L_{ii} S)^{-1} L_{ie}\,\mathbf a_e, \qquad
   S_e = L_{ee} + L_{ei} S (1 - L_{ii} S)^{-1} L_{ie} .

If every internal port was driven once by 1 V behind its reference impedance, with all others terminated by theirs, the
fields of any drive are the sum of these runs with the weights V_p + R_p I_p = 2 sqrt(R_p) a_p.

Source: M. Kozlov and R. Turner, J. Magn. Reson. 200 (2009) 147 (co-simulation of coils); K. Kurokawa, IEEE Trans. MTT
13 (1965) 194.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of
from emdose.circuits.elements import Coupling, Feed, OnePort, TwoPort
from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil


@read_only
@dataclass(frozen=True, eq=False)
class Operation:
    """Voltages, currents and powers of a circuit under a drive; the first axis is the frequency.

    Parameters
    ----------
    names, feeds : tuple of str
        Internal ports and feeds.
    voltages_V, currents_A : (f, port) complex ndarray
        At the internal ports, peak; currents into the structure.
    weights_V : (f, port) complex ndarray
        V + R I: the source voltages of single-port runs whose fields add up to those of this drive.
    forward_W, reflected_W : (f, feed) ndarray
        Available power of every source and the power that comes back.
    lost_W : mapping of str to (f,) ndarray
        Power lost in every termination, in the ladder of every feed, and in "couplings" together.
    structure_W : (f,) ndarray
        Power into the structure that the network describes: metal, body and radiation.
    """

    names: tuple[str, ...]
    feeds: tuple[str, ...]
    voltages_V: np.ndarray
    currents_A: np.ndarray
    weights_V: np.ndarray
    forward_W: np.ndarray
    reflected_W: np.ndarray
    lost_W: Mapping[str, np.ndarray]
    structure_W: np.ndarray

    @property
    def accepted_W(self) -> np.ndarray:
        """Power that the feeds take, (f,) [W]."""
        return np.asarray((self.forward_W - self.reflected_W).sum(axis=1))


@read_only
@dataclass(frozen=True, eq=False)
class Connected:
    """A network with its circuit.

    Parameters
    ----------
    network : Network
        What the feeds see.
    inner : Network
        The network inside.
    circuit : Circuit
        What is around it.
    """

    network: Network
    inner: Network
    circuit: Circuit
    _transfer: np.ndarray
    _outer_transfer: np.ndarray
    _outer_back: np.ndarray

    def drive(self, source_V: Any) -> Operation:
        """Voltages, currents and powers for given sources.

        Parameters
        ----------
        source_V : (feed,) or (f, feed) complex array
            Source voltages behind the impedances of the feeds, peak [V].

        Raises
        ------
        InputError
            When they do not fit the feeds.
        """
        f, count = self.network.s.shape[:2]
        source = np.asarray(source_V, complex)
        if source.shape not in ((count,), (f, count)) or not np.all(np.isfinite(source)):
            raise InputError(
                "drive does not fit the feeds",
                field="source_V",
                found=source.shape,
                expected=f"{count} finite complex voltages",
            )
        outside = np.broadcast_to(source / (2 * np.sqrt(self.network.reference_ohm)), (f, count))[..., None]
        r = np.sqrt(self.inner.reference_ohm)
        a = (self._transfer @ outside)[..., 0]
        b = (self.inner.s @ a[..., None])[..., 0]
        back = (self.network.s @ outside)[..., 0]
        into = 0.5 * (
            np.abs((self._outer_transfer @ outside)[..., 0]) ** 2 - np.abs((self._outer_back @ outside)[..., 0]) ** 2
        )
        forward, reflected = 0.5 * np.abs(outside[..., 0]) ** 2, 0.5 * np.abs(back) ** 2
        structure = 0.5 * (np.abs(a) ** 2 - np.abs(b) ** 2).sum(axis=1)
        names = self.inner.names
        fed = {feed.port: n for n, feed in enumerate(self.circuit.feeds)}
        lost = {name: -into[:, p] for p, name in enumerate(names) if name not in fed}
        for port, n in fed.items():
            feed = self.circuit.feeds[n]
            lost[feed.name] = forward[:, n] - reflected[:, n] - into[:, names.index(port)]
        if self.circuit.couplings:
            lost["couplings"] = into.sum(axis=1) - structure
        names_of = (tuple(names), tuple(self.network.names))
        return Operation(*names_of, r * (a + b), (a - b) / r, 2 * r * a, forward, reflected, lost, structure)


@read_only
@dataclass(frozen=True, eq=False)
class Circuit:
    """Terminations, feeds and couplings of the ports of a network.

    Parameters
    ----------
    loads : mapping of str to OnePort, "open" or "short"
        Terminations of internal ports by name. Every port has a load or a feed.
    feeds : sequence of Feed
        What drives the circuit.
    couplings : sequence of Coupling
        What joins internal ports.

    Raises
    ------
    InputError
        When a port has two of them, or a feed's name occurs twice.
    """

    loads: Mapping[str, OnePort | str]
    feeds: Sequence[Feed]
    couplings: Sequence[Coupling] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "loads", dict(self.loads))
        object.__setattr__(self, "feeds", tuple(self.feeds))
        object.__setattr__(self, "couplings", tuple(self.couplings))
        ports = [*self.loads, *(f.port for f in self.feeds)]
        for names, what in ((ports, "a port has two terminations"), ([f.name for f in self.feeds], "a feed twice")):
            twice = [n for n in names if names.count(n) > 1]
            if twice:
                raise InputError(what, field="loads, feeds", found=twice[0], expected="one each")

    @classmethod
    def of(
        cls, coil: CircuitCoil, matching: Mapping[str, TwoPort] | None = None, couplings: Sequence[Coupling] = ()
    ) -> Circuit:
        """The circuit of a coil around the network of its gaps (``coil.gaps``).

        Parameters
        ----------
        coil : CircuitCoil
            Elements and feeds.
        matching : mapping of str to TwoPort, optional
            Ladder of each feed, from the source to its gap; the element in the gap comes after it.
        couplings : sequence of Coupling
            Joints of gaps.

        Raises
        ------
        InputError
            For a feed that the coil does not have.
        """
        matching = dict(matching or {})
        feeds = []
        loads: dict[str, OnePort | str] = {}
        for gap in coil.gaps:
            if gap.feed is None:
                assert gap.element is not None
                loads[gap.name] = gap.element
                continue
            ladder = matching.pop(gap.name, TwoPort())
            if gap.element is not None:
                ladder = TwoPort((*ladder.steps, ("shunt", gap.element)))
            feeds.append(Feed(gap.name, gap.name, ladder, gap.feed.impedance_ohm))
        if matching:
            raise InputError(
                "no such feed", field="matching", found=next(iter(matching)), expected=", ".join(coil.ports)
            )
        return cls(loads, feeds, couplings)

    def matched(self, matching: Mapping[str, TwoPort]) -> Circuit:
        """The same circuit with ladders put between sources and what the feeds drove so far."""
        feeds = []
        for feed in self.feeds:
            steps = matching[feed.name].steps if feed.name in matching else ()
            feeds.append(replace(feed, ladder=TwoPort((*steps, *feed.ladder.steps))))
        return replace(self, feeds=tuple(feeds))

    def connect(self, network: Network) -> Connected:
        """The circuit around a network.

        Raises
        ------
        InputError
            When a port has neither load nor feed, or a load or feed no port.
        """
        names = network.names
        have = [*self.loads, *(f.port for f in self.feeds), *(n for c in self.couplings for n in (c.first, c.second))]
        for name in have:
            network.index(name)
        for name in names:
            if name not in have:
                raise InputError("port without termination", field="loads", found=name, expected="a load or a feed")
        s = 2j * math.pi * network.frequencies_Hz
        n, m = network.size, len(self.feeds)
        L = self._scattering(network, s)
        inner, mixed = self._coupled(network, s)
        eye = np.eye(n)
        a = np.linalg.solve(eye - L[:, :n, :n] @ inner, L[:, :n, n:]) if m else np.zeros((len(s), n, 0), complex)
        b = inner @ a
        outer = L[:, n:, n:] + L[:, n:, :n] @ b
        transfer = a if mixed is None else np.linalg.solve(mixed, a)
        feeds = [f.impedance_ohm for f in self.feeds]
        if not m:
            raise InputError("circuit without a feed", field="feeds", found=0, expected="at least one")
        seen = Network(network.frequencies_Hz, outer, [f.name for f in self.feeds], np.array(feeds, float))
        return Connected(seen, network, self, transfer, a, b)

    def impedance(self, port: str, s: Any) -> np.ndarray:
        """What an internal port sees of its load or feed, the source switched off, at complex s (f,) [ohm].

        An open port is infinite.
        """
        s = np.atleast_1d(np.asarray(s, complex))
        for feed in self.feeds:
            if feed.port == port:
                m = feed.ladder.abcd(s)
                r = feed.impedance_ohm
                if math.isinf(r):
                    some = m[:, 1, 0] != 0
                    return np.where(some, m[:, 1, 1] / np.where(some, m[:, 1, 0], 1), math.inf)
                return np.asarray((m[:, 1, 1] * r + m[:, 0, 1]) / (m[:, 1, 0] * r + m[:, 0, 0]))
        load = self.loads.get(port, "open")
        if isinstance(load, str):
            return np.full(len(s), math.inf if load == "open" else 0.0, complex)
        return np.broadcast_to(load.impedance_s(s), s.shape)

    def without_sources(self) -> Circuit:
        """The circuit with every source taken off and its ladder left open there: that of the coil alone."""
        return replace(self, feeds=tuple(replace(f, impedance_ohm=math.inf) for f in self.feeds))

    def _scattering(self, network: Network, s: np.ndarray) -> np.ndarray:
        n, m = network.size, len(self.feeds)
        L = np.zeros((len(s), n + m, n + m), complex)
        for name, load in self.loads.items():
            p = network.index(name)
            r = network.reference_ohm[p]
            if isinstance(load, str):
                one_of(name, load, ("open", "short"), problem="bad load", also="an element")
                L[:, p, p] = 1 if load == "open" else -1
            else:
                z = load.impedance_s(s)
                L[:, p, p] = (z - r) / (z + r)
        for e, feed in enumerate(self.feeds):
            p = network.index(feed.port)
            t = feed.ladder.scattering(s, feed.impedance_ohm, float(network.reference_ohm[p]))
            where = np.array([n + e, p])
            L[:, where[:, None], where] = t
        return L

    def _coupled(self, network: Network, s: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Scattering matrix of network and couplings, and the matrix that takes waves into the one to the other."""
        if not self.couplings:
            return network.s, None
        n = network.size
        r = np.sqrt(network.reference_ohm)
        S, eye = network.s, np.eye(n)
        a, b = np.broadcast_to(eye, S.shape).astype(complex), S
        for kind in ("series", "shunt"):
            joint = np.zeros_like(S)
            for c in self.couplings:
                if c.kind != kind:
                    continue
                p, q = network.index(c.first), network.index(c.second)
                z = np.asarray(c.element.impedance_s(s))
                if kind == "shunt":
                    for i, j, sign in ((p, p, 1), (q, q, 1), (p, q, -1), (q, p, -1)):
                        joint[:, i, j] += sign / z * r[i] * r[j]
                else:
                    for i, j in ((p, q), (q, p)):
                        joint[:, i, j] += c.sign * z / (r[i] * r[j])
            # V' = V + Z I in series, I' = I + Y V in parallel, in normalised waves.
            change = 0.5 * joint @ (a - b if kind == "series" else a + b)
            a, b = (a + change, b + change) if kind == "series" else (a + change, b - change)
        return np.linalg.solve(a.swapaxes(-1, -2), b.swapaxes(-1, -2)).swapaxes(-1, -2), a
