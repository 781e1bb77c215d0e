"""Every loader refuses hostile files with one line, quickly and without much memory.

Loaders are discovered automatically, so that the tests apply to new ones, too.
"""

import gzip
import importlib
import inspect
import io
import os
import pkgutil
import random
import socket
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import speakergmm
from speakergmm.errors import SpeakerGmmError
from speakergmm.records import Filed

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

_PATHS = ("path", "name_or_path", "directory", "source", "folder")
_GIVEN: dict[str, Any] = {"kind": "background model", "limit": 1 << 20, "required": ("path",)}


def loaders() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Everything public that is called load, read, open or probe, and wants a path first."""
    seen: set[int] = set()
    for module in (None, *pkgutil.iter_modules(speakergmm.__path__)):
        if module is not None and module.name in ("cli", "__main__"):
            continue
        room = (
            speakergmm if module is None else importlib.import_module(f"speakergmm.{module.name}")
        )
        for name in sorted({*dir(room), *getattr(room, "__all__", ())}):
            if name.startswith("_"):
                continue
            value = getattr(room, name)
            if not getattr(value, "__module__", "").startswith("speakergmm") or id(value) in seen:
                continue
            seen.add(id(value))
            place = f"{room.__name__}.{name}"
            if inspect.isfunction(value):
                yield place, value
            # A base without a file of its own: what derives from it is tried.
            elif inspect.isclass(value) and value is not Filed:
                for method in dir(value):
                    if not method.startswith("_") and inspect.isroutine(getattr(value, method)):
                        yield f"{place}.{method}", getattr(value, method)


def called(load: Callable[..., Any]) -> Callable[[Path], Any] | None:
    """Fill in what a loader needs beside the path; None where it is no loader of a path."""
    name = getattr(load, "__name__", "")
    if not (name.startswith(("load", "read", "open_", "probe")) or name == "open"):
        return None
    try:
        first, *rest = inspect.signature(load).parameters.values()
    except ValueError:
        return None
    if first.name not in _PATHS or "PathLike" not in str(first.annotation) + "PathLike" * (
        "Path" in str(first.annotation)
    ):
        return None
    given = {}
    for parameter in rest:
        if parameter.default is inspect.Parameter.empty:
            if parameter.name not in (*_GIVEN, "folder", "faults"):
                return None
            given[parameter.name] = _GIVEN.get(parameter.name)

    def call(path: Path) -> Any:
        filled = dict(given)
        if "folder" in filled:
            filled["folder"] = path.parent
        if "faults" in filled:
            from speakergmm.text_files import FaultList

            filled["faults"] = FaultList(str(path))
        return exhausted(load(path, **filled))

    return call


def exhausted(found: Any) -> Any:
    if isinstance(found, io.IOBase):
        with found:
            return len(found.read(1 << 16))
    if hasattr(found, "__enter__") and inspect.isgeneratorfunction(
        getattr(getattr(found, "func", None), "__wrapped__", getattr(found, "func", None))
    ):
        with found:
            return None
    if inspect.isgenerator(found):
        for _ in found:
            pass
    return found


LOADERS = {name: call for name, load in loaders() if (call := called(load)) is not None}


def test_the_loaders_are_found() -> None:
    known = (
        "probe", "read_corpus", "read_protocol", "read_transcripts", "FeatureConfig.load",
        "BackoffLanguageModel.read_arpa", "Lexicon.read", "read_scores", "GaussianMixture.load",
        "MixtureStatistics.load", "AcousticModel.load", "recognition.read_ctm",
        "recognition.read_textgrid", "containers.load_arrays", "BackgroundModel.load",
        "SpeakerStore.open", "HMMClassifier.load", "documents.read_json",
    )  # fmt: skip
    assert {f"speakergmm.{name}" for name in known} <= LOADERS.keys()


def safetensors(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def ours(inner: bytes) -> bytes:
    quoted = inner.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return safetensors(b'{"__metadata__": {"speakergmm": "' + quoted + b'"}}')


DEEP = b"[" * 100_000
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "brackets.json": DEEP,
    "braces.json": b'{"a":' * 100_000,
    "brackets.toml": b"a=" + DEEP,
    "dots.toml": b".".join([b"a"] * 30_000) + b"=1",
    "digits.json": b'{"preset": ' + b"9" * 10_000 + b"}",
    "digits.toml": b"n_ceps = " + b"9" * 10_000,
    "list.toml": b'preset = ["speaker"]',
    "date.toml": b"preset = 1979-05-27\nname = 07:32:00",
    "table.toml": b"[preset]\na = 1",
    "infinite.toml": b"frame_shift = inf",
    "nan.json": b'{"preset": "hmm", "frame_shift": NaN}',
    "twice.json": b'{"preset": "hmm", "preset": "speaker"}',
    "half.json": b'{"preset": "\\ud800"}',
    "nested.json": b"[" * 60 + b"]" * 60,
    "decoded.json": b'{"utterances": [{"utterance": {}, "hypotheses": 5}]}',
    "brackets.safetensors": safetensors(DEEP.replace(b"[", b'{"a":')),
    "inner.safetensors": ours(DEEP),
    "digits.safetensors": ours(b'{"format_version": ' + b"9" * 10_000 + b"}"),
    "types.safetensors": ours(b'{"format_version": [], "kind": {}, "metadata": 5}'),
    "text.safetensors": ours(b'"text"'),
    "length.safetensors": struct.pack("<Q", 1 << 63) + b"{}",
    "none.safetensors": safetensors(b"{}"),
    "list.safetensors": safetensors(b'{"__metadata__": []}'),
    "offsets.safetensors": safetensors(
        b'{"a": {"dtype": "F64", "shape": [1000000000000], "data_offsets": [0, 8]}}', bytes(8)
    ),
    "line.txt": b"A" * (1 << 21),
    "words.txt": b"a " * (1 << 20),
    "header.tsv": b"path\t" * (1 << 19),
    "lines.txt": b"a\n" * 5_000,
    "quotes.csv": b'path\n"' + b"a\n" * 1000,
    "bad.ctm": b"u 1 0 1e999 a\nu 1 nan 1 a\n",
    "utf16.txt": "path\ta\n".encode("utf-16"),
    "latin.txt": "path\tcaf\u00e9\n".encode("latin-1"),
    "controls.txt": b"u1 a\x07b\n",
    "half.gz": gzip.compress(b"a b\n" * 1000)[:-9],
    "bomb.gz": gzip.compress(b"a" * (1 << 24)),
    "bombs.gz": gzip.compress(b"a b c\n" * (1 << 22)),
    "magic.db": b"SQLite format 3\0" + bytes(84),
    "grid.TextGrid": b'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1e999\n<exists>\n'
    + b"9" * 6000,
    "wave.wav": b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff",
    "arpa.txt": b"\\data\\\nngram " + b"9" * 6000 + b"=" + b"9" * 6000 + b"\n\\end\\\n",
    "sections.txt": b"\\data\\\nngram 1=1\n\\" + b"9" * 6000 + b"-grams:\n\\end\\\n",
    "random": random.Random(0).randbytes(50_000),
    "pickle": b"\x80\x04\x95" + bytes(100),
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Paths of everything hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    for name in ("fifo", "fifo.wav", "fifo.tsv", "fifo.json", "fifo.safetensors"):
        os.mkfifo(folder / name)
    (folder / "full").mkdir()
    (folder / "full" / "wav.scp").mkdir()
    os.mkfifo(folder / "full" / "text")
    (folder / "bare").mkdir()
    with (folder / "sparse.safetensors").open("wb") as sparse:
        sparse.truncate(1 << 42)
    with (folder / "large.safetensors").open("wb") as sparse:
        sparse.write(safetensors(b"{}"))
        sparse.truncate(1 << 42)
    sqlite3.connect(folder / "other.db").execute("CREATE TABLE a (b)").connection.close()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket"))
        (folder / "loop").symlink_to(folder / "loop")
        yield [
            *sorted(folder.iterdir()),
            folder / "missing",
            folder / ("n" * 300),
            folder / "/".join(["n" * 100] * 60),
            folder / "a\0b",
            folder / "empty" / "below",
            folder / "two\nlines",
            Path("/dev/zero"),
            Path("/dev/tty"),
            Path("/dev/stdin") if os.isatty(0) else Path("/dev/null"),
        ]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADERS)
def test_what_is_hostile_is_refused_in_one_line(
    name: str, places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEAKERGMM_PIPE_TIMEOUT", "0.01")
    for path in places:
        began = time.perf_counter()
        try:
            LOADERS[name](path)
        except SpeakerGmmError as error:
            message = str(error)
            assert "\n" not in message, path
            assert len(message) < 8000, (path, message[:300])
        assert time.perf_counter() - began < 20, path
