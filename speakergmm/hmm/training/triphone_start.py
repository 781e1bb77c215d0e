"""The start of triphones: phones are aligned, a tree is grown, and its leaves become pdfs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm.inference.algorithms import viterbi
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.models.decision_tree import DecisionTree
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.phone_questions import CENTRE, PhoneQuestions
from speakergmm.hmm.models.tying import Tying
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.context_statistics import ContextStatistics, path_contexts
from speakergmm.hmm.training.question_clustering import cluster_questions
from speakergmm.hmm.training.tree_growth import grow_tree, variance_floors
from speakergmm.hmm.training.tree_options import TreeOptions
from speakergmm.hmm.training.utterance_shards import (
    FrameStore,
    Graphs,
    UtteranceShard,
    are_in_memory,
    check_graphs,
    make_shards,
    work_on,
)
from speakergmm.run_context import RunContext

FramesTransform: TypeAlias = "Callable[[NDArray[np.floating[Any]]], NDArray[np.floating[Any]]]"
"""A map from the frames of an utterance to as many others; it can be pickled."""


def triphone_models(
    models: PhoneModels,
    graphs: Graphs,
    frames: FrameStore,
    options: TreeOptions | None = None,
    *,
    without_context: Collection[str] = (),
    questions: PhoneQuestions | None = None,
    transform: FramesTransform | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> PhoneModels:
    """Return models of phones in context, to be trained further, from models of phones.

    Each utterance is aligned with the models; the frames of each state of each phone between its
    neighbours are summed; trees are grown from the sums, one for all states of a phone; and each
    leaf becomes a pdf of one Gaussian, with the moments of its frames.

    Parameters
    ----------
    models : PhoneModels
        Trained models with diagonal covariances; what their states share, roots of trees share.
    graphs : sequence of UtteranceGraph, or TranscriptTexts
        Graphs of the transcripts, one per utterance, as `train_phone_models` takes them.
    frames : FrameStore
        Frames (T, D) of the same utterances, in feature units, which are read once.
    options : TreeOptions, optional
        Options of the trees. There is a leaf for each phone, at least, and each pdf of units
        without context.
    without_context : collection of str
        Units, such as silence, that stay as they are, with all their Gaussians. As neighbours they
        count.
    questions : PhoneQuestions, optional
        Questions about the neighbours; by default they are made by clustering phones.
    transform : callable, optional
        Takes the frames of an utterance to those of the new models, as `FeatureTransform` does. All
        their mixtures are new, with one Gaussian each.
    engine : int, executor, Dask client or Engine, optional
        Where utterances are aligned; it changes nothing but the time.
    run : RunContext, optional
        Uses `progress`.
    **changes
        Options by name, in place of those of `options`.

    Returns
    -------
    PhoneModels
        With the tree, the same units, topologies and transitions.

    Raises
    ------
    InvalidInputError
        If a unit of `without_context` does not exist, questions are about other units, or an
        option is out of its range.
    InsufficientDataError
        If no utterance can be aligned.

    References
    ----------
    .. [1] Young, Odell, Woodland, "Tree-based state tying for high accuracy acoustic modelling",
       HLT (1994) 307-312.
    """
    options = TreeOptions.of(options, changes)
    run, engine = RunContext.checked(run), Engine.of(engine)
    check_graphs(graphs, models)
    alone = frozenset(without_context)
    still = [models.unit_number(unit) for unit in sorted(alone)]
    if questions is not None and questions.units != models.units:
        raise InvalidInputError("questions are about other units than the models have")
    # 1. Sums of the frames of each context that was aligned.
    shards = make_shards(frames, graphs)
    found = engine.map_reduce(
        ContextTask(models, alone, transform),
        shards,
        merge_contexts,
        in_memory=are_in_memory(frames),
        description=work_on(run.description("statistics of phones in context"), shards),
    )
    if found is None:
        raise InsufficientDataError("no utterance can be aligned with the models")
    # 2. Trees. Those of units without context have a leaf for each of their pdfs.
    roots, unsplit = _roots(models, still)
    if questions is None:
        spoken = found.select(~np.isin(found.contexts[:, CENTRE], still))
        questions = cluster_questions(spoken, models.units)
    options = replace(options, max_leaves=max(options.max_leaves, roots.n_pdfs))
    tree = grow_tree(found, roots, questions, options, unsplit=unsplit)
    # 3. One Gaussian per leaf; what has no context, or was never heard, keeps its mixture.
    former = None if transform is not None else models
    bank = _leaf_bank(former, tree, found, still, options.variance_floor)
    return replace(models, tying=tree.roots, tree=tree, bank=bank)


def aligned_utterances(
    models: PhoneModels, shard: UtteranceShard
) -> Iterator[tuple[NDArray[np.floating[Any]], UtteranceGraph, NDArray[np.int32]]]:
    """Yield frames, graph and state of each frame of the utterances that can be aligned.

    Parameters
    ----------
    models : PhoneModels
    shard : UtteranceShard
        Utterances without a path are passed over: training reports them.
    """
    for place in range(len(shard)):
        X, graph = np.asarray(shard.frames[place]), shard.graph(place, models)
        emissions = models.log_emissions(X, graph.pdfs)
        with contextlib.suppress(NoPathError):
            yield X, graph, viterbi(graph.graph(models.transitions), emissions).states


@dataclass(frozen=True, slots=True, eq=False)
class ContextTask:
    """Align the utterances of a shard, and sum their frames by context.

    Parameters
    ----------
    models : PhoneModels
    without_context : frozenset of str
        Units whose neighbours do not matter.
    transform : callable, optional
        Takes frames to those that are summed.
    """

    models: PhoneModels
    without_context: frozenset[str]
    transform: FramesTransform | None = None

    def __call__(self, shard: UtteranceShard) -> ContextStatistics | None:
        """Return the sums of a shard; None if no utterance of it can be aligned."""
        contexts, heard = [], []
        for X, graph, states in aligned_utterances(self.models, shard):
            units, alone = self.models.units, self.without_context
            contexts.append(path_contexts(graph, states, units, without_context=alone))
            heard.append(X if self.transform is None else self.transform(X))
        if not heard:
            return None
        return ContextStatistics.of_frames(np.concatenate(heard), np.concatenate(contexts))


def merge_contexts(
    left: ContextStatistics | None, right: ContextStatistics | None
) -> ContextStatistics | None:
    """Return the sums of two parts of a corpus, either of which may be empty."""
    if left is None or right is None:
        return right if left is None else left
    return left.merge(right)


def _roots(models: PhoneModels, still: list[int]) -> tuple[Tying, list[int]]:
    """Return roots, and which of them are not split: one per pdf of units without context."""
    keys: list[tuple[int, int]] = []
    for number, topology in enumerate(models.topologies):
        pdfs = models.tying.pdfs(number).tolist()
        # All states of a unit share a root, unless its neighbours do not matter.
        keys += [(1, pdf) if number in still else (0, number) for pdf in pdfs[: topology.n_states]]
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    ids = np.array([place[key] for key in keys], np.int32)
    unsplit = [number for (kind, _), number in place.items() if kind == 1]
    return Tying.from_ids(models.topologies, ids), unsplit


def _leaf_bank(
    models: PhoneModels | None,
    tree: DecisionTree,
    statistics: ContextStatistics,
    still: list[int],
    variance_floor: float,
) -> MixtureBank:
    """Return one Gaussian per leaf, and the former mixtures of what has no frames or context.

    Without former models, what has no frames is like all frames.
    """
    n_features = statistics.first.shape[1]
    floor = variance_floors(statistics, variance_floor)
    sums = np.zeros((tree.n_pdfs, 1 + 2 * n_features))
    np.add.at(sums, tree.pdfs(statistics.contexts), statistics.moments)
    everything = sums.sum(axis=0)
    if models is None:
        sums[sums[:, 0] <= n_features] = everything
        still = []
    former = {} if models is None else _former_pdfs(models, tree)
    kept = {pdf for unit in still for pdf in tree.pdfs_below(tree.roots.pdfs(unit)).tolist()}
    sizes, weights, means, variances = [], [], [], []
    for pdf, total in enumerate(sums):
        if models is not None and (pdf in kept or total[0] <= n_features):
            mixture = models.bank.subset([former[pdf]])
            sizes.append(mixture.n_gaussians)
            weights.append(mixture.weights)
            means.append(mixture.gaussians.means)
            variances.append(mixture.gaussians.covariances)
            continue
        mean = total[1 : n_features + 1] / total[0]
        sizes.append(1)
        weights.append(np.ones(1))
        means.append(mean[None])
        variances.append(np.maximum(total[n_features + 1 :] / total[0] - mean**2, floor)[None])
    return MixtureBank.from_parameters(
        np.cumsum([0, *sizes]),
        *(np.concatenate(each) for each in (weights, means, variances)),
    )


def _former_pdfs(models: PhoneModels, tree: DecisionTree) -> dict[int, int]:
    """Return, for each pdf of the tree, one that a state which may have it had before."""
    former: dict[int, int] = {}
    for number in range(len(models.units)):
        pdfs = models.tying.pdfs(number)
        for state, pdf in enumerate(pdfs.tolist()):
            context = [[-1, number, -1, state]]
            former.setdefault(int(tree.pdfs(context)[0]), pdf)
            for below in tree.pdfs_below(tree.roots.pdfs(number)[[state]]).tolist():
                former.setdefault(below, pdf)
    return former
