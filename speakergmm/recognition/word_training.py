"""Training of models of whole words on recordings of one word each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.given import Recordings, as_corpus
from speakergmm.corpora.names import escaped_name
from speakergmm.errors import InsufficientDataError, InvalidInputError, InvalidTypeError
from speakergmm.features import FeatureConfig
from speakergmm.features.recordings import (
    OnSkip,
    SkippedRecording,
    as_config,
    warn_of_skip,
)
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.models.utterance_graph import compile_transcript
from speakergmm.hmm.training.phone_training import train_embedded
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.state import TrainingState
from speakergmm.provenance import software_versions, utc_now
from speakergmm.recognition.acoustic_model import AcousticModel, SilenceModel
from speakergmm.recognition.confidence_fitting import fit_confidence
from speakergmm.recognition.features import FeatureArchive, FeatureNormalisation
from speakergmm.recognition.flat_start import flat_models
from speakergmm.recognition.word_lists import as_single_words


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTrainingOptions:
    """What models of words are to be.

    Parameters
    ----------
    features : FeatureConfig, str or path, default="hmm"
        A configuration, the name of a preset, or a TOML or JSON file.
    normalisation : FeatureNormalisation
        Over each recording, mean and variance, by default: it asks nothing about speakers.
    n_states : int, default=12
        States of a unit, left to right.
    silence_states : int, default=5
        States of the silence before and after the word; 0 for none.
    silence_probability : float, default=0.5
        Of either silence.
    n_gaussians : float, default=2.5
        Gaussians for each state, on average; they go where the frames are.
    frequency_warps : sequence of float, default=(1.0,)
        Each recording is trained on once with its frequencies stretched by each of these factors,
        such as 0.9, 1 and 1.1: as if speakers with longer and shorter vocal tracts had said it.
    n_iterations : int, default=14
    algorithm : {"baum-welch", "viterbi"}
    variance_floor, min_count, min_occupancy : float
        See `TrainingSchedule`.
    seed : int, default=0
    """

    features: FeatureConfig | str | os.PathLike[str] = "hmm"
    normalisation: FeatureNormalisation = field(
        default_factory=lambda: FeatureNormalisation("utterance")
    )
    n_states: int = 12
    silence_states: int = 5
    silence_probability: float = 0.5
    n_gaussians: float = 2.5
    frequency_warps: Sequence[float] = (1.0,)
    n_iterations: int = 14
    algorithm: Literal["baum-welch", "viterbi"] = "baum-welch"
    variance_floor: float = 0.01
    min_count: float = 5.0
    min_occupancy: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what lies out of range."""
        object.__setattr__(self, "frequency_warps", tuple(map(float, self.frequency_warps)))
        if self.n_states < 1 or self.silence_states < 0 or not self.n_gaussians >= 1:
            raise InvalidInputError(
                "n_states and n_gaussians must be at least 1 and silence_states at least 0, found "
                f"{self.n_states}, {self.n_gaussians} and {self.silence_states}"
            )
        if not self.frequency_warps:
            raise InvalidInputError("frequency_warps is empty; (1.0,) leaves recordings alone")

    def schedule(self, n_pdfs: int) -> TrainingSchedule:
        """Return the schedule for models with so many states."""
        return TrainingSchedule(
            algorithm=self.algorithm,
            n_iterations=self.n_iterations,
            grow_until=max(0, self.n_iterations * 2 // 3),
            n_gaussians=round(self.n_gaussians * n_pdfs),
            variance_floor=self.variance_floor,
            min_count=self.min_count,
            min_occupancy=self.min_occupancy,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the model itself does not hold, as JSON can hold it."""
        return {
            "n_states": self.n_states,
            "silence_states": self.silence_states,
            "n_gaussians": self.n_gaussians,
            "frequency_warps": list(self.frequency_warps),
            "seed": self.seed,
        }


def train_word_models(
    corpus: Recordings,
    words: Mapping[str, str | Sequence[str]],
    options: WordTrainingOptions | None = None,
    *,
    lexicon: Lexicon | None = None,
    silence: str = "SIL",
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    callback: Callable[[TrainingState], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> AcousticModel:
    """Train a model for each word on recordings of one word each, from a flat start.

    Parameters
    ----------
    corpus : Corpus or path
        Recordings, or where they lie.
    words : mapping of str to str, or to sequence of one str
        What word each is, by the id of the utterance.
    options : WordTrainingOptions, optional
    lexicon : Lexicon, optional
        Pronunciations, for models of phones in place of words; `n_states` is then a phone's.
    silence : str, default="SIL"
        Name of the model of silence.
    n_jobs : int, default=1
        Processes that extract features and threads that train; changes nothing but the time.
    strict : bool, default=False
        Raise an error because of the first recording that can't be used, instead of going on.
    on_skip : callable, optional
        Called with each `SkippedRecording`; by default a warning is issued.
    callback : callable, optional
        Called with the `TrainingState` after each iteration.
    checkpoint : path, optional
        See `speakergmm.hmm.training.phone_training.train_embedded`.
    progress : bool, default=False
        Show a progress bar on a terminal while features are extracted.

    Returns
    -------
    AcousticModel
        Whose units are the words, with the lexicon to match; `WordRecogniser` and
        ``speakergmm decode --isolated`` take it.

    Raises
    ------
    InsufficientDataError
        If no recording can be used.
    InvalidInputError
        If a word has the name of silence or has no pronunciation.
    """
    called = {name: escaped_name(word) for name, word in as_single_words(words).items()}
    corpus = as_corpus(corpus)
    options = options or WordTrainingOptions()
    if not isinstance(options, WordTrainingOptions):
        raise InvalidTypeError(
            f"got {type(options).__name__} where WordTrainingOptions(...) is wanted"
        )
    skipped: list[SkippedRecording] = []

    def skip(found: SkippedRecording) -> None:
        if strict:
            raise InsufficientDataError(found.message)
        if found not in skipped:  # once, however many warps there are
            skipped.append(found)
            (on_skip or warn_of_skip)(found)

    usable = [utterance for utterance in corpus if utterance.id in called]
    for utterance in corpus:
        if utterance.id not in called:
            message = f"{utterance.path}: nothing says what word {utterance.id!r} is"
            skip(SkippedRecording(utterance.path, message, (utterance.id,)))
    lexicon = _lexicon_of({called[u.id] for u in usable}, lexicon, silence)
    config = as_config(options.features)
    with ExitStack() as stack:
        archives = [
            stack.enter_context(
                FeatureArchive.of(
                    usable,
                    config.replace(frequency_warp=warp),
                    options.normalisation,
                    n_jobs=n_jobs,
                    strict=strict,
                    on_skip=skip,
                    description="features" if progress else None,
                )
            )
            for warp in options.frequency_warps
        ]
        frames = _Joined(archives)
        said = [called[u.id] for u in frames.utterances]
        pauses = SilenceModel(
            silence if options.silence_states else None,
            probability=0.0,
            edge_probability=options.silence_probability,
        )
        flat = _flat_models(frames, lexicon.restricted(set(said)), pauses, options)
        graph_of = {
            word: compile_transcript(
                [word],
                lexicon,
                flat,
                silence=pauses.unit,
                edge_silence_probability=pauses.edge_probability,
            )
            for word in sorted(set(said))
        }
        schedule = options.schedule(flat.n_pdfs)
        trained = train_embedded(
            flat,
            [graph_of[word] for word in said],
            frames,
            schedule=schedule,
            seed=options.seed,
            n_jobs=n_jobs,
            callback=callback,
            checkpoint=checkpoint,
        )
        for failure in trained.failed:
            utterance = frames.utterances[failure.place]
            message = f"{utterance.path}: utterance {utterance.id!r}: {failure.reason}"
            skip(SkippedRecording(utterance.path, message, (utterance.id,)))
        lost = {failure.place for failure in trained.failed}
        # Of those with some warp that was trained on.
        used = {u.id: u for place, u in enumerate(frames.utterances) if place not in lost}
        first = archives[0]
        provenance = {
            "trained": utc_now(),
            "versions": software_versions(),
            "corpus": corpus.source,
            "corpus_digest": corpus.digest,
            **options.to_dict(),
            "schedule": schedule.to_dict(),
            "n_utterances": len(used),
            "n_speakers": len({u.speaker for u in used.values() if u.speaker is not None}),
            "seconds": round(float(sum(grid.duration for grid in first.grids)), 3),
            "n_skipped": len(skipped),
            "skipped": [found.to_dict() for found in skipped[:1000]],
            "history": [
                {
                    "log_likelihood": None if np.isnan(h.log_likelihood) else h.log_likelihood,
                    "n_gaussians": h.n_gaussians,
                    "n_failed": h.n_failed,
                }
                for h in trained.history
            ],
        }
        model = AcousticModel(
            trained.models,
            lexicon.restricted(set(said)),
            config,
            options.normalisation,
            pauses,
            None,
            provenance,
        )
        # As the recordings are, or nearest to it.
        warps = np.abs(np.log(options.frequency_warps))
        confidence = fit_confidence(
            model,
            archives[int(warps.argmin())],
            {name: (word,) for name, word in called.items()},
            schedule=schedule,
            seed=options.seed,
            n_jobs=n_jobs,
        )
    return replace(model, confidence=confidence)


class _Joined(Sequence[NDArray[np.float32]]):
    """Features of several archives, one after the other; and whose they are."""

    def __init__(self, archives: Sequence[FeatureArchive]) -> None:
        self.utterances = tuple(u for archive in archives for u in archive.utterances)
        self.n_frames = sum(archive.n_frames for archive in archives)
        self.n_constant = sum(archive.n_constant for archive in archives)
        self._places = [(a, place) for a in archives for place in range(len(a))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: Any) -> Any:
        archive, within = self._places[place]
        return archive[within]


def _lexicon_of(words: set[str], lexicon: Lexicon | None, silence: str) -> Lexicon:
    """Pronounce each word as itself, unless pronunciations are given."""
    if not words:
        raise InsufficientDataError("there is no recording whose word is known")
    if lexicon is None:
        lexicon = Lexicon.from_dict({word: [(word,)] for word in sorted(words)})
    if silence in lexicon.phones:
        raise InvalidInputError(
            f"a word or phone is called {silence!r}, as the model of silence is; rename one"
        )
    missing = sorted(word for word in words if word not in lexicon)
    if missing:
        raise InvalidInputError(f"words without a pronunciation: {', '.join(missing[:10])}")
    return lexicon


def _flat_models(
    frames: _Joined, lexicon: Lexicon, pauses: SilenceModel, options: WordTrainingOptions
) -> PhoneModels:
    """Models to begin with: all states alike."""
    topologies = dict.fromkeys(sorted(lexicon.phones), Topology.left_right(options.n_states))
    if pauses.unit is not None:
        n_silent = options.silence_states
        topologies[pauses.unit] = (
            Topology.silence(n_silent) if n_silent > 2 else Topology.left_right(n_silent)
        )
    return flat_models(
        frames,
        topologies,
        as_config(options.features),
        silences=[] if pauses.unit is None else [pauses.unit],
    )
