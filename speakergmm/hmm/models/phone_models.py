"""Acoustic models of units: topologies, transitions, tying and mixtures together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.models.decision_tree import DecisionTree
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.models.transitions import Transitions
from speakergmm.hmm.models.tying import Tying
from speakergmm.records import digest as digest_of


@dataclass(frozen=True, eq=False)
class PhoneModels:
    """Hidden Markov models of units (phones or whole words) with Gaussian-mixture emissions.

    They consist of four independent parts: the states of each unit (`topologies`), the
    probabilities of their arcs (`transitions`), the assignment of states to pdfs (`tying`, or in
    context `tree`), and the mixtures of the pdfs (`bank`).

    Parameters
    ----------
    units : tuple of str
        Names of the units, each once.
    topologies : tuple of Topology
        Topology of each unit.
    tying : Tying
        Pdf of each state; with a tree, its roots.
    transitions : Transitions
        Probabilities of all arcs.
    bank : MixtureBank
        Mixtures of all pdfs.
    tree : DecisionTree, optional
        Pdf of each state in its context, in place of the tying.

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
    tree: DecisionTree | None = None

    def __post_init__(self) -> None:
        """Check that the parts belong together."""
        object.__setattr__(self, "units", tuple(self.units))
        object.__setattr__(self, "topologies", tuple(self.topologies))
        if len(set(self.units)) < len(self.units) or not self.units:
            raise InvalidInputError("units must have names, each once")
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
        n_pdfs = self.tying.n_pdfs if self.tree is None else self.tree.n_pdfs
        wanted = (len(self.units), n_states, n_arcs, n_pdfs)
        if found != wanted:
            raise InvalidInputError(
                "topologies, states, transitions and pdfs of models must be "
                f"{', '.join(map(str, wanted))}, found {', '.join(map(str, found))}"
            )
        if self.tree is not None:
            self._check_tree(self.tree)

    def _check_tree(self, tree: DecisionTree) -> None:
        """Raise an error if a tree is of other units or states."""
        if tree.questions.units != self.units:
            raise InvalidInputError("the decision tree asks about other units than the models have")
        same = np.array_equal(tree.roots.first, self.tying.first)
        if not (same and np.array_equal(tree.roots.pdf_id, self.tying.pdf_id)):
            raise InvalidInputError("the tying of models with a decision tree must be its roots")

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P."""
        return self.bank.n_pdfs

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians of all pdfs, G."""
        return self.bank.n_gaussians

    @property
    def n_features(self) -> int:
        """Number of features per frame, D."""
        return self.bank.n_features

    def unit_number(self, unit: str) -> int:
        """Return the number of a unit.

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

    @cached_property
    def structure_digest(self) -> str:
        """SHA-256 (hexadecimal) of units, topologies and tying: all that graphs depend on."""
        parts = (self.units, self.topologies, self.tying.pdf_id)
        return digest_of(*parts) if self.tree is None else digest_of(*parts, self.tree)

    def state_pdfs(self, unit: int) -> list[list[int]]:
        """Return the pdfs that each state of a unit, given its number, may have in any context."""
        own = self.tying.pdfs(unit)
        if self.tree is None:
            return [[pdf] for pdf in own.tolist()]
        return [self.tree.pdfs_below([root]).tolist() for root in own.tolist()]

    def pdfs(self, unit: str) -> NDArray[np.int32]:
        """Return the pdfs that the states of a unit have in any context, in ascending order.

        Raises
        ------
        InvalidInputError
            If there is no model of that name.
        """
        number = self.unit_number(unit)
        return np.unique(np.concatenate(self.state_pdfs(number))).astype(np.int32)

    def context_pdfs(
        self, unit: int, before: Sequence[int], after: Sequence[int]
    ) -> dict[tuple[int, int], tuple[int, ...]]:
        """Return the pdfs of the states of a unit between each two neighbours.

        Parameters
        ----------
        unit : int
            Number of the unit.
        before, after : sequence of int
            Numbers of the units on its left and on its right, -1 for none.

        Returns
        -------
        dict of (int, int) to tuple of int
            Pdfs by the neighbours.
        """
        known = self._context_pdfs
        wanted = [(left, unit, right) for left in before for right in after]
        if missing := [each for each in wanted if each not in known]:
            n_states = self.topologies[unit].n_states
            if self.tree is None:
                rows = np.broadcast_to(self.tying.pdfs(unit), (len(missing), n_states))
            else:
                contexts = np.repeat(np.array(missing), n_states, axis=0)
                states = np.tile(np.arange(n_states), len(missing))
                rows = self.tree.pdfs(np.column_stack([contexts, states]))
            for context, row in zip(missing, rows.reshape(-1, n_states).tolist(), strict=True):
                known[context] = tuple(row)
        return {(left, right): known[left, unit, right] for left, _, right in wanted}

    @cached_property
    def _context_pdfs(self) -> dict[tuple[int, int, int], tuple[int, ...]]:
        """Pdfs of units in contexts, as far as they have been asked for."""
        return {}

    def topology(self, unit: str) -> Topology:
        """Return the topology of a unit."""
        return self.topologies[self.unit_number(unit)]

    def log_emissions(
        self, X: ArrayLike, pdfs: ArrayLike | None = None, *, precision: str = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Compute the log-densities (T, P) of frames under some pdfs, or all of them.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        pdfs : array of int, shape (P,), optional
            Numbers of the pdfs; by default all of them.
        precision : {"float32", "float64"}, default="float32"
            Precision, as `MixtureBank.evaluate` takes it.

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
        """Return untrained models: each pdf is one Gaussian with the moments of all frames.

        Parameters
        ----------
        topologies : mapping of str to Topology
            Topology of each unit.
        mean, variance : array, shape (D,)
            Moments of all frames, in feature units; variances must be above 0.
        same_pdf : mapping of (unit, state) to (unit, state), optional
            States that share the pdf of another state; see `Tying.shared`.

        Raises
        ------
        InvalidInputError
            If there is no unit, a state to be shared does not exist, or the shapes of the moments
            differ.
        """
        units = tuple(topologies)
        kinds = tuple(topologies.values())
        numbers = {unit: number for number, unit in enumerate(units)}
        pairs = same_pdf or {}
        for unit, _ in [*pairs, *pairs.values()]:
            if unit not in numbers:
                raise InvalidInputError(f"same_pdf names the unit {unit!r}, which does not exist")
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
        """Return the types of the stored parts; each topology is stored once."""
        return {
            "units": tuple[str, ...],
            "topologies": tuple[Topology, ...],
            "topology_of_unit": tuple[int, ...],
            "pdf_id": NDArray[np.int32],
            "transition_probability": NDArray[np.float64],
            "bank": MixtureBank,
            "tree": DecisionTree | None,
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
            "tree": self.tree,
        }

    @classmethod
    def of_record(cls, **parts: Any) -> Self:
        """Build models from stored parts, and check them.

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
            parts.get("tree"),
        )
