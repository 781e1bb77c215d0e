"""Checks of a transcribed corpus: its pairs, its recordings, and the length of its transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from speakergmm.corpora import Problem
from speakergmm.corpora.validation import Severity
from speakergmm.recognition.loudness import RecordingMeasurement
from speakergmm.recognition.text_problems import Texts
from speakergmm.recognition.text_words import shortest_frames
from speakergmm.recognition.usage_requirements import Requirements


def unpaired_texts(texts: Texts) -> Iterator[Problem]:
    """Find recordings without a transcript, and transcripts without a recording or words."""
    corpus, said = texts.corpus, texts.said
    faulty = {fault.utterance for fault in said.faults}
    known = {u.id for u in corpus} | {fault.utterance for fault in corpus.faults}
    for utterance in corpus:
        if utterance.id not in said and utterance.id not in faulty:
            message = f"it has no transcript (in {said.source}); add the words spoken in it"
            yield Problem("error", "no_text", utterance.path, utterance.id, message)
    for name, transcript in said.items():
        if name not in known:
            message = f"there is no recording of utterance {name!r}"
            yield texts.at_line("warning", "no_audio", name, message)
        if not transcript.words:
            message = f"utterance {name!r} has an empty transcript; add the words spoken in it"
            yield texts.at_line("error", "empty_text", name, message)


def recording_problems(
    texts: Texts,
    measured: Mapping[str, RecordingMeasurement],
    needs: Requirements,
    wanted: int | None,
) -> Iterator[Problem]:
    """Find recordings that cannot be read, have the wrong rate, or contain no speech."""
    for utterance in texts.corpus:
        for severity, kind, message in _problems_of(measured[utterance.id], needs, wanted):
            message = message.removeprefix(f"{utterance.path}: ")
            yield Problem(severity, kind, utterance.path, utterance.id, message)


def _problems_of(
    found: RecordingMeasurement, needs: Requirements, wanted: int | None
) -> Iterator[tuple[Severity, str, str]]:
    if found.refusal is not None:
        yield "error", "unreadable", found.refusal
        return
    rate = f"its rate is {found.sample_rate} Hz"
    if wanted is not None and found.sample_rate != wanted:
        yield "error", "wrong_rate", f"{rate}; {wanted} Hz is asked for"
    elif wanted is None and found.sample_rate < needs.least_rate:
        least = f"the features need at least {needs.least_rate} Hz"
        if needs.units is not None:
            # A model that exists can be used on it all the same; it must not be trained on it.
            above = f"it is upsampled, and contains nothing above {found.sample_rate / 2:g} Hz"
            yield "warning", "wrong_rate", f"{rate}; {least}: {above}"
        else:
            remedy = f"give features with sample_rate={found.sample_rate}"
            yield "error", "wrong_rate", f"{rate}; {least}: {remedy} (--rate {found.sample_rate})"
    if found.has_speech is False:
        quiet = "it is silent, or too quiet to tell speech from background"
        yield "error", "no_speech", f"no speech found in {found.seconds:.2f} s: {quiet}"


def too_long_texts(
    texts: Texts, measured: Mapping[str, RecordingMeasurement], needs: Requirements
) -> Iterator[Problem]:
    """Find transcripts that take more frames than their recordings have."""
    for name, said in texts.used.items():
        found = measured[name]
        if found.refusal is not None or not said.words:
            continue
        pauses = needs.silence_frames + needs.pause_frames * (len(said) - 1)
        needed = pauses + shortest_frames(
            said.words, texts.lexicon, frames_of=needs.frames_of, unknown=texts.unknown
        )
        if needed > found.n_frames:
            message = (
                f"utterance {name!r} has {len(said)} words, which take at least {needed} frames; "
                f"its recording has {found.n_frames} ({found.seconds:.2f} s): check whether the "
                "transcript is the right one"
            )
            yield texts.at_line("error", "too_short_for_text", name, message)
