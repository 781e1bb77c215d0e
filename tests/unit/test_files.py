"""What a path is decides whether and how it is read; nothing is waited for or read without end."""

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from speakergmm.errors import SpeakerGmmError
from speakergmm.files import (
    UnreadableFileError,
    kind_of,
    make_folders,
    open_regular,
    open_stream,
    read_bytes,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEAKERGMM_PIPE_TIMEOUT", "0.1")


def test_a_path_is_what_its_link_points_to(tmp_path: Path, fifo: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket"))
        found = {}
        for name in ("file", "socket", "fifo", "."):
            (tmp_path / f"to {name}").symlink_to(tmp_path / name)
            found[name] = kind_of(tmp_path / name), kind_of(tmp_path / f"to {name}")
    assert found == {
        "file": ("file", "file"),
        "socket": ("socket", "socket"),
        "fifo": ("pipe", "pipe"),
        ".": ("folder", "folder"),
    }
    (tmp_path / "loose").symlink_to(tmp_path / "nothing")
    assert kind_of(tmp_path / "loose") == kind_of(tmp_path / "file" / "below") == "missing"
    assert kind_of("/dev/zero") == "device"


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "/".join(["n" * 200] * 30)])
def test_a_name_that_can_be_none_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    for call in (kind_of, open_regular, open_stream):
        with pytest.raises(UnreadableFileError) as caught:
            call(tmp_path / name)
        assert "\0" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/tty", "/dev/urandom"])
def test_devices_are_never_read(path: str) -> None:
    for call in (open_regular, open_stream):
        with pytest.raises(UnreadableFileError, match=f"^{path}: is a device; give a regular file"):
            call(path)


def test_folders_sockets_and_missing_files_are_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket"))
        for call in (open_regular, open_stream):
            for path, kind in ((tmp_path, "folder"), (tmp_path / "socket", "socket")):
                with pytest.raises(UnreadableFileError, match=f"is a {kind}; give a ") as caught:
                    call(path)
                assert caught.value.kind == kind
            with pytest.raises(
                UnreadableFileError, match=r"cannot be read: no such file"
            ) as caught:
                call(tmp_path / "nothing")
            assert caught.value.kind == "missing"


def test_what_is_read_by_seeking_is_no_pipe(fifo: Path) -> None:
    began = time.perf_counter()
    with pytest.raises(UnreadableFileError, match=r"is a pipe; give a regular file$"):
        open_regular(fifo)
    assert time.perf_counter() - began < 1


@pytest.mark.usefixtures("impatient")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for_without_end(fifo: Path) -> None:
    with (
        open_stream(fifo) as file,
        pytest.raises(UnreadableFileError, match=r"nothing was written for 0\.1 s"),
    ):
        file.read()


@pytest.mark.usefixtures("impatient")
def test_a_writer_that_says_nothing_is_not_waited_for_without_end(fifo: Path) -> None:
    with open_stream(fifo) as file:
        writer = os.open(fifo, os.O_WRONLY)
        try:
            os.write(writer, b"some")
            assert file.read1() == b"some"
            with pytest.raises(UnreadableFileError, match="nothing was written"):
                file.read()
        finally:
            os.close(writer)


@pytest.mark.slow
def test_a_pipe_gives_all_that_is_written_however_slowly(fifo: Path) -> None:
    sent = [bytes([65 + n]) * 40_000 for n in range(5)]

    def write() -> None:
        time.sleep(0.1)  # opened after its reader
        with fifo.open("wb", buffering=0) as file:
            for part in sent:
                file.write(part)
                time.sleep(0.02)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_bytes(fifo, limit=1 << 20) == b"".join(sent)
    thread.join()


def test_a_pipe_closed_without_a_byte_is_empty(fifo: Path) -> None:
    with open_stream(fifo) as file:
        os.close(os.open(fifo, os.O_WRONLY))
        began = time.perf_counter()
        assert file.read() == b""
    assert time.perf_counter() - began < 2


@pytest.mark.slow
def test_a_shell_s_substitution_is_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("u1 YES\n")
    program = (
        "import sys; from speakergmm.files import read_bytes; "
        "print(read_bytes(sys.argv[1], limit=100))"
    )
    for how in (f"cat '{tmp_path}/text'", "echo u1 YES", f"sleep 0.2; cat '{tmp_path}/text'"):
        found = subprocess.run(
            ["bash", "-c", f'{sys.executable} -c "$0" <({how})', program],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == r"b'u1 YES\n'"


def test_nothing_is_read_beyond_the_limit(tmp_path: Path, fifo: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_bytes(tmp_path / "file", limit=100) == b"x" * 100
    with pytest.raises(UnreadableFileError, match="contains more than 99 bytes"):
        read_bytes(tmp_path / "file", limit=99)
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnreadableFileError, match="contains more than"):
        open_stream(sparse)

    def write_for_ever() -> None:
        try:
            with fifo.open("wb", buffering=0) as file:
                while True:
                    file.write(b"y\n" * 1000)
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=write_for_ever)
    thread.start()
    with pytest.raises(UnreadableFileError, match="contains more than 1,000,000 bytes"):
        read_bytes(fifo, limit=1_000_000)
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_a_file_that_turns_into_a_pipe_between_two_looks_is_refused(
    tmp_path: Path, fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regular = tmp_path / "file"
    regular.write_bytes(b"abc")
    real = os.open

    def swapped(path: object, *rest: object, **named: object) -> int:
        if Path(str(path)) == regular:
            fifo.replace(regular)
        return real(path, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(UnreadableFileError, match="is a pipe"):
        open_regular(regular)


def test_no_descriptor_is_left_open(tmp_path: Path, fifo: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0
    for _ in range(5):
        read_bytes(tmp_path / "file", limit=10)
        for call in (open_regular, open_stream):
            with pytest.raises(UnreadableFileError):
                call(tmp_path)
        with pytest.raises(UnreadableFileError):
            open_stream(tmp_path / "file", limit=1)
        with pytest.raises(UnreadableFileError):
            open_regular(fifo)
    after = len(list(Path("/proc/self/fd").iterdir())) if before else 0
    assert after == before


def test_the_error_survives_a_trip_between_processes(tmp_path: Path) -> None:
    with pytest.raises(SpeakerGmmError) as caught:
        open_regular(tmp_path)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert str(copied) == str(caught.value)
    assert copied.kind == "folder"


@pytest.mark.slow
def test_folders_are_made_however_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 1200)
    make_folders(deep)
    make_folders(deep)
    assert kind_of(deep) == "folder"
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("n" * 300) / "x"):
        with pytest.raises(SpeakerGmmError) as caught:
            make_folders(path)
        assert "\n" not in str(caught.value)
    while deep != tmp_path:  # pytest's own way of removing it is recursive
        deep.rmdir()
        deep = deep.parent
