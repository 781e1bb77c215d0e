"""The synthetic corpus: artificial speech with a protocol and exact labels."""

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
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import AudioError, CorpusError, SpeakerGmmError
from speakergmm.files import atomic_folder, kind_of

NAME: Final = "synthetic"
"""Name of the folder of the recordings, and of the protocol."""

_RECORD: Final = "corpus.json"
_FORMAT: Final = 1
_HEADER_BYTES: Final = 44


def make_synthetic_corpus(
    directory: str | os.PathLike[str],
    options: SyntheticCorpusOptions | None = None,
    *,
    engine: EngineLike = None,
    **changes: Any,
) -> Protocol:
    """Synthesise a corpus of artificial speech, with a protocol and exact labels.

    Female and male speakers with individual vocal tracts, voices and habits say words of an
    artificial language with 30 phones; sessions differ in microphone, room, level, pitch, tempo and
    vocal effort. Enrolment and trial recordings have neither session nor word in common. With the
    default sizes the corpus has 50 speakers and about 24 minutes of speech, and the speakers differ
    so much that a GMM-UBM errs in a few per cent of the trials.

    Parameters
    ----------
    directory : path
        Folder to write to. It must not exist, be empty, or contain a corpus of this function.
    options : SyntheticCorpusOptions, optional
        Seed and sizes.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of worker processes. It does not change the result.
    **changes
        Single options of `SyntheticCorpusOptions` by name, in place of those of `options`.

    Returns
    -------
    Protocol
        The protocol in ``directory/protocols/synthetic``, with paths relative to `directory`.

    Raises
    ------
    InvalidInputError
        If an option is out of its range.
    CorpusError
        If the directory contains anything else, a corpus with another seed or other sizes, or one
        whose recordings are damaged; if it cannot be written.

    Notes
    -----
    The corpus is written beside `directory` and moved there when it is complete. An existing
    corpus with the same seed and sizes is used as it is.

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

    Ids of utterances are SPEAKER-SESSION-NUMBER; names of speakers begin with b, d or e for
    background, dev and eval. Boundaries are exact: the phones of an utterance, including silence
    (``sil``), follow each other without a gap from its first sample to its last; the column
    ``word`` counts from 0 and is ``-`` for silence.

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
    # Absolute, so that the corpus can be moved there even if it is the working directory.
    target = Path(directory).absolute()
    kind_of(target)  # raises an error for paths that are impossible on the system
    record: dict[str, object] = {
        "kind": "speakergmm synthetic corpus",
        "format": _FORMAT,
        "seed": options.seed,
        "sizes": options.sizes(),
    }
    if not _exists(target, record):
        _make(target, record, options, Engine.of(engine))
    return read_protocol(target / "protocols" / NAME, data_dir=target)


def _exists(target: Path, record: dict[str, object]) -> bool:
    """Return whether the corpus exists; raise an error if the directory contains anything else."""
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
            f"{target} is not empty and contains no synthetic corpus; give a new or empty directory"
        )
    for key in ("format", "seed", "sizes"):
        if found.get(key) != record[key]:
            raise CorpusError(
                f"{target} contains a synthetic corpus with {key} {found.get(key)}, not "
                f"{record[key]}; remove it or give another directory"
            )
    for path, n_samples in size_of.items():
        file = target / NAME / path
        if not file.is_file() or file.stat().st_size != _HEADER_BYTES + 2 * n_samples:
            raise CorpusError(
                f"{file} is missing or damaged; remove {target} to make the corpus again"
            )
    return True


def _make(
    target: Path, record: dict[str, object], options: SyntheticCorpusOptions, engine: Engine
) -> None:
    """Write the whole corpus beside its place, and move it there."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(target) as place:
            jobs = plan_jobs(options, place / NAME)
            recorded = list(chain.from_iterable(engine.map(record_speaker, jobs)))
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
