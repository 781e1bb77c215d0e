"""Commands on a speaker store: ``enroll``, ``verify``, ``identify``, ``speakers``, ``remove``."""

from __future__ import annotations

import os
from pathlib import Path

from speakergmm import speakers
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.printing import Table, counted, print_note, print_warnings
from speakergmm.errors import StoreError
from speakergmm.run_context import RunContext
from speakergmm.speakers import IdentificationOptions, VerificationOptions


@command
class Enroll(EngineCommand, AnsweringCommand):
    """Enrol a speaker from recordings, or add recordings to an enrolled speaker.

    A new store needs --ubm. With an existing store, --ubm is optional and must be its background
    model.

    Examples:

      speakergmm enroll voices.db alice a1.wav a2.wav --ubm ubm.safetensors

      speakergmm enroll voices.db alice next-week.wav

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

    def run(self) -> None:
        """Add the recordings to the store, which is created if necessary."""
        new_store = not os.path.lexists(self.store)
        if self.ubm is None and new_store:
            raise StoreError(f"{self.store}: no such store; give --ubm MODEL to create one")
        report = speakers.enroll_into(
            self.store,
            self.speaker,
            self.wavs,
            background=None if self.ubm is None else speakers.BackgroundModel.load(self.ubm),
            relevance_factor=self.relevance_factor,
            feature_store=self.feature_store,
            engine=self.engine,
            run=RunContext(progress=not self.json),
        )
        print_warnings(report.warnings)
        if new_store:
            print_note(
                "note: a new store was created; there is no default threshold: choose one by its "
                "error rates on trials like your own (speakergmm run-protocol, evaluate)"
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

    The score is the average log-likelihood ratio per frame of speech, speaker against background.

    Examples:

      speakergmm verify voices.db alice unknown.wav

      speakergmm verify voices.db alice unknown.wav --threshold 0.5 --json
    """

    store: options.StoreArgument
    speaker: options.SpeakerArgument
    wav: Path = argument("Recording to verify.")
    verification: VerificationOptions = options_of(VerificationOptions, "threshold", "top_c")
    feature_store: options.FeatureStoreOption = None

    def run(self) -> None:
        """Score the recording, and decide if a threshold is given."""
        chosen = self.verification
        with speakers.SpeakerStore.open(self.store) as store:
            result = store.verify(self.speaker, self.wav, chosen, feature_store=self.feature_store)
        decision = ""
        if result.decision is not None:
            decision = f"  {'yes' if result.decision else 'no'} (threshold {chosen.threshold:g})"
        self.answer(
            result.to_dict(),
            f"{result.score:+.4f}  {result.speech_seconds:.2f} s of speech{decision}",
        )


@command
class Identify(AnsweringCommand):
    """Identify the speaker of recordings: rank the speakers of a store by their scores.

    The score is the average log-likelihood ratio per frame of speech, speaker against background.

    Examples:

      speakergmm identify voices.db unknown.wav --top 3

      speakergmm identify voices.db part1.wav part2.wav --threshold 0.5
    """

    store: options.StoreArgument
    wavs: list[Path] = argument("One or more recordings of one unknown speaker.")
    identification: IdentificationOptions = options_of(
        IdentificationOptions, "top", "threshold", "top_c", "shortlist"
    )
    feature_store: options.FeatureStoreOption = None

    def run(self) -> None:
        """Score the recordings against all speakers, and decide if a threshold is given."""
        chosen = self.identification
        with speakers.SpeakerStore.open(self.store) as store:
            result = store.identify(self.wavs, chosen, feature_store=self.feature_store)
        table = Table(
            f"{result.speech_seconds:.2f} s of speech against "
            f"{counted(result.n_speakers, 'speaker')}",
            ("rank", "speaker", "score"),
            [
                (str(rank), name, f"{score:+.4f}")
                for rank, (name, score) in enumerate(result.ranking, start=1)
            ],
            right=(0, 2),
        )
        decision = None
        if chosen.threshold is not None:
            decision = f"answer: {result.speaker or 'unknown'} (threshold {chosen.threshold:g})"
        self.answer(result.to_dict(), table, decision)


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
