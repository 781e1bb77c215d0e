"""Adaptation of acoustic models to further recordings, such as those of one speaker, by MAP."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.checkpoints import kept_checkpoint, short_digest
from speakergmm.corpora import AnyPath, CorpusLike
from speakergmm.engine import Engine, EngineLike
from speakergmm.features import FeatureStore
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.map_options import MapOptions
from speakergmm.hmm.training.phone_adaptation import adapt_phone_models
from speakergmm.provenance import software_versions, utc_now
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.acoustic_training import training_facts
from speakergmm.recognition.corpus_preparation import (
    PreparedCorpus,
    check_prepared_alone,
    prepare,
)
from speakergmm.recognition.language_arguments import TranscriptsLike
from speakergmm.recognition.silence_model import SilenceModel
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.run_context import RunContext


def adapt_acoustic_model(
    model: AcousticModel | AnyPath,
    corpus: CorpusLike | FeatureStore | PreparedCorpus,
    transcripts: TranscriptsLike | None = None,
    options: MapOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> AcousticModel:
    """Adapt an acoustic model to transcribed recordings by relevance MAP.

    Parameters
    ----------
    model : AcousticModel or path
        The model, of phones or of whole words; it is the prior.
    corpus : Corpus, FeatureStore, PreparedCorpus or path
        The recordings, or where they are: of one speaker, room or accent. A `PreparedCorpus` brings
        its transcripts along.
    transcripts : mapping of str to sequence of str, or path, optional
        The words spoken in each utterance, by its id; by default those that belong to the corpus.
    options : MapOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Number of workers. It changes nothing but the time.
    run : RunContext, optional
        All parts are used; the callback is called with the `TrainingState` after each pass.
    **changes
        Fields of `MapOptions`, in place of those of `options`: ``relevance_factor=8``.

    Returns
    -------
    AcousticModel
        With the lexicon, features and confidences of `model`; what no transcript contains is that
        of `model` to the last bit. Its provenance names the model that it was made of.

    Raises
    ------
    InsufficientDataError
        If no utterance can be used; with `run.strict`, if one cannot.

    Examples
    --------
    >>> speaker = adapt_acoustic_model("am.safetensors", "ana/")            # doctest: +SKIP
    """
    options = MapOptions.of(options, changes)
    model, engine, run = as_model(model), Engine.of(engine), RunContext.checked(run)
    prepared = _prepared(corpus, transcripts, model, engine)
    said = prepared.transcripts
    skips = UtteranceSkips(run, said)
    usable = prepared.report(skips)
    facts = {"corpus": short_digest(prepared.corpus.digest), "adapted model": model.digest}
    spoken = model.with_lexicon(prepared.lexicon_for(model))
    archive = model.extract(
        usable, store=prepared.store, engine=engine, run=replace(run, on_skip=skips)
    )
    with kept_checkpoint(run.with_facts(**facts)) as kept, archive as frames:
        found = adapt_phone_models(
            model.models,
            spoken.texts([said[u.id] for u in frames.utterances]),
            frames,
            options,
            silence_pdfs=silence_pdfs(model.models, model.silence),
            engine=engine,
            run=kept,
        )
        for failure in found.failed:
            skips.leave_out(frames.utterances[failure.place], failure.reason)
    provenance = {
        "trained": utc_now(),
        "versions": software_versions(),
        "corpus": prepared.corpus.source,
        "corpus_digest": prepared.corpus.digest,
        "options": asdict(options),
        **training_facts(frames, frames.grids, found, skips.found),
        "prior": {"digest": model.digest, **model.provenance},
    }
    return replace(model, models=found.models, provenance=provenance)


def _prepared(
    corpus: CorpusLike | FeatureStore | PreparedCorpus,
    transcripts: TranscriptsLike | None,
    model: AcousticModel,
    engine: Engine,
) -> PreparedCorpus:
    """Return a corpus with its transcripts, checked against a model."""
    if isinstance(corpus, PreparedCorpus):
        check_prepared_alone(transcripts)
        return corpus
    return prepare(corpus, transcripts, model=model, listen=False, engine=engine)


def silence_pdfs(models: PhoneModels, silence: SilenceModel) -> NDArray[np.int32]:
    """Return the numbers of the pdfs of silence and short pauses, in ascending order."""
    pdfs = [models.pdfs(unit) for unit in silence.units]
    return np.unique(np.concatenate([*pdfs, np.array([], np.int32)])).astype(np.int32)
