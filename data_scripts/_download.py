"""Download of archives, which continues interrupted downloads, and safe unpacking."""

import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from data_scripts._common import Archive
from speakergmm.errors import CorpusError
from speakergmm.files import atomic_folder
from speakergmm.progress import track

CHUNK = 1 << 15
"""Number of bytes written at a time, which is the most that an interruption loses."""


class ResumingDownloader:
    """A downloader for pooch that keeps partial downloads and requests the remaining bytes.

    The bytes are written to a file beside the target with the suffix ``.part``; a second file with
    the suffix ``.part.version`` contains the server's identifier of this version of the archive, so
    that pieces of different versions are never joined.

    Parameters
    ----------
    target : Path
        Final path of the archive.
    attempts : int, default=5
        Number of attempts within one run if the connection breaks.
    pause : float, default=1.0
        Seconds before the second attempt, doubled for each further attempt.
    timeout : float, default=60.0
        Seconds without data after which a connection counts as broken.
    """

    def __init__(
        self, target: Path, *, attempts: int = 5, pause: float = 1.0, timeout: float = 60.0
    ) -> None:
        self.part = target.with_name(target.name + ".part")
        self.version = target.with_name(target.name + ".part.version")
        self.attempts = attempts
        self.pause = pause
        self.timeout = timeout

    def __call__(self, url: str, output_file: str | Path, pooch: object, **_: object) -> None:
        """Download `url` and move it to `output_file`, as pooch requires of downloaders."""
        import requests

        reason = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause * 2.0 ** (attempt - 1))
            try:
                if self._go_on(url):
                    self.part.replace(output_file)
                    self.version.unlink(missing_ok=True)
                    return
                reason = "the connection closed early"
            except requests.RequestException as error:
                reason = " ".join(str(error).split())[:200]
        kept = self.part.stat().st_size if self.part.exists() else 0
        raise CorpusError(
            f"{url} cannot be downloaded: {reason}; {kept} bytes are kept, run the command again "
            "to go on"
        )

    def _go_on(self, url: str) -> bool:
        """Download the missing bytes; return whether the archive is complete."""
        import requests

        have = self.part.stat().st_size if self.part.exists() else 0
        version = self.version.read_text("utf-8") if self.version.exists() else ""
        # Offsets would be wrong with a compressed transfer.
        headers = {"Accept-Encoding": "identity"}
        if have and version:
            headers |= {"Range": f"bytes={have}-", "If-Range": version}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            if response.status_code == 416:
                # There are no further bytes: the archive is complete, or it has become shorter.
                total = _total(response.headers.get("Content-Range", ""))
                if total == have:
                    return True
                self.part.unlink()
                return False
            if 400 <= response.status_code < 500:
                raise CorpusError(
                    f"{url} cannot be downloaded: the server answers {response.status_code} "
                    f"{response.reason}; see the page of the corpus for its new address"
                )
            response.raise_for_status()
            if response.status_code == 206:
                start, total = _range(response.headers.get("Content-Range", ""))
                if start != have:
                    self.part.unlink()
                    return False
            else:
                have, total = 0, _integer(response.headers.get("Content-Length"))
                self.version.write_text(_version(response.headers), "utf-8")
            with self.part.open("ab" if have else "wb") as file:
                _copy(response, file, have=have, total=total, name=self.part.stem)
        return total is None or self.part.stat().st_size == total


def _copy(response: Any, file: IO[bytes], *, have: int, total: int | None, name: str) -> None:
    chunks: Iterator[bytes] = response.iter_content(CHUNK)
    count = None if total is None else -(-(total - have) // CHUNK)
    for chunk in track(chunks, description=name, total=count):
        file.write(chunk)


def _version(headers: Any) -> str:
    """Return an identifier of the version of a file: a strong entity tag, or its date."""
    tag = str(headers.get("ETag", ""))
    return tag if tag and not tag.startswith("W/") else str(headers.get("Last-Modified", ""))


def _range(header: str) -> tuple[int, int | None]:
    """Return first byte and total length from a Content-Range header; -1 if it has none."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header)
    if match is None:
        return -1, None
    return int(match[1]), _integer(match[2])


def _total(header: str) -> int | None:
    """Return the total length from the header of a range that cannot be satisfied."""
    match = re.fullmatch(r"bytes \*/(\d+)", header)
    return int(match[1]) if match else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def fetch(archive: Archive, folder: Path, **options: Any) -> Path:
    """Download an archive unless it exists, and verify its checksum.

    Parameters
    ----------
    archive : Archive
        The archive; if it has a checksum, the file must match it.
    folder : Path
        Folder of the file, which is created if it is missing.
    **options
        Parameters of `ResumingDownloader`.

    Returns
    -------
    Path
        The downloaded file.

    Raises
    ------
    CorpusError
        If the archive cannot be downloaded, or does not match its checksum; then it is removed.
    """
    import pooch  # type: ignore[import-untyped]

    pooch.get_logger().setLevel("ERROR")
    target = folder / archive.file_name
    try:
        got = pooch.retrieve(
            archive.url,
            known_hash=archive.checksum,
            fname=target.name,
            path=folder,
            downloader=ResumingDownloader(target, **options),
        )
    except ValueError as error:
        raise CorpusError(
            f"{archive.url} is not the published archive: its checksum is not "
            f"{archive.checksum}; it was removed, try again or see the page of the corpus"
        ) from error
    except OSError as error:
        raise CorpusError(f"{target} cannot be written: {error.strerror or error}") from error
    return Path(got)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive into a folder, completely or not at all.

    Parameters
    ----------
    archive : Path
        The archive.
    folder : Path
        Folder to create; if it exists, nothing is done.

    Raises
    ------
    CorpusError
        If the archive is damaged, or would write outside the folder.
    """
    if folder.exists():
        return
    try:
        with atomic_folder(folder) as place, tarfile.open(archive) as tar:
            # The data filter rejects members and links that lead out of the folder, and devices.
            tar.extractall(place, filter="data")
    except tarfile.FilterError as error:
        raise CorpusError(
            f"{archive} has a member that is not safe to unpack ({_member(error)}); it "
            "is not an archive of a corpus"
        ) from error
    except (tarfile.TarError, EOFError) as error:
        raise CorpusError(
            f"{archive} is damaged ({error}); remove it and run the command again"
        ) from error
    except OSError as error:
        raise CorpusError(f"{archive} cannot be unpacked: {error.strerror or error}") from error


def _member(error: tarfile.FilterError) -> str:
    return repr(error.tarinfo.name)
