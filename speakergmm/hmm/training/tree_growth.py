"""Growth of decision trees by likelihood: splits from the top down, leaves merged again."""

from __future__ import annotations

from collections.abc import Collection
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.decision_tree import LEAF, DecisionTree
from speakergmm.hmm.models.phone_questions import CENTRE, LEFT, RIGHT, STATE, PhoneQuestions
from speakergmm.hmm.models.tying import Tying
from speakergmm.hmm.training.agglomeration import agglomerate, moments_log_likelihood
from speakergmm.hmm.training.context_statistics import ContextStatistics
from speakergmm.hmm.training.tree_options import TreeOptions
from speakergmm.ranges import refused

# Gains that differ by less than this part of the log-likelihood are equal: different questions may
# divide the seen contexts in the same way, and the first one is to be chosen in spite of rounding.
_ROUNDING = 1e-12


class _Split(NamedTuple):
    """The best question of a node: the rows of its statistics that answer yes and no."""

    gain: float
    position: int
    question: int
    yes: NDArray[np.int64]
    no: NDArray[np.int64]


def grow_tree(
    statistics: ContextStatistics,
    roots: Tying,
    questions: PhoneQuestions,
    options: TreeOptions | None = None,
    *,
    unsplit: Collection[int] = (),
    **given: Any,
) -> DecisionTree:
    """Grow decision trees: the split that gains most is made first.

    A leaf is one Gaussian with diagonal covariances; a split gains the difference of the largest
    log-likelihoods of its frames under two Gaussians and under one.

    Parameters
    ----------
    statistics : ContextStatistics
        Statistics of phones in context.
    roots : Tying
        The root of each state of each unit (see `Tying.roots`).
    questions : PhoneQuestions
        Questions about both neighbours and, where units share a root, the unit itself. Whether a
        state is among the first ones is asked where states share a root.
    options : TreeOptions, optional
        Options; each can be given by keyword instead.
    unsplit : collection of int, optional
        Roots that stay one leaf.

    Returns
    -------
    DecisionTree

    Raises
    ------
    InvalidInputError
        If an option is out of its range, there are more roots than leaves, or the statistics,
        roots and questions are not of the same units and states.

    References
    ----------
    .. [1] Young, Odell, Woodland, "Tree-based state tying for high accuracy acoustic modelling",
       HLT (1994) 307-312.
    """
    options = TreeOptions.of(options, given)
    if options.max_leaves < roots.n_pdfs:
        raise refused("max_leaves", f"at least {roots.n_pdfs}, one a root", options.max_leaves)
    if strangers := set(unsplit) - set(range(roots.n_pdfs)):
        raise refused("unsplit", f"roots in 0..{roots.n_pdfs - 1}", min(strangers))
    check_units(statistics, len(questions.units))
    growth = _Growth(statistics, roots, questions, options)
    growth.split(frozenset(unsplit))
    return growth.tree()


def check_units(statistics: ContextStatistics, n_units: int) -> None:
    """Raise an error if statistics are of none or of more units than there are."""
    if not len(statistics.counts):
        raise InvalidInputError("there are no statistics of contexts")
    if (most := int(statistics.contexts[:, :STATE].max())) >= n_units:
        raise InvalidInputError(f"statistics of unit number {most}; there are {n_units} units")


def variance_floors(statistics: ContextStatistics, fraction: float) -> NDArray[np.float64]:
    """Return a fraction of the variance of all frames in each feature, shape (D,).

    Raises
    ------
    InvalidInputError
        If a feature does not vary.
    """
    total = statistics.counts.sum()
    mean = statistics.first.sum(axis=0) / total
    variances = statistics.second.sum(axis=0) / total - mean * mean
    # The variance of equal numbers may be a little more than 0, by rounding.
    if (still := np.flatnonzero(variances <= 1e-12 * mean * mean)).size:
        raise InvalidInputError(f"feature {int(still[0])} does not vary in the statistics")
    return np.asarray(fraction * variances)


class _Growth:
    """Trees as they grow: nodes with the rows of the statistics that they hold."""

    def __init__(
        self,
        statistics: ContextStatistics,
        roots: Tying,
        questions: PhoneQuestions,
        options: TreeOptions,
    ) -> None:
        self._contexts, self._moments = statistics.contexts, statistics.moments
        self._roots, self._questions, self._options = roots, questions, options
        self._floor = variance_floors(statistics, options.variance_floor)
        n_states = int(np.diff(roots.first).max())
        of_states = np.arange(n_states) <= np.arange(n_states - 1)[:, None]
        # Sets by position, in the order in which equal gains are chosen.
        self._sets = {STATE: of_states, **dict.fromkeys((LEFT, CENTRE, RIGHT), questions.members)}
        centre, state = self._contexts[:, CENTRE], self._contexts[:, STATE]
        if (state >= np.diff(roots.first)[centre]).any():
            raise InvalidInputError("statistics of a state that its unit does not have")
        root = roots.pdf_id[roots.first[centre] + state]
        self._rows = [np.flatnonzero(root == number) for number in range(roots.n_pdfs)]
        self._splits: list[_Split | None] = [None] * roots.n_pdfs
        self._children: dict[int, tuple[int, int]] = {}

    def split(self, unsplit: frozenset[int]) -> None:
        """Make splits, the best one first, until an option ends it."""
        waiting: list[tuple[float, int, _Split]] = []

        def consider(node: int) -> None:
            if (found := self._best_split(self._rows[node])) is not None:
                heappush(waiting, (-found.gain, node, found))

        for root in range(self._roots.n_pdfs):
            if root not in unsplit:
                consider(root)
        leaves = self._roots.n_pdfs
        while waiting and leaves < self._options.max_leaves:
            _, node, chosen = heappop(waiting)
            self._splits[node] = chosen
            self._children[node] = (len(self._rows), len(self._rows) + 1)
            for rows in (chosen.yes, chosen.no):
                self._rows.append(rows)
                self._splits.append(None)
                consider(len(self._rows) - 1)
            leaves += 1

    def _best_split(self, rows: NDArray[np.int64]) -> _Split | None:
        """Return the question that gains most, None if none may be asked."""
        total = moments_log_likelihood(self._moments[rows].sum(axis=0), self._floor)
        positions = list(self._sets)
        found = [self._gains(rows, position, total) for position in positions]
        gains = np.concatenate(found)
        best = gains.max(initial=-np.inf)
        slack = _ROUNDING * abs(float(total))
        if best <= slack or best < self._options.min_gain:
            return None
        place = int(np.argmax(gains >= best - slack))
        starts = np.cumsum([0, *map(len, found)])
        number = int(np.searchsorted(starts, place, side="right")) - 1
        position, question = positions[number], place - int(starts[number])
        values = self._contexts[rows, position]
        answer = (values >= 0) & self._sets[position][question, values]
        return _Split(float(best), position, question, rows[answer], rows[~answer])

    def _gains(
        self, rows: NDArray[np.int64], position: int, total: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the gain of each question about a position; -inf where it may not be asked."""
        sets = self._sets[position]
        # One row per value, and a last one for no unit, which is in no set.
        sums = np.zeros((sets.shape[1] + 1, self._moments.shape[1]))
        np.add.at(sums, self._contexts[rows, position], self._moments[rows])
        asked = np.column_stack([sets, np.zeros(len(sets), np.bool_)])
        yes, no = asked.astype(np.float64) @ sums, (~asked).astype(np.float64) @ sums
        gains = (
            moments_log_likelihood(yes, self._floor)
            + moments_log_likelihood(no, self._floor)
            - total
        )
        fewest = np.minimum(yes[:, 0], no[:, 0])
        allowed = (fewest > 0) & (fewest >= self._options.min_occupancy)
        return np.where(allowed, gains, -np.inf)

    def tree(self) -> DecisionTree:
        """Return the trees as they stand, with leaves merged if that is asked."""
        splits = self._splits
        children = np.array([self._children.get(node, (LEAF, LEAF)) for node in range(len(splits))])
        return DecisionTree(
            roots=self._roots,
            questions=self._questions,
            position=np.array([LEAF if s is None else s.position for s in splits], np.int32),
            question=np.array([LEAF if s is None else s.question for s in splits], np.int32),
            yes=children[:, 0].astype(np.int32),
            no=children[:, 1].astype(np.int32),
            pdf_id=self._pdf_ids(),
            gain=np.array([0.0 if s is None else s.gain for s in splits]),
            occupancy=np.array([self._moments[rows, 0].sum() for rows in self._rows]),
        )

    def _pdf_ids(self) -> NDArray[np.int32]:
        """Return the pdf of each leaf, numbered root by root and from yes to no."""
        pdf_id = np.full(len(self._rows), LEAF, np.int32)
        n_pdfs = 0
        for root in range(self._roots.n_pdfs):
            leaves = self._leaves_below(root)
            groups = self._merged(leaves)
            numbers = {group: n_pdfs + n for n, group in enumerate(dict.fromkeys(groups))}
            pdf_id[leaves] = [numbers[group] for group in groups]
            n_pdfs += len(numbers)
        return pdf_id

    def _leaves_below(self, root: int) -> list[int]:
        """Return the leaves of a tree, from yes to no."""
        leaves, waiting = [], [root]
        while waiting:
            node = waiting.pop()
            if node in self._children:
                waiting += reversed(self._children[node])
            else:
                leaves.append(node)
        return leaves

    def _merged(self, leaves: list[int]) -> list[int]:
        """Return the group of each leaf of a root: the place of the first leaf merged into it."""
        group = np.arange(len(leaves))
        if self._options.merge and len(leaves) > 1:
            least = min(split.gain for split in self._splits if split is not None)
            sums = np.array([self._moments[self._rows[leaf]].sum(axis=0) for leaf in leaves])
            for kept, gone, loss in agglomerate(sums, self._floor):
                if loss > least:
                    break
                group[group == gone] = kept
        return [int(number) for number in group]
