"""The stage of training that transforms features: discriminants of joined frames, and MLLT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError
from speakergmm.features.transforms import FeatureTransform
from speakergmm.gaussians.discriminants import ClassScatter
from speakergmm.gaussians.semi_tied import estimate_semi_tied_transform, semi_tied_scatter
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.phone_training_state import TrainingResult
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.triphone_start import aligned_utterances, triphone_models
from speakergmm.hmm.training.utterance_shards import (
    FrameStore,
    UtteranceShard,
    are_in_memory,
    make_shards,
    work_on,
)
from speakergmm.recognition.feature_archive import JoinedFeatures
from speakergmm.recognition.triphone_options import TriphoneOptions
from speakergmm.run_context import RunContext

# Iterations between two estimates of MLLT, as Kaldi has them; after the last of them no more.
_SEGMENTS = (2, 2, 2, 6)


@dataclass(frozen=True, slots=True)
class TransformStage:
    """The stage "lda-mllt": triphones over transformed features.

    Frames are aligned with the models of the stage before. Joined with their neighbours, they are
    taken to the directions in which the pdfs differ most (LDA); a tree is grown there; and between
    iterations of training a further matrix is estimated under which diagonal covariances fit best
    (MLLT).

    Parameters
    ----------
    options : TriphoneOptions
    schedule : TrainingSchedule
        Of the phones.
    seed : int
        Seed of the splits of Gaussians.
    """

    options: TriphoneOptions
    schedule: TrainingSchedule
    seed: int

    def train(
        self,
        models: PhoneModels,
        texts: TranscriptTexts,
        frames: JoinedFeatures,
        *,
        n_static: int,
        silences: Sequence[str],
        engine: Engine,
        run: RunContext,
    ) -> tuple[TrainingResult, FeatureTransform]:
        """Return trained models, and the transform of their features.

        Parameters
        ----------
        models : PhoneModels
            Models of the stage before.
        texts : TranscriptTexts
            Transcripts of all utterances.
        frames : JoinedFeatures
            Their frames without any transform.
        n_static : int
            Number of features without slopes, which come first.
        silences : sequence of str
            Units without context, which do not count among the pdfs to be told apart.
        engine : Engine
        run : RunContext
            Without its checkpoint: the stage begins anew if it was interrupted.
        """
        run = replace(run, checkpoint=None)
        transform = self._discriminants(models, texts, frames, n_static, silences, engine, run)
        options = self.options
        start = triphone_models(
            models,
            texts,
            frames,
            options.tree,
            without_context=silences,
            transform=transform,
            engine=engine,
            run=run,
        )
        n_done, total = 0, options.schedule(self.schedule)
        current, first = start, start.n_gaussians
        while True:
            part = _SEGMENTS[n_done] if n_done < len(_SEGMENTS) else None
            spent = sum(_SEGMENTS[:n_done])
            length = total.max_iter - spent if part is None else part
            share = (spent + length) / total.max_iter
            wanted = round(first + (total.n_gaussians - first) * min(share / 0.75, 1.0))
            schedule = replace(
                total, max_iter=length, n_gaussians=wanted, grow_until=max(1, (3 * length) // 4),
                realign=tuple(range(0, length, 5)),
            )  # fmt: skip
            trained = train_phone_models(
                current,
                texts,
                frames.transformed(transform),
                schedule,
                silence_pdfs=None if not silences else start.pdfs(silences[0]),
                seed=self.seed,
                flat=False,
                engine=engine,
                run=run,
            )
            if part is None or spent + length >= total.max_iter:
                return trained, transform
            seen = frames.transformed(transform)
            current, matrix = semi_tied_models(trained.models, texts, seen, engine=engine, run=run)
            transform = transform.then(matrix)
            n_done += 1

    def _discriminants(
        self,
        models: PhoneModels,
        texts: TranscriptTexts,
        frames: JoinedFeatures,
        n_static: int,
        silences: Sequence[str],
        engine: Engine,
        run: RunContext,
    ) -> FeatureTransform:
        """Return the discriminants of static features joined with their neighbours."""
        joined = _joined_statics(models.n_features, n_static, self.options.spliced)
        silent = [models.pdfs(unit) for unit in silences]
        task = _ScatterTask(
            models, joined, np.concatenate([*silent, np.zeros(0, np.int32)]).astype(np.int32)
        )
        shards = make_shards(frames, texts)
        found = engine.map_reduce(
            task, shards, _added, in_memory=are_in_memory(frames),
            description=work_on(run.description("discriminants"), shards),
        )  # fmt: skip
        if found is None:
            raise InsufficientDataError("no utterance can be aligned with the models")
        matrix = found.discriminants(self.options.n_discriminants).matrix.T
        return joined.then(matrix)


def semi_tied_models(
    models: PhoneModels,
    texts: TranscriptTexts,
    frames: FrameStore,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> tuple[PhoneModels, NDArray[np.float64]]:
    """Return models after a further matrix under which diagonal covariances fit best (MLLT).

    Parameters
    ----------
    models : PhoneModels
        Models with diagonal covariances, by which utterances are aligned.
    texts : TranscriptTexts
        Transcripts of all utterances.
    frames : FrameStore
        Their frames (T, D).
    engine : int, executor, Dask client or Engine, optional
        Where utterances are aligned; it changes nothing but the time.
    run : RunContext, optional
        Uses `progress`.

    Returns
    -------
    models : PhoneModels
        The same with other means.
    matrix : array, shape (D, D)
        By which frames are to be multiplied, ``x @ matrix.T``.

    Raises
    ------
    InsufficientDataError
        If no utterance can be aligned, or frames do not vary in all directions.

    References
    ----------
    .. [1] Gales, "Semi-tied covariance matrices for hidden Markov models", IEEE Transactions on
       Speech and Audio Processing 7 (1999) 272-281.
    """
    run, shards = RunContext.checked(run), make_shards(frames, texts)
    found = Engine.of(engine).map_reduce(
        _MomentsTask(models),
        shards,
        _added,
        in_memory=are_in_memory(frames),
        description=work_on(run.description("semi-tied covariances"), shards),
    )
    if found is None:
        raise InsufficientDataError("no utterance can be aligned with the models")
    bank = models.bank
    scatter = semi_tied_scatter(found, bank.gaussians)
    matrix = estimate_semi_tied_transform(scatter, float(found.counts.sum())).matrix
    means, variances = bank.gaussians.means @ matrix.T, bank.gaussians.covariances
    moved = MixtureBank.from_parameters(bank.offsets, bank.weights, means, variances)
    return models.with_parameters(bank=moved), matrix


def _joined_statics(n_features: int, n_static: int, beside: int) -> FeatureTransform:
    """Return the choice of static features of each frame and of its neighbours."""
    width = 2 * beside + 1
    chosen = np.kron(np.eye(width), np.eye(n_static, n_features)).astype(np.float64)
    return FeatureTransform(chosen, np.zeros(width * n_static), beside, beside)


def _added(left: Any, right: Any) -> Any:
    """Return the sum of two parts of a corpus, either of which may be empty."""
    if left is None or right is None:
        return right if left is None else left
    return left + right


def _paths(
    models: PhoneModels, shard: UtteranceShard
) -> Iterator[tuple[NDArray[np.floating[Any]], NDArray[np.int32]]]:
    """Yield the frames of each utterance that can be aligned, and the pdf of each frame."""
    for X, graph, states in aligned_utterances(models, shard):
        yield X, graph.pdfs[graph.skeleton.pdf[states]]


@dataclass(frozen=True, slots=True, eq=False)
class _ScatterTask:
    """Align the utterances of a shard; sum joined frames by pdf, those of silence not at all."""

    models: PhoneModels
    joined: FeatureTransform
    silence_pdfs: NDArray[np.int32]

    def __call__(self, shard: UtteranceShard) -> ClassScatter | None:
        total: ClassScatter | None = None
        for X, pdfs in _paths(self.models, shard):
            spoken = ~np.isin(pdfs, self.silence_pdfs)
            joined = self.joined(X).astype(np.float64)
            found = ClassScatter.of(joined, pdfs, self.models.n_pdfs, weights=spoken)
            total = _added(total, found)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class _MomentsTask:
    """Align the utterances of a shard; sum full moments of each Gaussian of the pdfs."""

    models: PhoneModels

    def __call__(self, shard: UtteranceShard) -> MixtureStatistics | None:
        heard = list(_paths(self.models, shard))
        if not heard:
            return None
        frames = np.concatenate([X for X, _ in heard]).astype(np.float64)
        pdfs = np.concatenate([pdfs for _, pdfs in heard])
        bank = self.models.bank
        k, d = bank.n_gaussians, bank.n_features
        counts, first, second = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
        order = np.argsort(pdfs, kind="stable")
        present, starts = np.unique(pdfs[order], return_index=True)
        for pdf, rows in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
            x = frames[rows]
            evaluated = bank.evaluate(x, [pdf], precision="float64")
            shares = np.exp(evaluated.densities - evaluated.log_emissions)
            own = slice(bank.offsets[pdf], bank.offsets[pdf + 1])
            counts[own], first[own] = shares.sum(axis=0), shares.T @ x
            second[own] = np.einsum("tm,ta,tb->mab", shares, x, x, optimize=True)
        return MixtureStatistics(
            counts, first, second, 0.0, float(len(frames)), covariance_type="full"
        )
