"""``speakergmm info``: the contents and the origin of a file that speakergmm has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from speakergmm.cli.answers import calibration_in_words
from speakergmm.cli.command_options import AnsweringCommand, argument, command
from speakergmm.cli.printing import Table, counted
from speakergmm.errors import ModelFormatError
from speakergmm.files import kind_of, shown_path


@command
class Info(AnsweringCommand):
    """Describe a model or a store: its contents, training data, features and date.

    Examples:

      speakergmm info ubm.safetensors

      speakergmm info voices.db --json
    """

    file: Path = argument("A file that speakergmm has written, such as a model or a store.")

    def run(self) -> None:
        """Load the file and print its description."""
        document = _describe(self.file)
        short = document["kind"] == "speaker store"
        rows = _summary(document) if short else _flatten(document)
        self.answer(document, Table(str(self.file), ("what", "value"), rows))


def _flatten(document: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in document.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and (
            len(value) > 6 or any(isinstance(entry, dict | list) for entry in value)
        ):
            rows.append((f"{prefix}{key}", f"{len(value)} values"))
        else:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            rows.append((f"{prefix}{key}", text))
    return rows


def _summary(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the most important facts about a store; the JSON document contains all of them."""
    background = document["background"]
    made, features = background["provenance"], background["features"]
    trained = [
        counted(made[key], noun)
        for key, noun in (("n_speakers", "named speaker"), ("n_utterances", "recording"))
        if isinstance(made.get(key), int)
    ]
    rows = {
        "speakers": f"{document['n_speakers']}, {counted(document['n_sessions'], 'recording')}, "
        f"{document['speech_seconds']:.1f} s of speech; last enrolled "
        f"{document['last_enrolled'] or 'never'}",
        "adapted": f"{', '.join(document['parameters'])}; relevance factor "
        f"{document['relevance_factor']:g}",
        "answers": _answers(document),
        "background": f"{counted(background['n_components'], 'component')} of "
        f"{background['n_features']} features ({features.get('name') or 'custom'})"
        + f", {', '.join(trained)}" * bool(trained)
        + f"; digest {background['digest'][:12]}",
        "created": f"{document['created']}, format version {document['format_version']}; --json "
        "prints all details",
    }
    return list(rows.items())


def _answers(document: dict[str, Any]) -> str:
    """Return back-end, normalisation and calibration of a store in words."""
    scores, calibration = f"{document['backend']} scores", document["calibration"]
    if document["normalisation"] != "none":
        members = counted(document["cohort_speakers"], "cohort speaker")
        scores += f", {document['normalisation']}-norm by {members}"
    if calibration is None:
        return f"{scores}, not calibrated"
    return f"{scores}; calibrated on {calibration_in_words(calibration['trials'])}"


def _describe(file: Path) -> dict[str, Any]:
    """Check a file as loading it would, and return its description."""
    from speakergmm import records
    from speakergmm.containers import read_header
    from speakergmm.file_kinds import KINDS, describe_file, reader_of

    if kind_of(file) == "missing":
        raise ModelFormatError(f"{shown_path(file)}: no such file; a model or a store was expected")
    if kind_of(file) == "folder":
        return dict(reader_of("feature store").open(file).info())
    if kind_of(file) == "file" and describe_file(file) == "a speaker store":
        with reader_of("speaker store").open(file) as store:
            return dict(store.info())
    kind = read_header(file)["kind"]
    if kind == "feature store":  # the index of one, in its folder
        return dict(reader_of(kind).open(file.parent).info())
    # Other kinds of file are described by the fields that their classes declare.
    tells = kind in KINDS and KINDS[kind].has_info
    document: dict[str, Any]
    document = reader_of(kind).load(file).info() if tells else records.describe(file)
    return document
