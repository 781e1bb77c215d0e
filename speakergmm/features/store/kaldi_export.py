"""Feature stores written as a Kaldi data directory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from speakergmm.corpora import Utterance, escaped_name
from speakergmm.errors import SpeakerGmmError
from speakergmm.features.feature_matrix import Features
from speakergmm.features.store.kaldi_matrices import write_matrix
from speakergmm.files import atomic_folder, kind_of, shown_path, write_error


def export_kaldi(items: Iterable[tuple[Utterance, Features]], folder: Path) -> None:
    """Write features to a folder with ``feats.ark``, ``feats.scp`` and the lists beside them.

    Parameters
    ----------
    items : iterable of (Utterance, Features)
        Sorted by the bytes of their ids, as Kaldi expects.
    folder : Path
        A new folder, which appears complete or not at all.

    Raises
    ------
    SpeakerGmmError
        If it exists or cannot be written.
    """
    check_new_folder(folder)
    final = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay as they were given
    lines: dict[str, list[str]] = defaultdict(list)
    by_speaker: dict[str, list[str]] = defaultdict(list)
    try:
        with atomic_folder(folder) as made:
            with ExitStack() as open_files:
                files: dict[str, IO[bytes]] = {}
                for utterance, features in items:
                    name = escaped_name(utterance.id)
                    arrays = {"feats": features.values, "vad": features.speech.astype(np.float32)}
                    if features.weights is not None:
                        arrays["weights"] = features.weights
                    for kind, values in arrays.items():
                        if kind not in files:
                            ark = (made / f"{kind}.ark").open("wb")
                            files[kind] = open_files.enter_context(ark)
                        offset = write_matrix(files[kind], name, values)
                        lines[f"{kind}.scp"].append(f"{name} {final / kind}.ark:{offset}")
                    lines["utt2num_frames"].append(f"{name} {len(features)}")
                    if utterance.speaker is not None:
                        speaker = escaped_name(utterance.speaker)
                        lines["utt2spk"].append(f"{name} {speaker}")
                        by_speaker[speaker].append(name)
            for speaker in sorted(by_speaker, key=str.encode):
                lines["spk2utt"].append(f"{speaker} {' '.join(by_speaker[speaker])}")
            for name, text in lines.items():
                (made / name).write_bytes("".join(f"{line}\n" for line in text).encode())
    except OSError as error:
        raise write_error(folder, error) from None


def check_new_folder(folder: Path) -> None:
    """Raise an error, before the work begins, if there is something at the place of a new folder.

    Raises
    ------
    SpeakerGmmError
        If there is a file or a folder that is not empty, or no folder to hold it.
    """
    kind = kind_of(folder)
    if kind == "missing" and kind_of(folder.parent) == "folder":
        return
    if kind == "missing":
        raise SpeakerGmmError(f"{shown_path(folder)}: cannot be written, its folder does not exist")
    if kind != "folder" or any(folder.iterdir()):
        raise SpeakerGmmError(f"{shown_path(folder)}: exists; give the name of a new folder")
