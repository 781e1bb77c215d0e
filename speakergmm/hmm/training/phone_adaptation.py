"""Adaptation of phone or word models to transcribed utterances by relevance MAP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import EngineLike
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.map_options import MapOptions
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.phone_training_state import TrainingResult
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.utterance_shards import FrameStore, Graphs
from speakergmm.run_context import RunContext


def adapt_phone_models(
    models: PhoneModels,
    graphs: Graphs,
    frames: FrameStore,
    options: MapOptions | None = None,
    *,
    silence_pdfs: NDArray[np.int32] | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> TrainingResult:
    """Adapt phone or word models to transcribed utterances, such as those of one speaker.

    Parameters
    ----------
    models : PhoneModels
        The models, in feature units, with diagonal covariances. They are the prior.
    graphs : sequence of UtteranceGraph, or TranscriptTexts
        Graphs of the transcripts, one per utterance.
    frames : FrameStore
        Frames (T, D) of the same utterances, in feature units.
    options : MapOptions, optional
    silence_pdfs : array of int, optional
        Pdfs of silence, which stay as they are unless ``adapt_silence`` is set.
    engine, run
        As for `train_phone_models`.
    **changes
        Fields of `MapOptions`, in place of those of `options`.

    Returns
    -------
    TrainingResult
        The adapted models; pdfs without frames are those of `models` to the last bit.

    Raises
    ------
    InvalidInputError, InsufficientDataError, IncompatibleModelError
        As `train_phone_models`.

    Notes
    -----
    Posteriors of the Gaussians are those of Baum-Welch over all paths of each transcript. The
    update of means and variances is that of mixtures, `speakergmm.mixtures.adapt`.

    References
    ----------
    Gauvain and Lee, "Maximum a posteriori estimation for multivariate Gaussian mixture observations
    of Markov chains", IEEE Transactions on Speech and Audio Processing 2 (1994) 291-298.
    """
    options = MapOptions.of(options, changes)
    found = train_phone_models(
        models,
        graphs,
        frames,
        # No Gaussian is added or removed.
        TrainingSchedule(max_iter=options.n_passes, n_gaussians=1, grow_until=0),
        adaptation=options,
        silence_pdfs=silence_pdfs,
        flat=False,
        engine=engine,
        run=run,
    )
    # What has not moved has been through other coordinates, which round it.
    stays = found.occupancy <= 0
    if silence_pdfs is not None and not options.adapt_silence:
        stays[silence_pdfs] = True
    bank = _with_pdfs_of(models.bank, found.models.bank, stays)
    return replace(found, models=models.with_parameters(bank=bank))


def _with_pdfs_of(old: MixtureBank, new: MixtureBank, stays: NDArray[np.bool_]) -> MixtureBank:
    """Return a bank with some pdfs of an old one of the same sizes."""
    rows = np.repeat(stays, old.sizes)[:, None]
    gaussians = replace(
        new.gaussians,
        means=np.where(rows, old.gaussians.means, new.gaussians.means),
        covariances=np.where(rows, old.gaussians.covariances, new.gaussians.covariances),
    )
    return replace(new, weights=old.weights, gaussians=gaussians)
