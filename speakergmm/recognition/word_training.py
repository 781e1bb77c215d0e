"""Training of models of whole words on recordings of one word each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from speakergmm.corpora import AnyPath, CorpusLike, as_corpus
from speakergmm.corpora.names import escaped_name
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureConfig, FeatureNormalisation
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.training.phone_training_state import TrainingState
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.ranges import number, whole_number, wrong_type
from speakergmm.recognition.acoustic_model import AcousticModel
from speakergmm.recognition.acoustic_training import FlatStart, TrainingOptions, TrainingRun
from speakergmm.recognition.transcript_graphs import SilenceModel
from speakergmm.recognition.word_lists import as_single_words
from speakergmm.run_context import OnSkip


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
    max_iter : int, default=14
    algorithm : {"baum-welch", "viterbi"}
    variance_floor, min_frames_per_gaussian, min_occupancy : float
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
    max_iter: int = 14
    algorithm: Literal["baum-welch", "viterbi"] = "baum-welch"
    variance_floor: float = 0.01
    min_frames_per_gaussian: float = 5.0
    min_occupancy: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what lies out of range."""
        object.__setattr__(self, "frequency_warps", tuple(map(float, self.frequency_warps)))
        whole_number("n_states", self.n_states)
        whole_number("seed", self.seed, least=0)
        whole_number("silence_states", self.silence_states, least=0)
        number("n_gaussians", self.n_gaussians, least=1)
        if not self.frequency_warps:
            raise InvalidInputError("frequency_warps is empty; (1.0,) leaves recordings alone")

    def schedule(self, n_pdfs: int) -> TrainingSchedule:
        """Return the schedule for models with so many states."""
        return TrainingSchedule(
            algorithm=self.algorithm,
            max_iter=self.max_iter,
            grow_until=max(0, self.max_iter * 2 // 3),
            n_gaussians=round(self.n_gaussians * n_pdfs),
            variance_floor=self.variance_floor,
            min_frames_per_gaussian=self.min_frames_per_gaussian,
            min_occupancy=self.min_occupancy,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the model itself does not hold, as JSON can hold it."""
        names = ("n_states", "silence_states", "n_gaussians", "seed")
        facts = {name: getattr(self, name) for name in names}
        return facts | {"frequency_warps": list(self.frequency_warps)}


def train_word_models(
    corpus: CorpusLike,
    words: Mapping[str, str | Sequence[str]],
    options: WordTrainingOptions | None = None,
    *,
    lexicon: Lexicon | None = None,
    silence: str = "SIL",
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    callback: Callable[[TrainingState], None] | None = None,
    checkpoint: AnyPath | None = None,
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
    n_jobs, strict, on_skip, callback, checkpoint, progress
        As `AcousticModel.train` has them.

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
        raise wrong_type(options, "WordTrainingOptions(...)")
    lexicon = _lexicon_of({called[u.id] for u in corpus if u.id in called}, lexicon, silence)
    pauses = SilenceModel(
        silence if options.silence_states else None,
        probability=0.0,
        edge_probability=options.silence_probability,
    )
    start = FlatStart(
        corpus,
        {name: (word,) for name, word in called.items()},
        lexicon,
        None,
        {u.id: f"nothing says what word {u.id!r} is" for u in corpus if u.id not in called},
        TrainingOptions(
            features=options.features,
            normalisation=options.normalisation,
            silence=pauses,
            silence_states=max(options.silence_states, 1),
            topologies=dict.fromkeys(lexicon.phones, Topology.left_right(options.n_states)),
            seed=options.seed,
        ),
        TrainingRun(n_jobs, strict, on_skip, callback, checkpoint, progress),
    )
    warps = options.frequency_warps
    parts = start.train(options.to_dict(), schedule_of=options.schedule, frequency_warps=warps)
    return AcousticModel(**parts, unit_kind="word")


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
    return lexicon.restricted(words)
