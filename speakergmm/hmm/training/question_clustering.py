"""Questions made from data: sets of phones that sound alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speakergmm.hmm.models.phone_questions import CENTRE, STATE, PhoneQuestions
from speakergmm.hmm.training.agglomeration import agglomerate
from speakergmm.hmm.training.context_statistics import ContextStatistics
from speakergmm.hmm.training.tree_growth import check_units, variance_floors


def cluster_questions(
    statistics: ContextStatistics,
    units: Sequence[str],
    *,
    state: int | None = None,
    variance_floor: float = 0.01,
) -> PhoneQuestions:
    """Make questions by clustering phones: one for each phone and for each cluster on the way.

    Phones are clustered from the bottom up: the pair is merged whose union under one diagonal
    Gaussian loses the least likelihood. Phones that were not seen have a question each.

    Parameters
    ----------
    statistics : ContextStatistics
        Statistics of phones in context.
    units : sequence of str
        The units, in the models' order.
    state : int, optional
        State, from 0, by whose frames phones are compared, such as the middle one; by default all.
    variance_floor : float, default=0.01
        Smallest variance, as a fraction of the variance of all frames in that feature.

    Returns
    -------
    PhoneQuestions
        At most 2 U - 2 questions, the single phones first; none asks for all phones.

    Raises
    ------
    InvalidInputError
        If the statistics are of units that do not exist.
    """
    check_units(statistics, len(units))
    floor = variance_floors(statistics, variance_floor)
    chosen = np.ones(len(statistics.counts), np.bool_)
    if state is not None:
        chosen = statistics.contexts[:, STATE] == state
    sums = np.zeros((len(units), statistics.moments.shape[1]))
    np.add.at(sums, statistics.contexts[chosen, CENTRE], statistics.moments[chosen])
    seen = np.flatnonzero(sums[:, 0] > 0)
    members = np.eye(len(units), dtype=np.bool_)
    clusters = members[seen]
    rows = [members]
    for kept, gone, _ in agglomerate(sums[seen], floor):
        clusters[kept] |= clusters[gone]
        rows.append(clusters[kept : kept + 1].copy())
    found = np.concatenate(rows)
    lists = [
        [units[place] for place in np.flatnonzero(row).tolist()] for row in found[~found.all(1)]
    ]
    return PhoneQuestions.of_lists(units, lists)
