"""Text files are read within bounds: of lines, of size, of what compression makes of them."""

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path

import pytest

from speakergmm.files import UnreadableFileError
from speakergmm.text_files import FaultList, FaultyFileError, open_text, read_lines


def bomb(path: Path, unit: bytes, *, megabytes: int) -> Path:
    """A gzip file of a unit repeated."""
    packer = zlib.compressobj(9, wbits=31)
    block = unit * ((1 << 20) // len(unit))
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(packer.compress(block))
        file.write(packer.flush())
    return path


def peak_of(call) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("unit", [b"a", b"a b\n", b"a b c d e f g h\n", b"\n"])
def test_a_small_gzip_file_is_not_unpacked_to_a_large_one(tmp_path: Path, unit: bytes) -> None:
    path = bomb(tmp_path / "bomb.gz", unit, megabytes=12)
    assert path.stat().st_size < 40_000

    def read() -> None:
        with (
            pytest.raises(UnreadableFileError, match=r"line of more than|times as long"),
            open_text(path) as file,
        ):
            all(iter(lambda: file.read(1 << 16), b""))

    assert peak_of(read) < 2e6
    with pytest.raises(FaultyFileError, match=r"line of more than|times as long"):
        for _ in read_lines(path, FaultList(str(path))):
            pass


@pytest.mark.slow
def test_text_that_is_compressed_well_is_read(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"".join(b"u%06d THE SAME WORDS\n" % n for n in range(30_000))))
    assert sum(1 for _ in read_lines(path, FaultList(str(path)))) == 30_000
    short = tmp_path / "short.gz"
    short.write_bytes(gzip.compress(b"a\n" * 500_000))  # within the first MiB
    assert sum(1 for _ in read_lines(short, FaultList(str(short)))) == 500_000


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
def test_a_line_has_an_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = b"one\n" + os.urandom(1 << 20).hex().encode() + b"\n"
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(FaultyFileError, match="line of more than 1,048,576 bytes"):
        list(read_lines(path, FaultList(str(path))))
    path.write_bytes(content[: 1 << 20])
    assert len(list(read_lines(path, FaultList(str(path))))) == 2


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    whole = gzip.compress(os.urandom(5000).hex().encode())
    for damaged in (whole[:-100], whole[:40] + b"\0" * 40 + whole[80:], b"\x1f\x8b"):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableFileError, match="damaged gzip file"), open_text(path) as file:
            file.read()
        with pytest.raises(FaultyFileError, match="damaged gzip file"):
            list(read_lines(path, FaultList(str(path))))


@pytest.mark.slow
def test_very_many_faults_end_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xff\n" * 150_000)
    faults = FaultList(str(path))
    with pytest.raises(FaultyFileError, match="more than 100,000 faults"):
        list(read_lines(path, faults))
    assert len(faults.faults) == 100_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_text_comes_through_a_pipe(tmp_path: Path) -> None:
    import threading

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for content in (b"\xef\xbb\xbfu1 YES\r\nu2 NO", gzip.compress(b"u1 YES\n\nu2 NO\n")):
        writer = threading.Thread(target=fifo.write_bytes, args=(content,))
        writer.start()
        found = [text for _, text in read_lines(fifo, FaultList(str(fifo)))]
        writer.join()
        assert found == ["u1 YES", "u2 NO"]
