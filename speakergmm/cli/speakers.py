"""Commands on a speaker store: enroll, verify, identify, speakers, remove."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from speakergmm.cli.output import (
    JsonOption,
    counted,
    print_json,
    print_line,
    print_note,
    print_table,
)
from speakergmm.errors import StoreError

StoreArgument = Annotated[
    Path, typer.Argument(help="The speaker store, one SQLite file.", show_default=False)
]
SpeakerArgument = Annotated[str, typer.Argument(help="The speaker's name.", show_default=False)]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        help="Score from which on the answer is yes; without it only the score is given. Measure "
        "the error rates it has, on trials of your own kind: run-protocol, evaluate."
    ),
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Score with all components, not only the best five.")
]

_ENROLL_EXAMPLES = """

Examples:

  speakergmm enroll voices.db alice a1.wav a2.wav --ubm ubm.safetensors

  speakergmm enroll voices.db alice next-week.wav
"""
_VERIFY_EXAMPLES = """

Examples:

  speakergmm verify voices.db alice unknown.wav

  speakergmm verify voices.db alice unknown.wav --threshold 0.5 --json
"""
_IDENTIFY_EXAMPLES = """

Examples:

  speakergmm identify voices.db unknown.wav --top 3

  speakergmm identify voices.db part1.wav part2.wav --threshold 0.5
"""
_SPEAKERS_EXAMPLES = """

Example:

  speakergmm speakers voices.db --json
"""
_REMOVE_EXAMPLES = """

Example:

  speakergmm remove voices.db alice
"""


def enroll(
    store: StoreArgument,
    speaker: SpeakerArgument,
    wavs: Annotated[
        list[Path], typer.Argument(help="Recordings of the speaker.", show_default=False)
    ],
    ubm: Annotated[
        Path | None,
        typer.Option(help="Background model; needed when the store is new, checked when it's not."),
    ] = None,
    relevance: Annotated[
        float | None,
        typer.Option(
            "--relevance",
            "--relevance-factor",
            help="Relevance factor of a new store, in frames (default: 3).",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Enrol a speaker from recordings; more recordings can be added later."""
    from speakergmm.speakers import BackgroundModel, enroll_into

    new_store = not os.path.lexists(store)
    if ubm is None and new_store:
        raise StoreError(f"{store}: no such store; to make a new one give --ubm MODEL")
    report = enroll_into(
        store,
        speaker,
        wavs,
        background=None if ubm is None else BackgroundModel.load(ubm),
        relevance_factor=relevance,
        progress=not json,
    )
    for warning in report.warnings:
        print_note(f"warning: {warning}")
    if new_store:
        print_note(
            "a new store; no threshold is built in: measure the error rates of yours on trials of "
            "your own kind (speakergmm run-protocol, evaluate)"
        )
    if json:
        print_json(report.to_dict())
    else:
        print_line(
            f"{report.speaker}: added {counted(len(wavs), 'recording')}, "
            f"{report.added_seconds:.1f} s of speech; {report.total_seconds:.1f} s in "
            f"{counted(report.n_sessions, 'recording')} in all"
        )


def verify(
    store: StoreArgument,
    speaker: SpeakerArgument,
    wav: Annotated[Path, typer.Argument(help="The recording in question.", show_default=False)],
    threshold: ThresholdOption = None,
    exact: ExactOption = False,
    json: JsonOption = False,
) -> None:
    """Is it this speaker? The score is the average log-likelihood ratio per frame of speech."""
    from speakergmm.speakers import SpeakerStore

    with SpeakerStore.open(store) as opened:
        result = opened.verify(speaker, wav, top_c=None if exact else 5, threshold=threshold)
    if json:
        print_json(result.to_dict())
        return
    decision = ""
    if result.decision is not None:
        decision = f"  {'yes' if result.decision else 'no'} (threshold {threshold:g})"
    print_line(f"{result.score:+.4f}  {result.speech_seconds:.2f} s of speech{decision}")


def identify(
    store: StoreArgument,
    wavs: Annotated[
        list[Path], typer.Argument(help="Recordings of one unknown speaker.", show_default=False)
    ],
    top: Annotated[int, typer.Option(min=1, help="How many of the best speakers to list.")] = 5,
    threshold: Annotated[
        float | None, typer.Option(help="Answer 'unknown' if the best score lies below this.")
    ] = None,
    exact: ExactOption = False,
    json: JsonOption = False,
) -> None:
    """Who is this? Ranks the store's speakers by average log-likelihood ratio."""
    from speakergmm.speakers import SpeakerStore

    with SpeakerStore.open(store) as opened:
        result = opened.identify(wavs, top=top, threshold=threshold, top_c=None if exact else 5)
    if json:
        print_json(result.to_dict())
        return
    rows = [
        (str(rank), name, f"{score:+.4f}")
        for rank, (name, score) in enumerate(result.ranking, start=1)
    ]
    print_table(
        f"{result.speech_seconds:.2f} s of speech against {counted(result.n_speakers, 'speaker')}",
        ("rank", "speaker", "score"),
        rows,
        right=(0, 2),
    )
    if threshold is not None:
        answer = "unknown" if result.speaker is None else result.speaker
        print_line(f"answer: {answer} (threshold {threshold:g})")


def speakers(store: StoreArgument, json: JsonOption = False) -> None:
    """List the speakers of a store."""
    from speakergmm.speakers import SpeakerStore

    with SpeakerStore.open(store) as opened:
        enrolled = opened.speakers()
    if json:
        print_json([entry.to_dict() for entry in enrolled])
        return
    print_table(
        f"{counted(len(enrolled), 'speaker')} in {store}",
        ("speaker", "recordings", "seconds of speech", "last enrolled"),
        [
            (e.name, str(e.n_sessions), f"{e.speech_seconds:.1f}", e.last_enrolled[:10])
            for e in enrolled
        ],
        right=(1, 2),
    )


def remove(store: StoreArgument, speaker: SpeakerArgument, json: JsonOption = False) -> None:
    """Erase a speaker and all data of the speaker from a store for good; there is no way back."""
    from speakergmm.speakers import SpeakerStore

    with SpeakerStore.open(store) as opened:
        opened.remove(speaker)
    if json:
        print_json({"removed": speaker})
    else:
        print_line(f"{speaker}: erased from {store}")


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=(enroll.__doc__ or "") + _ENROLL_EXAMPLES)(enroll)
    app.command(help=(verify.__doc__ or "") + _VERIFY_EXAMPLES)(verify)
    app.command(help=(identify.__doc__ or "") + _IDENTIFY_EXAMPLES)(identify)
    app.command(help=(speakers.__doc__ or "") + _SPEAKERS_EXAMPLES)(speakers)
    app.command(help=(remove.__doc__ or "") + _REMOVE_EXAMPLES)(remove)
