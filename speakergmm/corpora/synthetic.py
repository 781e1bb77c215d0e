"""The synthetic corpus: invented speakers who say invented words, with a protocol and the truth."""

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any, Final

from speakergmm.corpora.protocol import Protocol, read_protocol
from speakergmm.corpora.synthesis.corpus_files import (
    write_boundaries,
    write_kaldi,
    write_synthetic_protocol,
)
from speakergmm.corpora.synthesis.plan import plan_jobs, record_speaker
from speakergmm.corpora.synthesis.synthetic_options import SyntheticCorpusOptions
from speakergmm.documents import read_json
from speakergmm.errors import AudioError, CorpusError, SpeakerGmmError
from speakergmm.files import atomic_folder, kind_of
from speakergmm.parallel import Workers

NAME: Final = "synthetic"
"""Folder of the recordings, and name of the protocol."""

_RECORD: Final = "corpus.json"
_FORMAT: Final = 1
_HEADER_BYTES: Final = 44


def make_synthetic_corpus(
    directory: str | os.PathLike[str],
    options: SyntheticCorpusOptions | None = None,
    *,
    n_jobs: int = 1,
    **changes: Any,
) -> Protocol:
    """Make a corpus of invented speech, with lists for speaker recognition and exact labels.

    Women and men with their own vocal tracts, voices and habits say words of an invented language
    of 30 phones; sessions differ in microphone, room, level, pitch, tempo and effort. Enrolment
    and trial recordings share neither session nor word. The default sizes make 50 speakers and
    about 24 minutes, with speakers as far apart as makes a plain GMM-UBM err in a few per cent of
    the trials.

    Parameters
    ----------
    directory : path
        Where to write; created. It must be absent, empty, or hold a corpus made by this function.
    options : SyntheticCorpusOptions, optional
        Seed and sizes.
    n_jobs : int, default=1
        Number of worker processes; -1 for all cores. It does not change the result.
    **changes
        Single options of `SyntheticCorpusOptions` by name, in place of those of `options`.

    Returns
    -------
    Protocol
        As read from ``directory/protocols/synthetic``, with relative paths taken from `directory`.

    Raises
    ------
    InvalidInputError
        If the seed is negative or a number is out of its range.
    CorpusError
        If the directory holds anything else, or a corpus of another seed or size, or one whose
        recordings are damaged.

    Notes
    -----
    The corpus is made beside `directory` and moved there when it is whole. Where it stands
    already, made with the same seed and sizes, it is used as it is.

    Layout::

        protocols/synthetic/background.tsv    speaker, path
                            dev_enroll.tsv    model, path           also eval_enroll.tsv
                            dev_trials.tsv    model, path, label    also eval_trials.tsv
        synthetic/SPEAKER/UTTERANCE.wav       16 kHz, 16 bit, mono
                  wav.scp utt2spk spk2utt spk2gender text utt2dur     a Kaldi data directory
                  lexicon.txt                 word, phones
                  phones.tsv                  boundaries: utterance, start, duration (seconds),
                                              phone, first_sample, n_samples, word
                  words.tsv                   the same for words, without the last column
                  sessions.tsv                utterance, speaker, session, purpose, snr (dB)
                  corpus.json                 seed, sizes, format

    An utterance is named SPEAKER-SESSION-NUMBER; speakers begin with b, d or e for background,
    dev and eval. Boundaries are exact: an utterance's phones follow each other without a gap from
    its first sample to its last, silence (``sil``) included; the column ``word`` counts from 0 and
    is ``-`` for silence.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     protocol = make_synthetic_corpus(
    ...         folder, n_background=1, n_dev=2, n_eval=2, n_background_utterances=1,
    ...         n_enrolment_utterances=1, n_trial_utterances=1)
    >>> protocol.splits["eval"].models
    ('e001', 'e002')
    """
    options = SyntheticCorpusOptions.of(options, changes)
    # Absolute, so that it can be moved there even where it is the working directory.
    target = Path(directory).absolute()
    kind_of(target)  # refuses what the system cannot be asked for
    record: dict[str, object] = {
        "kind": "speakergmm synthetic corpus",
        "format": _FORMAT,
        "seed": options.seed,
        "sizes": options.sizes(),
    }
    if not _stands(target, record):
        _make(target, record, options, Workers(n_jobs))
    return read_protocol(target / "protocols" / NAME, data_dir=target)


def _stands(target: Path, record: dict[str, object]) -> bool:
    """Say whether the wanted corpus is there; refuse a directory that holds anything else."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    where = target / NAME / _RECORD
    try:
        found = read_json(where)
        size_of = {path: int(number) for path, number in found["n_samples"].items()}
        kind = found["kind"]
    except (SpeakerGmmError, LookupError, TypeError, ValueError, AttributeError):
        kind = None
    if kind != record["kind"]:
        raise CorpusError(
            f"{target} is not empty and holds no synthetic corpus; give a new or empty directory"
        )
    for key in ("format", "seed", "sizes"):
        if found.get(key) != record[key]:
            raise CorpusError(
                f"{target} holds a synthetic corpus with {key} {found.get(key)}, not "
                f"{record[key]}; remove it or give another directory"
            )
    for path, n_samples in size_of.items():
        file = target / NAME / path
        if not file.is_file() or file.stat().st_size != _HEADER_BYTES + 2 * n_samples:
            raise CorpusError(
                f"{file} is missing or damaged; remove {target} to have the corpus made again"
            )
    return True


def _make(
    target: Path, record: dict[str, object], options: SyntheticCorpusOptions, workers: Workers
) -> None:
    """Write the whole corpus beside its place, then move it there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(target) as place:
            jobs = plan_jobs(options, place / NAME)
            recorded = list(chain.from_iterable(workers.map_processes(record_speaker, jobs)))
            recorded.sort(key=lambda r: r.plan.utterance)
            write_kaldi(place / NAME, recorded, jobs)
            write_boundaries(place / NAME, recorded)
            write_synthetic_protocol(place / "protocols" / NAME, recorded, folder_name=NAME)
            record = {**record, "n_samples": {r.plan.path: r.segments[-1].end for r in recorded}}
            text = json.dumps(record, indent=1) + "\n"
            (place / NAME / _RECORD).write_text(text, encoding="utf-8")
    except (OSError, AudioError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"{target} cannot be written: {reason}") from error
