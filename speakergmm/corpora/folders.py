"""Corpora in a folder that contains one folder per speaker."""

import os
from collections import Counter
from pathlib import Path
from typing import Literal

from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.names import (
    Spellings,
    distinguishable_pair,
    quoted,
    shown,
    unlistable_character,
)
from speakergmm.corpora.walking import Parts, Walk, walk_folder
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.text_files import FaultList, and_more

Owner = Literal["speaker", "word"]


def read_folder(folder: Path, *, owner: Owner | None = "speaker", strict: bool = True) -> Corpus:
    """Read a folder of speaker folders, in which recordings may lie at any depth.

    If a recording lies in ``SPEAKER/CHAPTER/`` and is called ``SPEAKER-CHAPTER-...``, as in
    LibriSpeech, these folders name the speaker at any depth. The notes list what was skipped:
    hidden files, recordings in formats that cannot be read, other files, and links that were not
    followed. Links are followed unless their target is read anyway.

    Parameters
    ----------
    folder : Path
        The folder; the folders in it are named after the speakers.
    owner : {"speaker", "word"} or None
        Meaning of the folders. A word takes the place of the speaker in the result. With None,
        speakers are not named, and recordings may also lie in the folder itself.
    strict : bool, default=True
        Raise an error if the folder has faults. Otherwise recordings with faults are left out, and
        the result lists the faults.

    Returns
    -------
    Corpus
        Sorted by path. Ids are paths relative to ``folder``.

    Raises
    ------
    CorpusError
        If no recording is found. With ``strict`` also if recordings lie beside the speaker folders,
        a speaker's name is not allowed, two names differ only in letter case, Unicode normal form
        or invisible characters, links assign a recording to two speakers, or a folder cannot be
        read.
    """
    walk = walk_folder(folder)
    faults = FaultList(str(folder), error=CorpusError, strict=strict)
    _refuse_unread(walk, folder, faults)
    contested = _refuse_contested(walk, owner, faults)
    above = Path(os.path.abspath(folder)).parts  # noqa: PTH100 - links stay as they are
    names = {parts: _owner_of(above, parts, owner) for parts in walk.recordings}
    if owner is not None:
        _skip_empty_folders(walk)
    beside = [parts for parts in walk.recordings if owner is not None and names[parts] is None]
    if len(beside) == len(walk.recordings):
        raise CorpusError(_no_corpus(folder, walk, beside, owner))
    if beside:
        faults.add(
            None,
            f"recording {quoted(beside[0][0])} lies beside the {owner} folders{and_more(beside)}; "
            "move it into one, or name the recordings in a list",
        )
    allowed = _allowed_names(names, owner, faults)
    kept = {
        parts: allowed.get(names[parts] or "")
        for parts in walk.recordings
        if parts not in contested and (owner is None or names[parts] in allowed)
    }
    utterances = _utterances(kept, folder, walk, faults)
    skipped_files = walk.skipped.totals()
    return Corpus(
        utterances,
        source=str(folder),
        root=folder,
        notes=tuple(map(str, skipped_files)),
        faults=tuple(faults.faults),
        skipped_files=skipped_files,
    )


def _utterances(
    kept: dict[Parts, str | None], folder: Path, walk: Walk, faults: FaultList
) -> tuple[Utterance, ...]:
    """Return utterances with their speakers, without recordings whose names cannot be listed."""
    utterances: dict[str, Utterance] = {}
    for parts, speaker in kept.items():
        listed = "/".join(parts)
        if unlistable_character(listed):
            walk.skipped.add(
                "recordings with characters in their names that a list cannot contain",
                listed,
                advice="rename them without control characters, in UTF-8",
            )
            continue
        utterance = Utterance(listed, folder.joinpath(*parts), speaker)
        earlier = utterances.setdefault(utterance.id, utterance)
        if earlier is not utterance:
            one, other = distinguishable_pair(listed, earlier.path.relative_to(folder).as_posix())
            message = (
                f"recording {one} differs only in Unicode normal form or invisible characters from "
                f"{other}; rename it"
            )
            faults.add(None, message, utterance=utterance.id)
    if kept and not utterances:
        reasons = "; ".join(map(str, walk.skipped.totals()))
        raise CorpusError(f"{shown(folder)} has no recording that a list can contain: {reasons}")
    return tuple(utterances.values())


def _owner_of(above: Parts, parts: Parts, owner: Owner | None) -> str | None:
    """Return the owner of a recording; None if it lies in the corpus folder itself."""
    if owner is None:
        return None
    if owner == "speaker":
        speaker, chapter, name = ("", "", *above[-2:], *parts)[-3:]
        # Above the corpus folder only numbers are speakers: lab/ana/lab-ana-1.wav belongs to ana.
        is_near = len(parts) > 2 or (speaker.isdigit() and chapter.isdigit())
        if is_near and name.startswith(f"{speaker}-{chapter}-"):
            return speaker
    return parts[0] if len(parts) > 1 else None


def _refuse_unread(walk: Walk, folder: Path, faults: FaultList) -> None:
    """Raise an error, or add faults, for files and folders that could not be read."""
    for parts, reason in walk.unread:
        place = folder.joinpath(*parts)
        if faults.strict or not parts:
            raise CorpusError(f"{shown(place)} cannot be read: {reason}")
        faults.of(place).add(None, f"cannot be read: {reason}")


def _refuse_contested(walk: Walk, owner: Owner | None, faults: FaultList) -> set[Parts]:
    """Return recordings that links assign to two owners; count other links that are skipped."""
    contested: set[Parts] = set()
    for alias in walk.aliases:
        here, there = "/".join(alias.parts), "/".join(alias.met)
        if owner is None or not alias.met_by_link or alias.parts[0] == alias.met[0]:
            walk.skipped.add("links to what is read elsewhere", f"{here} -> {there}")
            continue
        lost = [r for r in walk.recordings if r[: len(alias.met)] == alias.met]
        if lost:
            contested.update(lost)
            faults.add(
                None,
                f"links {quoted(there)} and {quoted(here)} assign the same recordings to two "
                f"{owner}s{and_more(lost)}; keep one of them",
            )
    return contested


def _skip_empty_folders(walk: Walk) -> None:
    """Count folders of owners that contain no readable recording."""
    full = {parts[0] for parts in walk.recordings} | {parts[0] for parts, _ in walk.unread if parts}
    for parts in walk.folders:
        if len(parts) == 1 and parts[0] not in full:
            walk.skipped.add("folders without recordings that can be read", parts[0])


def _allowed_names(
    names: dict[Parts, str | None], owner: Owner | None, faults: FaultList
) -> dict[str, str]:
    """Return the stored form of each allowed name of an owner; add faults for the others."""
    allowed: dict[str, str] = {}
    spellings = Spellings(f"{owner} folder")
    counts = Counter(name for name in names.values() if name is not None)
    for name in sorted(counts):
        try:
            allowed[name] = spellings.take(name, "in the same folder")
        except InvalidInputError as error:
            lost = f"{counts[name]:,} recording{'s' if counts[name] > 1 else ''}"
            faults.add(None, f"{error} ({lost})")
    return allowed


def _no_corpus(folder: Path, walk: Walk, beside: list[Parts], owner: Owner | None) -> str:
    """Return the message about a folder without recordings of any owner."""
    what = owner or "speaker"
    hint = (
        f"put each {what}'s recordings into a folder of their own, or name them in a list"
        f"{' with the columns path and word' if what == 'word' else ''}"
    )
    names = os.listdir(folder)  # noqa: PTH208 - names are all that is needed
    if any(name in ("utt2spk", "segments") for name in names):
        hint = "a Kaldi data directory needs wav.scp"
    elif any(name.endswith("_trials.tsv") for name in names):
        hint = "it looks like a protocol; its background.tsv is a corpus"
    elif beside:
        example = "{speaker}_*" if what == "speaker" else "{word}_{speaker}_*"
        hint = (
            f"its recordings lie directly in it; {hint}, or give a speaker pattern, as in "
            f"--speaker-pattern '{example}'"
        )
    found = "".join(f"; {each}" for each in walk.skipped.totals()[:3])
    return (
        f"{shown(folder)} is a folder with neither {what} folders holding audio nor wav.scp; "
        f"{hint}{found}"
    )
