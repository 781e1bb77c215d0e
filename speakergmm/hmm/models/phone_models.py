"""Acoustic models of units as one thing: topologies, transitions, tying, and mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.models.transitions import Transitions
from speakergmm.hmm.models.tying import Tying


@dataclass(frozen=True, eq=False)
class PhoneModels:
    """HMMs of units - phones, or whole words - whose states emit with Gaussian mixtures.

    Four things that change apart from each other: which states there are (`topologies`), how
    probable their arcs are (`transitions`), which states share a pdf (`tying`), and what the pdfs
    are (`bank`).

    Parameters
    ----------
    units : tuple of str
        Names, each once.
    topologies : tuple of Topology
        Of each unit.
    tying : Tying
        Pdf of each state.
    transitions : Transitions
        Of all arcs.
    bank : MixtureBank
        Of all pdfs.

    Raises
    ------
    InvalidInputError
        If the parts do not belong together.
    """

    units: tuple[str, ...]
    topologies: tuple[Topology, ...]
    tying: Tying
    transitions: Transitions
    bank: MixtureBank

    def __post_init__(self) -> None:
        """Check that the parts belong together."""
        object.__setattr__(self, "units", tuple(self.units))
        object.__setattr__(self, "topologies", tuple(self.topologies))
        if len(set(self.units)) < len(self.units) or not self.units:
            raise InvalidInputError("names of units must be given, each once")
        for unit in self.units:
            if not isinstance(unit, str) or not unit:
                raise InvalidInputError(f"a unit needs a name, found {unit!r}")
        n_states = sum(topology.n_states for topology in self.topologies)
        n_arcs = sum(topology.n_arcs for topology in self.topologies)
        found = (
            len(self.topologies),
            len(self.tying.pdf_id),
            self.transitions.n_arcs,
            self.bank.n_pdfs,
        )
        wanted = (len(self.units), n_states, n_arcs, self.tying.n_pdfs)
        if found != wanted:
            raise InvalidInputError(
                "topologies, states, transitions and pdfs of models must be "
                f"{', '.join(map(str, wanted))}, found {', '.join(map(str, found))}"
            )

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P."""
        return self.bank.n_pdfs

    @property
    def n_components(self) -> int:
        """Number of Gaussians of all pdfs."""
        return self.bank.n_gaussians

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return self.bank.n_features

    def unit_number(self, unit: str) -> int:
        """Return the place of a unit.

        Raises
        ------
        InvalidInputError
            If there is no model of that name.
        """
        if unit not in self._numbers:
            raise InvalidInputError(
                f"there is no model of {unit!r}; there are {', '.join(self.units)}"
            )
        return self._numbers[unit]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {unit: number for number, unit in enumerate(self.units)}

    def topology(self, unit: str) -> Topology:
        """Return the topology of a unit."""
        return self.topologies[self.unit_number(unit)]

    def log_emissions(
        self, X: ArrayLike, pdfs: ArrayLike | None = None, *, precision: str = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Log-densities (T, P) of frames (T, D) under some pdfs, or all.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns, or there is no such pdf.
        """
        return self.bank.evaluate(X, pdfs, precision=precision).log_emissions

    def with_parameters(
        self, *, transitions: Transitions | None = None, bank: MixtureBank | None = None
    ) -> PhoneModels:
        """Return the models with other transitions or mixtures."""
        return replace(self, transitions=transitions or self.transitions, bank=bank or self.bank)

    @classmethod
    def flat(
        cls,
        topologies: Mapping[str, Topology],
        *,
        mean: ArrayLike,
        variance: ArrayLike,
        same_pdf: Mapping[tuple[str, int], tuple[str, int]] | None = None,
    ) -> Self:
        """Start from nothing: each pdf one Gaussian with the moments of all data.

        Parameters
        ----------
        topologies : mapping of str to Topology
            Of each unit.
        mean, variance : array, shape (D,)
            In feature units; variances above 0.
        same_pdf : mapping of (unit, state) to (unit, state), optional
            States that take the pdf of another; see `Tying.shared`.

        Raises
        ------
        InvalidInputError
            If there is no unit, a state to be shared is not there, or the moments are not of the
            same features.
        """
        units = tuple(topologies)
        kinds = tuple(topologies.values())
        numbers = {unit: number for number, unit in enumerate(units)}
        pairs = same_pdf or {}
        for unit, _ in [*pairs, *pairs.values()]:
            if unit not in numbers:
                raise InvalidInputError(f"a state of {unit!r} is to share its pdf; no such unit")
        same = {
            (numbers[unit], state): (numbers[other], place)
            for (unit, state), (other, place) in pairs.items()
        }
        tying = Tying.shared(kinds, same)
        mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
        if mean.ndim != 1 or mean.shape != variance.shape:
            raise InvalidInputError(
                f"mean and variance must have shape (D,), found {mean.shape} and {variance.shape}"
            )
        shape = (tying.n_pdfs, len(mean))
        bank = MixtureBank.from_parameters(
            np.arange(tying.n_pdfs + 1),
            np.ones(tying.n_pdfs),
            np.broadcast_to(mean, shape),
            np.broadcast_to(variance, shape),
        )
        return cls(units, kinds, tying, Transitions.from_topologies(kinds), bank)

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the parts: of topologies each is stored once."""
        return {
            "units": tuple[str, ...],
            "topologies": tuple[Topology, ...],
            "topology_of_unit": tuple[int, ...],
            "pdf_id": NDArray[np.int32],
            "transition_probability": NDArray[np.float64],
            "bank": MixtureBank,
        }

    def record_parts(self) -> dict[str, Any]:
        """Return the parts that are stored."""
        topologies = list(dict.fromkeys(self.topologies))
        return {
            "units": self.units,
            "topologies": topologies,
            "topology_of_unit": [topologies.index(topology) for topology in self.topologies],
            "pdf_id": self.tying.pdf_id,
            "transition_probability": self.transitions.probability,
            "bank": self.bank,
        }

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build from stored parts, checked anew.

        Raises
        ------
        InvalidInputError
            If the parts do not belong together.
        """
        kinds = tuple(parts["topologies"][place] for place in parts["topology_of_unit"])
        return cls(
            parts["units"],
            kinds,
            Tying.from_ids(kinds, parts["pdf_id"]),
            Transitions.from_probabilities(kinds, parts["transition_probability"]),
            parts["bank"],
        )
