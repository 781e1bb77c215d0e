"""Text-dependent verification: trials whose words are known, by adapted phone or word models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, Protocol, Split
from speakergmm.corpora.names import first_few, quoted
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import (
    CorpusError,
    IncompatibleModelError,
    InvalidInputError,
    SpeakerGmmError,
)
from speakergmm.hmm import MapOptions
from speakergmm.metrics import Scores
from speakergmm.options import Options, nested, text, yes_no
from speakergmm.recognition import AcousticModel, FeatureArchive, as_model, silence_pdfs
from speakergmm.run_context import OnSkip, RunContext, SkippedRecording, Skips, warn_of_skip
from speakergmm.speakers.cohort_scores import check_cohort
from speakergmm.speakers.extraction import whole_recordings
from speakergmm.speakers.phrase_likelihoods import (
    EnrolAndScore,
    EnrolledAndClaimed,
    Phrases,
    Unadapted,
    UnadaptedTask,
)
from speakergmm.speakers.system_calibration import calibrated_scores, check_ratios
from speakergmm.speakers.trial_scoring import TrialTable
from speakergmm.speakers.verification_experiment import as_protocol, lost_model
from speakergmm.words import split_words

Item = TypeVar("Item")
Result = TypeVar("Result")
_COLUMN = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseScoringOptions(Options):
    """Options of a text-dependent verification experiment.

    Parameters
    ----------
    split : str, default="eval"
        The part of the protocol that is scored: ``"dev"`` or ``"eval"``.
    adaptation : MapOptions
        Adaptation of the acoustic model to the recordings of each model of the protocol.
    llr : bool, default=False
        Log-likelihood ratios, calibrated on the dev lists, in place of scores.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or dev scores are to be calibrated on themselves.
    """

    split: str = text("eval", "Part of the protocol that is scored: dev or eval.")
    adaptation: MapOptions = nested(MapOptions, "Adaptation to the recordings of each model.")
    llr: bool = yes_no(False, "Log-likelihood ratios, calibrated on the dev lists, not scores.")

    def __post_init__(self) -> None:
        """Check the options, and that they do not contradict one another."""
        self.check_fields()
        check_ratios(self.split, self.llr)


def score_phrases(
    protocol: Protocol | AnyPath,
    model: AcousticModel | AnyPath,
    options: PhraseScoringOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> Scores:
    """Score the trials of a protocol whose words are known, by an acoustic model.

    The acoustic model is adapted by MAP to the recordings of each model of the protocol. The score
    of a trial is the log-likelihood of the recording and its words under the adapted model minus
    that under the acoustic model itself, both summed over all paths, per frame of speech.

    Parameters
    ----------
    protocol : Protocol or path
        Its lists of enrolment and of trials have a column ``text``, with the words of each
        recording. Enrolment and test need not share a word, if the models are of phones.
    model : AcousticModel or path
        Models of phones or of whole words, trained on other speakers, whose features are not
        normalised by speaker.
    options : PhraseScoringOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Where the work is done: processes that extract features, and threads. It changes nothing but
        the time.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used as by `run_protocol`.
    **changes
        Fields of `PhraseScoringOptions` and of the options in it, such as ``relevance_factor``, in
        place of those of `options`.

    Returns
    -------
    Scores
        In the order of the trial list, without the trials that cannot be scored, in nats per frame
        of speech; further columns of the list, the text among them, are its conditions. With
        ``llr`` the scores are calibrated log-likelihood ratios.

    Raises
    ------
    CorpusError
        If the protocol has no such split, or a list has no text of a recording.
    InsufficientDataError
        If no model can be enrolled or no trial scored.
    InvalidInputError
        If an option is out of range, a word is not in the lexicon of the model, or the model was
        trained on a speaker of the trials.
    IncompatibleModelError
        If the features of the model are normalised by speaker.

    References
    ----------
    Tsuge and Ishihara, "Text-dependent forensic voice comparison: likelihood ratio estimation with
    the hidden Markov model (HMM) and Gaussian mixture model - universal background model
    (GMM-UBM) approaches", ALTA 2018, 17-25.
    """
    options = PhraseScoringOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    protocol, model = as_protocol(protocol), as_model(model)
    if model.normalisation.scope == "speaker":
        raise IncompatibleModelError(
            "the features of the acoustic model are normalised by speaker, and who speaks in a "
            "test is the question; train it with features normalised by utterance, or not at all"
        )
    names = [options.split, "dev"] if options.llr else [options.split]
    tried = (name for each in names for name in protocol.split(each).models)
    check_cohort(model.speakers, tried, what="training of the acoustic model")
    scores, *dev = (
        _Experiment(protocol, name, model, options.adaptation, engine, run).scores()
        for name in names
    )
    if not dev:
        return scores
    return calibrated_scores(scores, dev[0], protocol.split(options.split).models)


_Phrase = tuple[Path, tuple[str, ...]]
"""A recording and its words."""


class _Texts(NamedTuple):
    """The words of the recordings of a split: those of each trial, and of each model."""

    trials: Sequence[_Phrase]
    enrolled: Mapping[str, Sequence[_Phrase]]

    @classmethod
    def of(cls, split: Split, model: AcousticModel, where: str) -> _Texts:
        """Return the words that the lists state.

        Raises
        ------
        CorpusError
            If there are none of a recording.
        InvalidInputError
            If the acoustic model does not know a word.
        """
        if _COLUMN not in split.conditions:
            raise CorpusError(f"{where}: the list of trials has no column {_COLUMN!r}")
        for name in split.models:
            for path in split.enrolment[name]:
                if path not in split.texts:
                    raise CorpusError(
                        f"{where}: {quoted(path.as_posix())}, which enrols {quoted(name)}, has no "
                        f"{_COLUMN} in the list"
                    )
        said = {
            text: split_words(text) for text in (*split.texts.values(), *split.conditions[_COLUMN])
        }
        words = dict.fromkeys(word for each in said.values() for word in model.known_words(each))
        if unknown := sorted(word for word in words if word not in model.lexicon):
            raise InvalidInputError(
                f"{where}: words of the texts are not in the lexicon of the acoustic model: "
                f"{first_few(unknown)}"
            )
        rows = zip(split.trials, split.conditions[_COLUMN], strict=True)
        return cls(
            [(trial.path, said[text]) for trial, text in rows],
            {
                name: [(path, said[split.texts[path]]) for path in split.enrolment[name]]
                for name in split.models
            },
        )


@dataclass(frozen=True, slots=True)
class _Recordings:
    """The recordings that could be read."""

    model: AcousticModel
    frames: FeatureArchive
    places: Mapping[Path, int]

    @classmethod
    def of(cls, model: AcousticModel, frames: FeatureArchive) -> _Recordings:
        """Return the recordings of an archive."""
        return cls(model, frames, {u.path: place for place, u in enumerate(frames.utterances)})

    def known(self, phrases: Iterable[_Phrase]) -> list[_Phrase]:
        """Return those that could be read."""
        return [each for each in phrases if each[0] in self.places]

    def sent(self, phrases: Sequence[_Phrase]) -> Phrases:
        """Return recordings as they travel to workers."""
        frames = self.frames.select(self.places[path] for path, _ in phrases)
        return Phrases(self.model.texts([words for _, words in phrases]), frames)


@dataclass(frozen=True, slots=True)
class _Experiment:
    """Enrolment and scoring of one split."""

    protocol: Protocol
    name: str
    model: AcousticModel
    options: MapOptions
    engine: Engine
    run: RunContext

    def scores(self) -> Scores:
        """Return the scores of the trials that can be scored."""
        split, model = self.protocol.split(self.name), self.model
        said = _Texts.of(split, model, f"{self.protocol.source}: {self.name}")
        report = _with_affected(split, self.run.on_skip or warn_of_skip)
        skips = Skips(report, strict=self.run.strict)
        trials = TrialTable(split, split.models)
        recordings = whole_recordings(dict.fromkeys(split.paths()))
        archive = model.extract(
            recordings, engine=self.engine, run=replace(self.run, on_skip=skips)
        )
        with archive as frames:
            found = _Recordings.of(model, frames)
            unadapted = self._unadapted(found, said, skips)
            trials.scores[0] = self._ratios(split, found, said, unadapted, skips)
        return trials.listed(self.protocol.source, self.name)

    def _unadapted(
        self, found: _Recordings, said: _Texts, skips: Skips
    ) -> dict[_Phrase, Unadapted]:
        """Return what the model itself says of each test with its words, once for all claims."""
        tests = found.known(dict.fromkeys(said.trials))
        task = UnadaptedTask(self.model.models, self._silence)
        results = self._apply(task, [found.sent([each]) for each in tests], "Reading the tests")
        known = {}
        for (path, words), result in zip(tests, results, strict=True):
            if isinstance(result, SpeakerGmmError):
                skips(SkippedRecording(path, f"{path}: {result}"))
            else:
                known[path, words] = result
        return known

    def _ratios(
        self,
        split: Split,
        found: _Recordings,
        said: _Texts,
        unadapted: Mapping[_Phrase, Unadapted],
        skips: Skips,
    ) -> NDArray[np.float64]:
        """Return the score of each trial; NaN where there is none."""
        ratios = np.full(len(split.trials), np.nan)
        rows: dict[str, list[int]] = {name: [] for name in split.models}
        for row, (trial, phrase) in enumerate(zip(split.trials, said.trials, strict=True)):
            if phrase in unadapted:
                rows[trial.model].append(row)
        enrolled = {name: found.known(said.enrolled[name]) for name in split.models}
        usable = [name for name in split.models if enrolled[name]]

        def item(name: str) -> EnrolledAndClaimed:
            claims = [said.trials[row] for row in rows[name]]
            known = [unadapted[each] for each in claims]
            return EnrolledAndClaimed(found.sent(enrolled[name]), found.sent(claims), known)

        task = EnrolAndScore(self.model.models, self._silence, self.options)
        results = self._apply(task, map(item, usable), "Enrolling and scoring")
        made = dict(zip(usable, results, strict=True))
        for name in split.models:
            result = made.get(name)
            if result is None or isinstance(result, SpeakerGmmError):
                # Its recordings are reported one by one, and then the model with its trials.
                (self.run.on_skip or warn_of_skip)(lost_model(split, name))
                continue
            for failure in result.failed:
                path, _ = enrolled[name][failure.place]
                skips(SkippedRecording(path, f"{path}: {failure.reason}"))
            ratios[rows[name]] = result.scores
        return ratios

    @property
    def _silence(self) -> NDArray[np.int32]:
        return silence_pdfs(self.model.models, self.model.silence)

    def _apply(
        self, task: Callable[[Item], Result], items: Iterable[Item], description: str
    ) -> Iterator[Result]:
        """Apply a task to items: on threads, unless workers elsewhere are given."""
        apply = self.engine.map if self.engine.sends else self.engine.map_threads
        return apply(task, items, description=self.run.description(description))


def _with_affected(split: Split, report: OnSkip) -> OnSkip:
    """Return a report of recordings that adds the models and trials that they belong to."""
    affected: dict[Path, list[str]] = {}
    for name in split.models:
        for path in split.enrolment[name]:
            affected.setdefault(path, []).append(name)
    for trial in split.trials:
        affected.setdefault(trial.path, []).append(f"{trial.model} {trial.name}")

    def told(skipped: SkippedRecording) -> None:
        report(replace(skipped, affected=tuple(affected.get(skipped.path, ()))))

    return told
