"""Features from and to Kaldi's archives, with Kaldi's own code as the oracle."""

import contextlib
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from speakergmm.errors import CorpusError, InvalidInputError, SpeakerGmmError
from speakergmm.features import ArchivePlace, FeatureConfig, FeatureStore, read_matrix
from speakergmm.run_context import RunContext

native = pytest.importorskip("kaldi_native_io", reason="Kaldi's input and output in C++")

LENGTHS = {"ana-1": 40, "ana-2": 25, "bo-1": 31}
SPEAKERS = {"ana-1": "ana", "ana-2": "ana", "bo-1": "bo"}


@pytest.fixture(scope="module")
def matrices():
    rng = np.random.default_rng(0)
    return {
        name: (10 * rng.normal(size=(length, 13))).astype(np.float32)
        for name, length in LENGTHS.items()
    }


def write_lists(folder):
    folder.mkdir(exist_ok=True)
    lines = [f"{name} {speaker}\n" for name, speaker in SPEAKERS.items()]
    (folder / "utt2spk").write_text("".join(lines))
    return folder


@pytest.fixture
def kaldi(matrices, tmp_path):
    folder = write_lists(tmp_path / "kaldi")
    with native.FloatMatrixWriter(f"ark,scp:{folder}/feats.ark,{folder}/feats.scp") as file:
        for name, values in matrices.items():
            file.write(name, values)
    return folder


def assert_holds(store, matrices):
    assert [each.id for each in store.utterances] == list(matrices)
    for name, values in matrices.items():
        np.testing.assert_array_equal(store.read(name).values, values)


def test_reads_what_kaldi_writes(kaldi, matrices, tmp_path):
    store = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store")
    for found in (store, FeatureStore.open(tmp_path / "store")):
        assert_holds(found, matrices)
        assert found.speakers == ("ana", "bo")
        assert found.read("bo-1").speech.all()
        assert found.corpus.speakers == found.speakers
    with pytest.raises(SpeakerGmmError, match="not known how its features were computed"):
        _ = store.config
    known = FeatureStore.from_kaldi(
        kaldi / "feats.scp", tmp_path / "known", features="kaldi", dtype="float16"
    )
    assert known.config.name == "kaldi"
    np.testing.assert_array_equal(
        known.read("ana-1").values, matrices["ana-1"].astype(np.float16).astype(np.float32)
    )
    with pytest.raises(InvalidInputError, match="13 columns"):
        FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "wrong", features="speaker")
    with pytest.raises(InvalidInputError, match="is a feature store already"):
        FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store")


def test_kaldi_reads_what_is_written(kaldi, matrices, tmp_path):
    store = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store")
    store.to_kaldi(tmp_path / "out")
    with native.SequentialFloatMatrixReader(f"scp:{tmp_path}/out/feats.scp") as found:
        read = {name: np.array(values) for name, values in found}
    assert list(read) == sorted(matrices)
    for name, values in matrices.items():
        np.testing.assert_array_equal(read[name], values)
    with native.RandomAccessFloatVectorReader(f"scp:{tmp_path}/out/vad.scp") as found:
        assert all(np.asarray(found[name]).all() for name in matrices)
    for name in ("utt2spk", "spk2utt", "utt2num_frames"):
        assert (tmp_path / "out" / name).read_text().count("ana-2") == 1
    again = FeatureStore.from_kaldi(tmp_path / "out" / "feats.scp", tmp_path / "again")
    assert_holds(again, matrices)
    with pytest.raises(SpeakerGmmError, match="exists"):
        store.to_kaldi(tmp_path / "out")


@pytest.mark.parametrize("method", ["kSpeechFeature", "kTwoByteAuto", "kOneByteAuto"])
def test_compressed_matrices_are_as_kaldi_decompresses_them(matrices, tmp_path, method):
    folder = write_lists(tmp_path / "kaldi")
    places = f"{folder}/feats.ark,{folder}/feats.scp"
    with native.CompressedMatrixWriter(f"ark,scp:{places}") as file:
        for name, values in matrices.items():
            file.write(name, values, getattr(native.CompressionMethod, method))
    store = FeatureStore.from_kaldi(folder / "feats.scp", tmp_path / "store")
    with native.SequentialFloatMatrixReader(f"scp:{folder}/feats.scp") as found:
        for name, values in found:
            np.testing.assert_allclose(store.read(name).values, np.array(values), atol=2e-5)


def test_decisions_about_speech_and_ranges_of_rows(kaldi, matrices, tmp_path):
    speech = {name: np.arange(len(values)) % 3 > 0 for name, values in matrices.items()}
    with native.FloatVectorWriter(f"ark,scp:{kaldi}/vad.ark,{kaldi}/vad.scp") as file:
        for name, decisions in speech.items():
            file.write(name, decisions.astype(np.float32))
    store = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store")
    for name, decisions in speech.items():
        np.testing.assert_array_equal(store.read(name).speech, decisions)
    (kaldi / "vad.scp").unlink()
    text = (kaldi / "feats.scp").read_text().splitlines()
    (kaldi / "feats.scp").write_text("".join(f"{line}[3:9]\n" for line in text))
    part = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "part")
    assert_holds(part, {name: values[3:10] for name, values in matrices.items()})


def test_weights_go_to_kaldi_and_come_back(kaldi, matrices, tmp_path):
    rng = np.random.default_rng(1)
    weights = {name: rng.random(len(v)).astype(np.float32) for name, v in matrices.items()}
    with native.FloatVectorWriter(f"ark,scp:{kaldi}/weights.ark,{kaldi}/weights.scp") as file:
        for name, values in weights.items():
            file.write(name, values)
    config = FeatureConfig.preset("kaldi").replace(frame_weights="local_snr")
    given = {"features": config, "dtype": "float16"}
    store = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store", **given)
    store.to_kaldi(tmp_path / "out")
    with native.RandomAccessFloatVectorReader(f"scp:{tmp_path}/out/weights.scp") as found:
        for name, values in weights.items():
            np.testing.assert_array_equal(store.read(name).weights, values)
            np.testing.assert_array_equal(np.asarray(found[name]), values)
    out = tmp_path / "out" / "feats.scp"
    again = FeatureStore.from_kaldi(out, tmp_path / "again")
    np.testing.assert_array_equal(again.read("bo-1").weights, weights["bo-1"])
    with pytest.raises(InvalidInputError, match=r"there is a weights.scp .* 'kaldi' do not have"):
        FeatureStore.from_kaldi(out, tmp_path / "new", features="kaldi")
    (tmp_path / "out" / "weights.scp").unlink()
    with pytest.raises(InvalidInputError, match=r"no weights.scp beside it, .* have weights"):
        FeatureStore.from_kaldi(out, tmp_path / "new", features=config)


@pytest.mark.parametrize("wrong", [-0.1, 1.1])
def test_weights_beyond_their_range_are_refused(kaldi, matrices, tmp_path, wrong):
    with native.FloatVectorWriter(f"ark,scp:{kaldi}/weights.ark,{kaldi}/weights.scp") as file:
        for name, values in matrices.items():
            file.write(name, np.full(len(values), wrong if name == "bo-1" else 0.5, np.float32))
    with pytest.raises(CorpusError, match=r"weights.ark.* weights of frames must lie in 0..1"):
        FeatureStore.from_kaldi(
            kaldi / "feats.scp", tmp_path / "store", run=RunContext(strict=True)
        )


@pytest.mark.parametrize("command", ["touch {} ; cat feats.ark |", "| touch {}", "cat {} |"])
def test_commands_are_never_run(kaldi, tmp_path, command):
    ran = tmp_path / "ran"
    for name in ("feats.scp", "vad.scp"):
        (kaldi / name).write_text(f"ana-1 {command.format(ran)}\n")
        with pytest.raises(CorpusError, match=rf"{name}:1: .*commands are never run"):
            FeatureStore.from_kaldi(kaldi / name, tmp_path / "store")
    assert not ran.exists()


def test_pickles_are_never_loaded(kaldi, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (kaldi / "trap.ark").write_bytes(b"ana-1 PKL" + pickle.dumps(Trap()))
    (kaldi / "feats.scp").write_text("ana-1 trap.ark:6\n")
    with pytest.raises(CorpusError, match="no matrix in Kaldi's binary form"):
        FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ana-1 -", "no place in a file"),
        ("ana-1", "the path is empty"),
        ("ana-1 missing.ark:6", "no such file"),
        ("ana-1 feats.ark:7", "no matrix"),
        ("ana-1 feats.ark:99999999", "no matrix"),
        ("ana-1 feats.ark:6[9:3]", "the last row is before the first"),
        ("ana-1 feats.ark:6[0:40]", "40 rows only"),
        ("ana-1 ../x.ark:6", "leaves the data folder"),
        ("ana-1 feats.ark:6\nana-1 feats.ark:6", "is on line 1 too"),
        ("", "lists nothing"),
    ],
)
def test_wrong_lists_are_refused(kaldi, tmp_path, line, words):
    (kaldi / "feats.scp").write_text(line + "\n")
    with pytest.raises(SpeakerGmmError, match=words) as caught:
        FeatureStore.from_kaldi(
            kaldi / "feats.scp", tmp_path / "store", run=RunContext(strict=True)
        )
    assert "\n" not in str(caught.value)


def test_a_text_archive_is_refused_with_the_remedy(kaldi, tmp_path):
    (kaldi / "t.ark").write_text("ana-1  [\n 1 2\n 3 4 ]\n")
    with pytest.raises(CorpusError, match="copy-feats"):
        read_matrix(ArchivePlace(kaldi / "t.ark", 6, None))


def test_a_damaged_matrix_is_left_out_and_named(kaldi, matrices, tmp_path):
    bad = matrices["bo-1"].copy()
    bad[3, 4] = np.nan
    with native.FloatMatrixWriter(f"ark,scp:{kaldi}/feats.ark,{kaldi}/feats.scp") as file:
        file.write("ana-1", matrices["ana-1"])
        file.write("ana-2", bad)
        file.write("bo-1", matrices["bo-1"])
    content = (kaldi / "feats.ark").read_bytes()
    (kaldi / "feats.ark").write_bytes(content[:-1])
    lines = (kaldi / "feats.scp").read_text().splitlines(keepends=True)
    (kaldi / "feats.scp").write_text("".join([lines[1], lines[0], lines[2]]))
    heard = []
    store = FeatureStore.from_kaldi(
        kaldi / "feats.scp", tmp_path / "store", run=RunContext(on_skip=heard.append)
    )
    assert_holds(store, {"ana-1": matrices["ana-1"]})
    assert [each.affected for each in heard] == [("ana-2",), ("bo-1",)]
    assert "NaN" in heard[0].message
    assert "cut or damaged" in heard[1].message


@pytest.mark.parametrize("compressed", [False, True])
def test_any_damage_is_refused_or_a_matrix(matrices, tmp_path, compressed):
    """Bytes changed and cut at random: an error of the package, and never another."""
    path = tmp_path / "a.ark"
    if compressed:
        with native.CompressedMatrixWriter(f"ark:{path}") as file:
            file.write("ana-1", matrices["ana-1"], native.CompressionMethod.kSpeechFeature)
    else:
        with native.FloatMatrixWriter(f"ark:{path}") as file:
            file.write("ana-1", matrices["ana-1"])
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(300):
        wrong = bytearray(content)
        for place in rng.integers(30 if number % 2 else len(content), size=2):
            wrong[place] = rng.integers(256)
        path.write_bytes(wrong[: rng.integers(len(wrong))] if number % 3 == 0 else wrong)
        with contextlib.suppress(CorpusError):
            found = read_matrix(ArchivePlace(path, 6, None))
            assert found.dtype == np.float32
            assert np.isfinite(found).all()
            assert found.size <= len(content)


@pytest.mark.parametrize("rows", [-1, -(2**31), 2**14, 2**31 - 1])
@pytest.mark.parametrize("kind", [b"FM", b"DM", b"CM", b"CM2", b"CM3", b"FV"])
def test_a_size_that_a_file_does_not_have_takes_no_memory(tmp_path, kind, rows):
    sizes = [struct.pack("<i", number) for number in (rows, 2**14)]
    head = b"\0B" + kind + b" "
    if kind.startswith(b"C"):
        head += bytes(8) + b"".join(sizes)
    else:
        head += b"".join(b"\4" + size for size in sizes[: 1 if kind == b"FV" else 2])
    path = tmp_path / "a.ark"
    path.write_bytes(head + bytes(20_000))
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match="cut or damaged"):
            read_matrix(ArchivePlace(path, 0, None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * path.stat().st_size + 2**20


def test_a_matrix_that_kaldi_has_written(data_dir):
    folder = data_dir / "kaldi_reference" / "tri2b"
    found = read_matrix(ArchivePlace(folder / "final.mat", 0, None))
    text = (folder / "final.mat.txt").read_text().replace("[", "").replace("]", "")
    true = np.array([line.split() for line in text.splitlines() if line.split()], np.float32)
    np.testing.assert_allclose(found, true, rtol=1e-5, atol=1e-6)


def test_features_that_kaldi_has_computed_come_back_the_same(data_dir, tmp_path):
    made = np.load(data_dir / "kaldi_reference" / "features" / "mfcc.npz")
    speakers = (data_dir / "kaldi_reference" / "features" / "utt2spk").read_text()
    folder = tmp_path / "kaldi"
    folder.mkdir()
    with native.FloatMatrixWriter(f"ark,scp:{folder}/feats.ark,{folder}/feats.scp") as file:
        for name in made.files:
            file.write(name, made[name])
    (folder / "utt2spk").write_text(speakers)
    store = FeatureStore.from_kaldi(folder / "feats.scp", tmp_path / "store", features="kaldi")
    assert_holds(store, {name: made[name] for name in made.files})
    store.to_kaldi(tmp_path / "out")
    assert sorted((tmp_path / "out" / "utt2spk").read_text().splitlines()) == sorted(
        speakers.splitlines()
    )


def write_huge_empty(folder, n_rows):
    """A matrix of many rows and no columns: twenty bytes."""
    size = struct.pack("<bi", 4, n_rows) + struct.pack("<bi", 4, 0)
    (folder / "huge.ark").write_bytes(b"huge \0BFM " + size)
    return f"huge {folder}/huge.ark:5\n"


def test_matrices_without_columns_and_vectors_are_left_out(kaldi, matrices, tmp_path):
    empty = write_huge_empty(kaldi, 2**31 - 1)
    with native.FloatVectorWriter(f"ark,scp:{kaldi}/vec.ark,{kaldi}/vec.scp") as file:
        file.write("vector", np.ones(13, np.float32))
    (kaldi / "utt2spk").unlink()
    scp = kaldi / "feats.scp"
    scp.write_text(empty + (kaldi / "vec.scp").read_text() + scp.read_text())
    skipped = []
    run = RunContext(on_skip=lambda each: skipped.append(str(each)))
    assert_holds(FeatureStore.from_kaldi(scp, tmp_path / "store", run=run), matrices)
    assert "empty matrix, of shape (2147483647, 0)" in skipped[0]
    assert "is a vector of 13 numbers" in skipped[1]
    scp.write_text(empty)
    with pytest.raises(CorpusError, match="empty matrix"):
        FeatureStore.from_kaldi(scp, tmp_path / "none")


def test_names_with_white_space_come_back(kaldi, matrices, tmp_path):
    utterance = "ana maria 1%20"
    (kaldi / "feats.scp").write_text(
        (kaldi / "feats.scp").read_text().replace("ana-1", "ana%20maria%201%2520")
    )
    (kaldi / "utt2spk").write_text("ana%20maria%201%2520 ana%20maria\nana-2 ana%20maria\nbo-1 bo\n")
    store = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store")
    store.to_kaldi(tmp_path / "out")
    again = FeatureStore.from_kaldi(tmp_path / "out" / "feats.scp", tmp_path / "again")
    for found in (store, again):
        assert found.speakers == ("ana maria", "bo")
        np.testing.assert_array_equal(found.read(utterance).values, matrices["ana-1"])


def test_a_shard_of_imported_features_is_no_larger_than_asked_for(kaldi, matrices, tmp_path):
    store = FeatureStore.from_kaldi(kaldi / "feats.scp", tmp_path / "store", shard_frames=60)
    sizes = [path.stat().st_size for path in (tmp_path / "store" / "shards").iterdir()]
    assert len(sizes) == 2  # of 40, and of 25 and 31 frames
    assert_holds(store, matrices)
