import json
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from speakergmm.containers import (
    load_arrays,
    map_arrays,
    pack_arrays,
    read_header,
    save_arrays,
    unpack_arrays,
)
from speakergmm.errors import InvalidInputError, ModelFormatError, SpeakerGmmError
from speakergmm.files import atomic_writer, check_writable

ARRAYS = {
    "counts": np.array([1, 2, 3], dtype=np.int64),
    "means": np.array([[0.5, -1.25], [3.0, 1e-300]]),
    "scale": np.float32(2.5) * np.ones((), dtype=np.float32),
    "speech": np.array([True, False]),
    "none": np.zeros((0, 4)),
}
METADATA = {"seed": 3, "source": "Gesprächsprotokoll", "history": [1.5, -2.0]}


def assert_same(loaded, saved):
    assert loaded.keys() == saved.keys()
    for name, array in saved.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array, strict=True)


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "model.safetensors"
    save_arrays(path, ARRAYS, kind="example", metadata=METADATA)
    arrays, metadata = load_arrays(path, kind="example")
    assert_same(arrays, ARRAYS)
    assert metadata == METADATA
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_what_is_saved_can_be_mapped(tmp_path):
    path = tmp_path / "model.safetensors"
    arrays = {
        "half": np.float16([[1.5, -2.0, 6e-8]]),
        "speech": ARRAYS["speech"],
        "means": ARRAYS["means"],
        "single": np.float32([[1.0], [2.0]]),
    }
    save_arrays(path, arrays, kind="example")
    assert_same(load_arrays(path, kind="example")[0], arrays)
    mapped = map_arrays(path, "means", "half", "speech", "single", kind="example")
    for name, found in zip(("means", "half", "speech", "single"), mapped, strict=True):
        np.testing.assert_array_equal(found, arrays[name], strict=True)
        assert not found.flags.owndata
        with pytest.raises(ValueError, match="read-only"):
            found[...] = 0
    for names, kind, words in (
        (["means"], "other", "is an example, not an other"),
        (["counts"], "example", "damaged example"),
    ):
        with pytest.raises(ModelFormatError, match=words):
            map_arrays(path, *names, kind=kind)
    columns = {"counts": np.int64([3, -1]), "text": np.frombuffer(b"name", np.uint8)}
    save_arrays(path, {**columns, "short": np.int16([1])}, kind="example")
    for name, found in columns.items():
        (mapped,) = map_arrays(path, name, kind="example")
        np.testing.assert_array_equal(mapped, found, strict=True)
    with pytest.raises(ModelFormatError, match="damaged example"):
        map_arrays(path, "short", kind="example")  # of a type that is not mapped


def test_the_same_content_gives_the_same_bytes():
    reordered = dict(reversed(ARRAYS.items()))
    packed = {pack_arrays(a, kind="k", metadata=METADATA) for a in (ARRAYS, reordered) * 20}
    assert len(packed) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-3],
        np.arange(5, dtype=">f8"),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    ],
    ids=["transposed", "strided", "big-endian", "fortran"],
)
def test_memory_layout_does_not_matter(array):
    arrays, _ = unpack_arrays(pack_arrays({"x": array}, kind="k"), kind="k")
    np.testing.assert_array_equal(arrays["x"], array)


def test_standard_safetensors_readers_can_read_it(tmp_path):
    from safetensors.numpy import load_file

    save_arrays(tmp_path / "m", ARRAYS, kind="k")
    assert_same(load_file(tmp_path / "m"), ARRAYS)


def test_header_says_what_the_file_is(tmp_path):
    save_arrays(tmp_path / "m", ARRAYS, kind="speaker thing", metadata=METADATA)
    header = read_header(tmp_path / "m")
    assert header["kind"] == "speaker thing"
    assert header["metadata"] == METADATA
    assert header["format_version"] == 2
    assert len(header["content_sha256"]) == 64


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([None]), np.array([1j]), np.array([np.nan]), np.array([np.inf])],
    ids=["text", "object", "complex", "nan", "inf"],
)
def test_arrays_that_can_not_be_stored_are_refused(array):
    with pytest.raises(InvalidInputError, match="array 'x'"):
        pack_arrays({"x": array}, kind="k")


@pytest.mark.parametrize("value", [np.nan, np.float32(np.inf), {1, 2}, object()])
def test_metadata_that_is_not_json_is_refused(value):
    with pytest.raises(InvalidInputError, match="JSON"):
        pack_arrays({}, kind="k", metadata={"value": value})


def test_numbers_of_numpy_are_stored_as_python_has_them():
    given = {"count": np.int64(3), "parts": (np.float32(0.5), np.True_), "of": {"t": np.float64(2)}}
    _, metadata = unpack_arrays(pack_arrays({}, kind="k", metadata=given), kind="k")
    assert repr(metadata) == "{'count': 3, 'of': {'t': 2.0}, 'parts': [0.5, True]}"


def test_flipping_any_byte_is_noticed():
    packed = pack_arrays(
        {"m": np.array([1.5, 2.0]), "n": np.arange(3)}, kind="k", metadata={"a": 1}
    )
    whole = unpack_arrays(packed, kind="k")
    for place in range(len(packed)):
        for mask in (0x01, 0x20, 0x80, 0xFF):
            damaged = bytearray(packed)
            damaged[place] ^= mask
            try:
                arrays, metadata = unpack_arrays(bytes(damaged), kind="k")
            except ModelFormatError:
                continue
            assert_same(arrays, whole[0])
            assert metadata == whole[1]


def test_cutting_at_any_byte_is_noticed():
    packed = pack_arrays({"m": np.array([1.5, 2.0])}, kind="k")
    for length in range(len(packed)):
        with pytest.raises(ModelFormatError):
            unpack_arrays(packed[:length], kind="k")


def craft(*, content=None, **changes):
    """A file whose header was changed on purpose, with a valid safetensors frame around it."""
    from safetensors.numpy import load, save

    packed = pack_arrays({"m": np.ones(2)}, kind="k", metadata={"a": 1})
    length = int.from_bytes(packed[:8], "little")
    header = json.loads(json.loads(packed[8 : 8 + length])["__metadata__"]["speakergmm"])
    return save(content or load(packed), metadata={"speakergmm": json.dumps(header | changes)})


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (lambda: craft(kind="speaker store"), "is a speaker store, not a k"),
        (
            lambda: craft(format_version=1),
            "a k of format version 1; .* version 2; make the file",
        ),
        (lambda: craft(format_version=3), "version 3; .* a newer version may read it"),
        (lambda: craft(format_version="1"), "wrong type"),
        (lambda: craft(metadata='{"a": 2}'), "own hash"),
        (lambda: craft(content={"m": np.ones(3)}), "own hash"),
        (lambda: craft(content_sha256="0" * 64), "own hash"),
        (lambda: craft(kind=["k"]), "wrong type"),
    ],
)
def test_crafted_headers_are_refused(packed, words):
    with pytest.raises(ModelFormatError, match=words):
        unpack_arrays(packed(), kind="k")


def test_numbers_that_are_not_finite_are_refused_even_with_a_right_hash(monkeypatch):
    import speakergmm.containers as containers

    monkeypatch.setattr(containers, "_checked", lambda name, array: array)
    packed = pack_arrays({"m": np.array([1.0, np.nan])}, kind="k")
    with pytest.raises(ModelFormatError, match="'m' contains numbers that are not finite"):
        unpack_arrays(packed, kind="k")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, I am text\n", "text"),
        (("ä" * 3000).encode()[1:-1].replace(b"\xa4\xc3", b"\xc3\xa4"), "model"),
        (pickle.dumps({"a": 1}), "pickle"),
        (b"\x89HDF\r\n\x1a\n rest", "HDF5"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "WAV"),
        (b"fLaC\0\0", "FLAC"),
        (b"PK\x03\x04 zip", "ZIP"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\0BFM \x04", "Kaldi"),
        (bytes(range(256)), "unknown format"),
    ],
)
def test_other_files_are_refused_and_named(tmp_path, content, words):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=words) as caught:
        load_arrays(path, kind="k")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_foreign_safetensors_are_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"m": np.ones(2)}, tmp_path / "m", metadata={"format": "pt"})
    with pytest.raises(ModelFormatError, match="not one of speakergmm's"):
        load_arrays(tmp_path / "m", kind="k")


@pytest.mark.parametrize("name", ["missing", "folder", "nul\0name"])
def test_paths_that_are_no_file(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelFormatError):
        load_arrays(tmp_path / name, kind="k")
    if name != "missing":
        with pytest.raises(SpeakerGmmError):
            save_arrays(tmp_path / name, ARRAYS, kind="k")


def test_writing_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(SpeakerGmmError, match="folder does not exist"):
        save_arrays(tmp_path / "no" / "m", ARRAYS, kind="k")


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(SpeakerGmmError, match="disk is full"):
        save_arrays("/dev/full", ARRAYS, kind="k")
    assert Path("/dev/full").is_char_device()


def test_a_failing_block_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"old")

    def write_and_fail():
        with atomic_writer(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_and_links_are_kept(tmp_path):
    path, link = tmp_path / "m", tmp_path / "link"
    save_arrays(path, ARRAYS, kind="k")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to("m")
    save_arrays(link, {}, kind="k")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_arrays(path, kind="k")[0] == {}


def test_a_full_disk_leaves_the_old_file_and_no_other(small_disk):
    path = small_disk / "m"
    save_arrays(path, ARRAYS, kind="k")
    with pytest.raises(SpeakerGmmError, match="disk is full") as caught:
        save_arrays(path, {"m": np.ones(100_000)}, kind="k")
    assert "\n" not in str(caught.value)
    assert_same(load_arrays(path, kind="k")[0], ARRAYS)
    assert list(small_disk.iterdir()) == [path]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_file_size_limit_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "m"
    save_arrays(path, ARRAYS, kind="k")
    program = """
import sys, numpy as np
from speakergmm.errors import SpeakerGmmError
from speakergmm.containers import save_arrays
try:
    save_arrays(sys.argv[1], {"m": np.ones(100_000)}, kind="k")
except SpeakerGmmError as error:
    print(error)
"""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "disk is full" in done.stdout
    assert_same(load_arrays(path, kind="k")[0], ARRAYS)
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_for_a_file_is_tried_without_touching_it(tmp_path):
    path = tmp_path / "m"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    check_writable(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    for wrong, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "m", "folder does not exist"),
        (f"{tmp_path}/\0", "NUL"),
        (path / "below", "cannot be written"),
    ):
        with pytest.raises(SpeakerGmmError, match=words) as caught:
            check_writable(wrong)
        assert "\n" not in str(caught.value)


def test_messages_are_english(tmp_path):
    save_arrays(tmp_path / "a", {"x": np.zeros(1)}, kind="outlier detector")
    with pytest.raises(ModelFormatError, match="is an outlier detector, not a mixture"):
        load_arrays(tmp_path / "a", kind="mixture")
    with pytest.raises(ModelFormatError, match="no such file; an example was expected"):
        load_arrays(tmp_path / "b", kind="example")


@pytest.mark.slow
@pytest.mark.parametrize(
    "metadata",
    [
        {"seed": 10**25},
        {"seed": -(10**25)},
        {1: "a", "1": "b"},
        {"a": json.loads("[" * 70 + "]" * 70)},
        {"escaped thrice": "\\" * (1 << 23)},
    ],
    ids=["large", "small", "twice", "deep", "long"],
)
def test_what_could_not_be_read_is_not_written(metadata, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(InvalidInputError, match=r"^metadata of an example "):
        save_arrays(path, {"x": np.zeros(2)}, kind="example", metadata=metadata)
    assert path.read_bytes() == b"old"


def test_names_of_files_that_are_no_utf8_can_be_kept(tmp_path):
    given = {"corpus": "b\udcff", "list": ["\ud800", "\U0001f600"], "\udcfe": {"a": "\udcfd"}}
    save_arrays(tmp_path / "a", {"x": np.zeros(2)}, kind="example", metadata=given)
    kept = {
        "corpus": "b\\udcff",
        "list": ["\\ud800", "\U0001f600"],
        "\\udcfe": {"a": "\\udcfd"},
    }
    assert load_arrays(tmp_path / "a", kind="example")[1] == kept
    assert read_header(tmp_path / "a")["metadata"] == kept
