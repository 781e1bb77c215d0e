"""Paths of recordings below the data folder."""

import os
from pathlib import Path

from speakergmm.corpora.names import quoted, shown, unlistable_character
from speakergmm.errors import CorpusError


def data_folder(list_path: Path, data_dir: str | os.PathLike[str] | None) -> Path:
    """Return the folder to which the paths of a list are relative.

    Parameters
    ----------
    list_path : Path
        The list.
    data_dir : path or None
        The folder that was given; None for the folder of the list.

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


# Not the methods of Path, which raise an error for paths that are impossible on the system.
is_folder, is_file, exists = os.path.isdir, os.path.isfile, os.path.exists


def locate(listed: str, folder: Path) -> Path:
    """Return the path of a recording from its spelling in a list; it need not exist.

    Parameters
    ----------
    listed : str
        The path in the list, absolute or relative to ``folder``.
    folder : Path
        The data folder.

    Returns
    -------
    Path

    Raises
    ------
    CorpusError
        If the path is empty, contains a control character, or is relative and leads out of
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
        raise CorpusError(f"path {quoted(listed)} contains {character}, a control character")
    path = Path(listed)
    if not path.is_absolute() and ".." in path.parts:
        # Resolved by name, not on disk: the result must not depend on the place of the data.
        folded = Path(os.path.normpath(path))
        if folded.parts[:1] == ("..",):
            raise CorpusError(
                f"path {quoted(listed)} leaves the data folder {shown(folder)}; paths in a list "
                "lie below it or are absolute"
            )
    return folder / path
