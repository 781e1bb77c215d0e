"""Random models of phones in context, with a tree that was grown from random statistics."""

from dataclasses import replace

import numpy as np
from oracles.hmm_training import random_models

from speakergmm.hmm import MixtureBank, Topology, Tying
from speakergmm.hmm.models import PhoneQuestions
from speakergmm.hmm.training import ContextStatistics, grow_tree

TOPOLOGIES = {
    "A": Topology.left_right(1),
    "B": Topology.left_right(2, skips=1),
    "C": Topology.left_right(2),
    "SIL": Topology.silence(3),
    "sp": Topology.short_pause(),
}
UNITS = tuple(TOPOLOGIES)


def tree_of(seed, max_leaves=24):
    """A tree over random statistics, in which silence and pause are not split."""
    rng = np.random.default_rng(seed)
    kinds = list(TOPOLOGIES.values())
    contexts = rng.integers([-1, 0, -1, 0], [5, 5, 5, 3], size=(900, 4))
    contexts[:, 3] %= np.array([kind.n_states for kind in kinds])[contexts[:, 1]]
    means = rng.normal(size=(4, 6, 3))
    frames = sum(means[column, contexts[:, column]] for column in range(4))
    statistics = ContextStatistics.of_frames(frames + rng.normal(size=(900, 3)), contexts)
    questions = PhoneQuestions.of_sets(
        UNITS, {"silent": ["SIL", "sp"], "A": ["A"], "B or C": ["B", "C"], "A or B": ["A", "B"]}
    )
    roots = Tying.roots(kinds, states_shared=False)
    alone = {int(root) for unit in (3, 4) for root in roots.pdfs(unit)}
    return grow_tree(
        statistics, roots, questions, unsplit=alone, max_leaves=max_leaves, min_gain=0.0, merge=True
    )


def models_in_context(seed=0, max_leaves=24):
    rng = np.random.default_rng(seed)
    plain = random_models(rng, TOPOLOGIES, sizes=(1,))
    tree = tree_of(seed, max_leaves)
    means, variances = rng.normal(0, 2, (tree.n_pdfs, 2)), rng.uniform(0.5, 2, (tree.n_pdfs, 2))
    places, ones = np.arange(tree.n_pdfs + 1), np.ones(tree.n_pdfs)
    bank = MixtureBank.from_parameters(places, ones, means, variances)
    return replace(plain, tying=tree.roots, tree=tree, bank=bank)
