"""Commands on a speaker store: ``enroll``, ``verify``, ``identify``, ``speakers``, ``remove``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from speakergmm import speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.answers import (
    answer_lines,
    leave,
    note_of_calibration,
    note_of_shipped,
    promise_lines,
)
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.printing import Table, counted, print_note, print_warnings
from speakergmm.errors import (
    AudioError,
    CannotPromiseError,
    InsufficientDataError,
    UnlikeCalibrationError,
)
from speakergmm.run_context import RunContext
from speakergmm.speakers import BackendName, IdentificationOptions, VerificationOptions

# A recording that is refused for itself; with --each, others are not.
_REFUSALS = (AudioError, InsufficientDataError, UnlikeCalibrationError)


@command
class Enroll(EngineCommand, AnsweringCommand):
    """Enrol a speaker from recordings, or add recordings to an enrolled speaker.

    A new store keeps the model of --ubm, by default the one that ships with speakergmm. With an
    existing store, --ubm is optional and must be its background model.

    Examples:

      speakergmm enroll voices.db alice a1.wav a2.wav

      speakergmm enroll voices.db alice a1.wav a2.wav --ubm ubm.safetensors

      speakergmm enroll voices.db alice recordings/alice/*.wav --jobs 2
    """

    store: options.StoreArgument
    speaker: options.SpeakerArgument
    wavs: list[Path] = argument("One or more recordings of the speaker.")
    ubm: options.OptionalUbm = None
    feature_store: options.FeatureStoreOption = None
    relevance_factor: float | None = option(
        None,
        "Relevance factor of a new store, in frames (default: 3): a component with this many "
        "frames of speech moves half-way from the background model to the speaker.",
        "--relevance",
    )
    backend: BackendName | None = option(
        None, "Back-end of a new store of a background model (default: gmm-ubm)."
    )

    def run(self) -> None:
        """Add the recordings to the store, which is created if necessary."""
        new_store = not os.path.lexists(self.store)
        shipped = speakers.shipped_system() if new_store and self.ubm is None else None
        report = speakers.enroll_into(
            self.store,
            self.speaker,
            self.wavs,
            background=self.ubm or shipped,
            relevance_factor=self.relevance_factor,
            backend=self.backend,
            feature_store=self.feature_store,
            engine=self.engine,
            run=RunContext(progress=not self.json),
        )
        print_warnings(report.warnings)
        if shipped is not None:
            note_of_shipped(shipped)
        elif self.ubm and new_store and speakers.as_system(self.ubm).calibration is None:
            print_note(
                "note: a new store was created; its answers are scores until it is calibrated on "
                "trials like your own (speakergmm calibrate)"
            )
        self.answer(
            report.to_dict(),
            f"{report.speaker}: added {counted(len(self.wavs), 'recording')}, "
            f"{report.added_seconds:.1f} s of speech; {report.total_seconds:.1f} s in "
            f"{counted(report.n_sessions, 'recording')} in all",
        )


@command
class Verify(AnsweringCommand):
    """Verify that a recording is of a speaker.

    A calibrated store answers with the log-likelihood ratio of the claim, and with a decision if
    one of --target-far, --prior and --threshold is given: the exit code is then 0 for yes and 1
    for no. A store that is not calibrated has scores only (average log-likelihood ratios per frame,
    speaker against background), which --threshold can decide. Several recordings are taken as one,
    unless --each.

    Examples:

      speakergmm verify voices.db alice unknown.wav

      speakergmm verify voices.db alice unknown.wav --target-far 0.01

      speakergmm verify voices.db alice door1.wav door2.wav --each --prior 0.5 --json
    """

    store: options.StoreArgument
    speaker: options.SpeakerArgument
    wavs: list[Path] = argument("One or more recordings to verify.")
    each: bool = option(
        False, "Answer for each recording; the exit code is 0 if all are yes, 2 if one is refused."
    )
    verification: VerificationOptions = options_of(
        VerificationOptions,
        *("target_far", "prior", "c_miss", "c_fa", "threshold", "force", "top_c"),
    )
    feature_store: options.FeatureStoreOption = None

    def run(self) -> None:
        """Score the recordings, and decide if a decision is asked for."""
        groups = [[wav] for wav in self.wavs] if self.each else [self.wavs]
        documents: list[dict[str, Any]] = []
        lines: list[str] = []
        results: list[speakers.VerificationScore] = []
        with speakers.SpeakerStore.open(self.store) as store:
            for group in groups:
                named: dict[str, Any] = {"recordings": [str(wav) for wav in group]}
                try:
                    result = store.verify(
                        self.speaker, group, self.verification, feature_store=self.feature_store
                    )
                except _REFUSALS as refusal:
                    # What the calibration cannot promise, it can promise for no recording.
                    if not self.each or isinstance(refusal, CannotPromiseError):
                        raise
                    # As grep does, go on with the others.
                    print_note(f"speakergmm: {refusal}")
                    documents.append({**named, "refused": str(refusal)})
                    continue
                results.append(result)
                documents.append({**named, **result.to_dict()})
                before = f"{group[0]}: " if self.each else ""
                said = answer_lines(result.answer, result.speech_seconds, with_rates=not self.each)
                lines += [f"{before}{text}" for text in said]
            note_of_calibration(store.system)
        promise = results[0].answer.promise if self.each and results else None
        if promise is not None:  # that of all of them
            lines += promise_lines(promise)
        self.answer(documents if self.each else documents[0], *lines)
        leave([result.decision for result in results], n_refused=len(groups) - len(results))


@command
class Identify(AnsweringCommand):
    """Identify the speaker of recordings: rank the speakers of a store by their scores.

    A calibrated store decides by --target-far or --prior whether the best speaker talks, or nobody
    who is enrolled ("unknown"): the exit code is then 0 or 1. The scores are those of verify.

    Examples:

      speakergmm identify voices.db unknown.wav --top 3

      speakergmm identify voices.db part1.wav part2.wav --target-far 0.01
    """

    store: options.StoreArgument
    wavs: list[Path] = argument("One or more recordings of one unknown speaker.")
    identification: IdentificationOptions = options_of(
        IdentificationOptions,
        *("top", "target_far", "prior", "c_miss", "c_fa", "threshold", "force"),
        *("top_c", "shortlist"),
    )
    feature_store: options.FeatureStoreOption = None

    def run(self) -> None:
        """Score the recordings against all speakers, and decide if a decision is asked for."""
        with speakers.SpeakerStore.open(self.store) as store:
            result = store.identify(
                self.wavs, self.identification, feature_store=self.feature_store
            )
            note_of_calibration(store.system)
        answers = result.answers
        calibrated = answers[0].llr is not None
        table = Table(
            f"{result.speech_seconds:.2f} s of speech against "
            f"{counted(result.n_speakers, 'speaker')}",
            ("rank", "speaker", "score", *(["LLR"] if calibrated else [])),
            [
                (
                    str(rank),
                    name,
                    f"{score:+.4f}",
                    *([f"{answer.llr:+.2f}"] if answer.llr is not None else []),
                )
                for rank, ((name, score), answer) in enumerate(
                    zip(result.ranking, answers, strict=True), start=1
                )
            ],
            right=(0, 2, 3) if calibrated else (0, 2),
        )
        lines = []
        if answers[0].accepted is not None:
            lines = answer_lines(answers[0], result.speech_seconds)
            if answers[0].promise is not None and result.n_speakers > 1:
                lines.append(
                    f"false accepts are those of each speaker: a stranger is taken for any of the "
                    f"{result.n_speakers:,} up to {result.n_speakers:,} times as often"
                )
            lines.append(f"answer: {result.speaker or 'unknown'}")
        self.answer(result.to_dict(), table, *lines)
        leave([answers[0].accepted])


@command
class Speakers(AnsweringCommand):
    """List the speakers of a store, sorted by name.

    Examples:

      speakergmm speakers voices.db --json

      speakergmm speakers voices.db --limit 100 --after "zoe"
    """

    store: options.StoreArgument
    limit: int | None = option(
        None, "Largest number of speakers that are listed (default: all).", min=1
    )
    after: str | None = option(
        None, "List the speakers after this name: the last one of the page before."
    )

    def run(self) -> None:
        """Print a table with a row for each speaker."""
        with speakers.SpeakerStore.open(self.store) as store:
            enrolled = store.speakers(limit=self.limit, after=self.after)
            n_speakers = store.n_speakers
        some = "" if len(enrolled) == n_speakers else f"{len(enrolled):,} of "
        table = Table(
            f"{some}{counted(n_speakers, 'speaker')} in {self.store}",
            ("speaker", "recordings", "seconds of speech", "last enrolled"),
            [
                (e.name, str(e.n_sessions), f"{e.speech_seconds:.1f}", e.last_enrolled[:10])
                for e in enrolled
            ],
            right=(1, 2),
        )
        self.answer([entry.to_dict() for entry in enrolled], table)


@command
class Remove(AnsweringCommand):
    """Erase a speaker and all of the speaker's data from a store; this cannot be undone.

    Example:

      speakergmm remove voices.db alice
    """

    store: options.StoreArgument
    speaker: options.SpeakerArgument

    def run(self) -> None:
        """Erase the speaker."""
        with speakers.SpeakerStore.open(self.store) as store:
            store.remove(self.speaker)
        self.answer({"removed": self.speaker}, f"{self.speaker}: erased from {self.store}")
