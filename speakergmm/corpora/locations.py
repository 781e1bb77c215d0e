"""From a path as a list spells it to a file below the data folder."""

import os
from pathlib import Path

from speakergmm.corpora.names import quoted, shown, unlistable_character
from speakergmm.errors import CorpusError


def data_folder(list_path: Path, data_dir: str | os.PathLike[str] | None) -> Path:
    """Say from which folder the relative paths of a list are taken.

    Parameters
    ----------
    list_path : Path
        The list.
    data_dir : path or None
        The folder that was asked for; None for the list's own.

    Returns
    -------
    Path

    Raises
    ------
    CorpusError
        If ``data_dir`` is given and is not a folder.
    """
    if data_dir is None:
        return list_path.parent
    folder = Path(data_dir)
    if not is_folder(folder):
        raise CorpusError(f"data folder {shown(folder)} is not a folder")
    return folder


# Not the methods of paths: those raise an error for a path that cannot even be asked for.
is_folder, is_file, exists = os.path.isdir, os.path.isfile, os.path.exists


def locate(listed: str, folder: Path) -> Path:
    """Turn a path as listed into a path to open; whether it exists is not looked at.

    Parameters
    ----------
    listed : str
        The path as the list spells it, absolute or relative to ``folder``.
    folder : Path
        The data folder.

    Returns
    -------
    Path

    Raises
    ------
    CorpusError
        If the path is empty, holds a control character, or is relative and climbs out of
        ``folder``.

    Examples
    --------
    >>> locate("ana/1.wav", Path("data")).as_posix()
    'data/ana/1.wav'
    >>> locate("../secret.wav", Path("data"))
    Traceback (most recent call last):
    ...
    speakergmm.errors.CorpusError: path '../secret.wav' leaves the data folder ...
    """
    if not listed:
        raise CorpusError("the path is empty")
    character = unlistable_character(listed)
    if character is not None:
        raise CorpusError(f"path {quoted(listed)} holds {character}, a control character")
    path = Path(listed)
    if not path.is_absolute() and ".." in path.parts:
        # Folded by name, not on disk: the list must read the same wherever the data lie.
        folded = Path(os.path.normpath(path))
        if folded.parts[:1] == ("..",):
            raise CorpusError(
                f"path {quoted(listed)} leaves the data folder {shown(folder)}; paths in a list "
                "lie below it or are absolute"
            )
    return folder / path
