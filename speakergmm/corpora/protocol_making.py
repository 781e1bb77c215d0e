"""Making of a protocol: the speakers and recordings of a corpus are divided into its lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.audio import probe
from speakergmm.corpora.corpus import Corpus, Utterance, relative_name
from speakergmm.corpora.corpus_columns import UNKNOWN_SEX, read_corpus_column, read_speaker_sexes
from speakergmm.corpora.corpus_inputs import CorpusLike, as_corpus
from speakergmm.corpora.names import first_few, quoted, shown
from speakergmm.corpora.patterns import NamePattern
from speakergmm.corpora.protocol import Protocol, Split, Trial
from speakergmm.corpora.split_options import SplitOptions
from speakergmm.errors import CorpusError, InvalidInputError

_SESSION_PARTS = ("session", "word")


def make_protocol(
    corpus: CorpusLike,
    options: SplitOptions | None = None,
    *,
    sexes: Mapping[str, str] | None = None,
    **changes: Any,
) -> Protocol:
    """Divide a corpus into a background, and dev and eval parts with enrolment and trials.

    No two parts share a speaker, and no recording is used for enrolment and test. Each part has its
    share of either sex, as far as sexes are known. Speakers with too few recordings for enrolment
    and a test are in the background. Trials are all recordings of a part that are left, against
    the models of their speakers and those of others.

    Parameters
    ----------
    corpus : Corpus, path, or recordings
        Whole recordings whose speakers are named.
    options : SplitOptions, optional
        Shares, numbers, sessions and seed.
    sexes : mapping of str to str, optional
        Sexes of speakers; by default those of a column ``sex`` or ``gender`` of the list or of
        a file ``spk2gender``. If any is known, trials have the conditions ``sex`` (of the model)
        and ``test_sex`` (of the speaker of the recording).
    **changes
        Single options by name, in place of those of `options`.

    Returns
    -------
    Protocol
        Its notes name speakers that are not used.

    Raises
    ------
    CorpusError
        If the corpus is too small, saying what is needed; if it names no speakers or holds parts of
        recordings, or a session is not stated.
    InvalidInputError
        If an option is out of range.

    Examples
    --------
    >>> listed = [Utterance(f"{s}{n}", f"{s}/{n}.wav", s) for s in "abcdef" for n in range(5)]
    >>> protocol = make_protocol(Corpus(tuple(listed), source="example"))
    >>> protocol.background.speakers, protocol.split("eval").models
    (('c', 'd'), ('a', 'b'))
    >>> len(protocol.split("eval").trials), protocol.split("eval").n_targets
    (8, 4)
    """
    options = SplitOptions.of(options, changes)
    corpus = as_corpus(corpus)
    if parts := [u for u in corpus if u.start or u.end is not None]:
        raise CorpusError(
            f"{shown(corpus.source)}: utterance {quoted(parts[0].id)} is a part of a recording; "
            "enrolment and trials are whole recordings, so cut the recordings first"
        )
    sexes = read_speaker_sexes(corpus) if sexes is None else dict(sexes)
    if options.same_sex and not sexes:
        raise CorpusError(
            f"{shown(corpus.source)} states no sex for same_sex; give its list a column 'sex', or "
            "write spk2gender into its folder"
        )
    divide = _Division(corpus, options)
    groups = _speaker_groups(corpus, options, sexes, divide)
    background = None
    if groups["background"]:
        kept = tuple(u for u in corpus if u.speaker in groups["background"])
        background = replace(corpus, utterances=kept)
    notes: list[str] = []
    splits = {
        name: _split(name, corpus, groups[name], divide, sexes, notes)
        for name in ("dev", "eval")
        if groups[name]
    }
    protocol = Protocol(background, splits, source=corpus.source, notes=tuple(notes))
    protocol.check_disjoint()
    return protocol


def _speaker_groups(
    corpus: Corpus, options: SplitOptions, sexes: Mapping[str, str], divide: _Division
) -> dict[str, list[str]]:
    """Return the speakers of background, dev and eval."""
    speakers = corpus.by_speaker()
    able = {name for name, utterances in speakers.items() if divide.is_possible(utterances)}
    least = {"dev": 2 if options.dev_share else 0, "eval": 2}
    least_background = 1 if options.background_share else 0
    n_short = len(speakers) - len(able)
    if len(able) < sum(least.values()) + max(0, least_background - n_short):
        parts = [f"{n} for {name}" for name, n in least.items() if n]
        parts += ["1, of any number of recordings, for the background"] * least_background
        raise CorpusError(
            f"{shown(corpus.source)}: {len(able)} of {len(speakers)} speakers have {divide.need}; "
            f"needed are {', '.join(parts)}"
        )
    # The speakers in an order of which every stretch has its share of either sex.
    rng = np.random.default_rng((options.seed, 0))
    places: dict[str, tuple[float, float]] = {}
    for sex in sorted({sexes.get(name, UNKNOWN_SEX) for name in speakers}):
        same = [name for name in speakers if sexes.get(name, UNKNOWN_SEX) == sex]
        for place, index in enumerate(rng.permutation(len(same)).tolist()):
            places[same[index]] = ((place + 0.5) / len(same), len(same))
    order = sorted(able, key=lambda name: (*places[name], name))
    n_background = max(round(options.background_share * len(speakers)), least_background)
    n_taken = min(max(0, n_background - n_short), len(able) - sum(least.values()))
    left = order[n_taken:]
    share = options.dev_share / (1 - options.background_share)
    n_dev = min(max(round(share * len(left)), least["dev"]), len(left) - least["eval"])
    background = sorted({*speakers} - able) + order[:n_taken]
    return {
        "background": background if options.background_share else [],
        "dev": sorted(left[:n_dev]),
        "eval": sorted(left[n_dev:]),
    }


class _Division:
    """Division of the recordings of speakers into enrolment and test.

    What a session or word is used for is the same for all speakers of the protocol, so that no
    model is tried on a session or word with which any is enrolled.

    Attributes
    ----------
    options : SplitOptions
        The numbers.
    need : str
        What a speaker of dev or eval needs, for messages.
    """

    def __init__(self, corpus: Corpus, options: SplitOptions) -> None:
        self.options = options
        self._durations: dict[str, float] = {}
        self._session_of = _sessions(corpus, options)
        self._for_enrolment: dict[str, bool] = {}
        self._rng = np.random.default_rng((options.seed, 1))
        recordings = f"{options.n_enrolment} recordings"
        if options.enrolment_seconds is not None:
            recordings = f"{options.enrolment_seconds:g} s of recordings"
        others = "further ones for tests"
        if options.session_pattern or options.session_column:
            others += " in other sessions"
        self.need = f"{recordings} for enrolment and {others}"

    def is_possible(self, utterances: Sequence[Utterance]) -> bool:
        """Return whether the recordings of a speaker suffice, if sessions are still free."""
        rng = np.random.default_rng(0)
        return self._divided(utterances, {}, rng) is not None

    def __call__(
        self, utterances: Sequence[Utterance]
    ) -> tuple[list[Utterance], list[Utterance]] | None:
        """Return the enrolment and test recordings of a speaker; None if one of them is empty."""
        return self._divided(utterances, self._for_enrolment, self._rng)

    def _divided(
        self, utterances: Sequence[Utterance], known: dict[str, bool], rng: np.random.Generator
    ) -> tuple[list[Utterance], list[Utterance]] | None:
        sessions: dict[str, list[Utterance]] = {}
        for index in rng.permutation(len(utterances)).tolist():
            sessions.setdefault(self._session_of[utterances[index].id], []).append(
                utterances[index]
            )
        free = [name for name in sessions if name not in known]
        chosen = [name for name in sessions if known.get(name)]
        has_test = any(known.get(name) is False for name in sessions)
        enrolment = self._sufficient(u for name in chosen for u in sessions[name])
        while enrolment is None and len(free) > (not has_test):
            chosen.append(free.pop(0))
            enrolment = self._sufficient(u for name in chosen for u in sessions[name])
        if enrolment is None or not (has_test or free):
            return None
        known.update(dict.fromkeys(chosen, True) | dict.fromkeys(free, False))
        tests = [u for name in sessions if not known[name] for u in sessions[name]]
        return enrolment, tests[: self.options.n_tests]

    def _sufficient(self, utterances: Iterable[Utterance]) -> list[Utterance] | None:
        """Return the first recordings that suffice for enrolment; None if all do not."""
        taken, seconds = [], 0.0
        least = self.options.enrolment_seconds
        for utterance in utterances:
            taken.append(utterance)
            if least is None and len(taken) == self.options.n_enrolment:
                return taken
            if least is not None:
                seconds += self._duration(utterance)
                if seconds >= least:
                    return taken
        return None

    def _duration(self, utterance: Utterance) -> float:
        if utterance.id not in self._durations:
            self._durations[utterance.id] = probe(utterance.path).duration
        return self._durations[utterance.id]


def _sessions(corpus: Corpus, options: SplitOptions) -> Mapping[str, str]:
    """Return the session or word of each utterance by id; without any, each is one of its own."""
    if options.session_column is not None:
        found = read_corpus_column(corpus, options.session_column)
        if missing := [u for u in corpus if not found.get(u.id)]:
            raise CorpusError(
                f"{shown(corpus.source)}: utterance {quoted(missing[0].id)} has no "
                f"{quoted(options.session_column)}"
            )
        return found
    if options.session_pattern is None:
        return {utterance.id: utterance.id for utterance in corpus}
    try:
        pattern = NamePattern(options.session_pattern)
        parts = [name for name in _SESSION_PARTS if name in pattern.names]
    except InvalidInputError:  # of a speaker alone
        parts = []
    if len(parts) != 1:
        raise InvalidInputError(
            "session_pattern must have {speaker} and one part {session} or {word}, as in "
            f"'{{speaker}}_{{session}}_*.wav'; found {quoted(options.session_pattern)}"
        )
    return {utterance.id: pattern.part(parts[0], utterance, corpus) for utterance in corpus}


def _split(
    name: str,
    corpus: Corpus,
    speakers: Sequence[str],
    divide: _Division,
    sexes: Mapping[str, str],
    notes: list[str],
) -> Split:
    """Return a part with the models, tests and trials of some speakers."""
    by_speaker = corpus.by_speaker()
    enrolment: dict[str, tuple[Path, ...]] = {}
    tests: list[tuple[str, Utterance]] = []
    for speaker in speakers:
        divided = divide(by_speaker[speaker])
        if divided is not None:
            place = {u.id: index for index, u in enumerate(by_speaker[speaker])}
            enrolled, tested = (sorted(part, key=lambda u: place[u.id]) for part in divided)
            enrolment[speaker] = tuple(utterance.path for utterance in enrolled)
            tests += [(speaker, utterance) for utterance in tested]
    if unused := [speaker for speaker in speakers if speaker not in enrolment]:
        notes.append(
            f"{shown(corpus.source)}: not used in {name}, without {divide.need} that suit the "
            f"sessions of the others: {first_few(unused)}"
        )
    trials, conditions = _trials(corpus, enrolment, tests, divide.options, sexes)
    labels = {trial.label for trial in trials}
    if len(labels) < 2:
        kind = "two speakers of one sex" if divide.options.same_sex else "two speakers"
        raise CorpusError(
            f"{shown(corpus.source)}: {name} has no nontarget trials; it needs {kind} with "
            f"{divide.need}, and has {len(enrolment)} of {len(speakers)} with them"
        )
    return Split(enrolment, tuple(trials), conditions)


def _trials(
    corpus: Corpus,
    enrolment: Mapping[str, Sequence[Path]],
    tests: Sequence[tuple[str, Utterance]],
    options: SplitOptions,
    sexes: Mapping[str, str],
) -> tuple[list[Trial], dict[str, list[str]]]:
    """Return the trials, by recording, and their conditions."""
    rng = np.random.default_rng((options.seed, 2))
    sex_of = {name: sexes.get(name, UNKNOWN_SEX) for name in enrolment}
    tried: dict[str, set[int]] = {}
    for model in enrolment:
        others = [
            place
            for place, (speaker, _) in enumerate(tests)
            if speaker != model and not (options.same_sex and sex_of[speaker] != sex_of[model])
        ]
        if options.n_nontarget is not None and options.n_nontarget < len(others):
            others = rng.choice(others, options.n_nontarget, replace=False).tolist()
        tried[model] = set(others)
    trials: list[Trial] = []
    conditions: dict[str, list[str]] = {"sex": [], "test_sex": []} if sexes else {}
    for place, (speaker, utterance) in enumerate(tests):
        listed = relative_name(utterance.path, corpus.root)
        for model in enrolment:
            if model != speaker and place not in tried[model]:
                continue
            label = "target" if model == speaker else "nontarget"
            trials.append(Trial(model, utterance.path, label, listed))
            if conditions:
                conditions["sex"].append(sex_of[model])
                conditions["test_sex"].append(sex_of[speaker])
    return trials, conditions
