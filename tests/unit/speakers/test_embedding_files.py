"""Embeddings from elsewhere: arrays with names, archives of Kaldi, its PLDA, and damage."""

import io

import kaldiio
import numpy as np
import pytest

from speakergmm.errors import CorpusError
from speakergmm.speakers import read_embeddings, read_kaldi_plda

VECTORS = {"a-1": [0.5, -1.0, 2.0], "b-1": [1.5, 0.25, 3.0], "a-2": [0.0, 1.0, -1.0]}
SPEAKERS = "a-1 ana\nb-1 bea\na-2 ana\n"


def matrix():
    return np.array(list(VECTORS.values()))


@pytest.fixture
def archives(tmp_path):
    """The same vectors in each format, by kaldiio, an independent writer."""
    for name, dtype in (("float", np.float32), ("double", np.float64)):
        vectors = {key: np.array(value, dtype) for key, value in VECTORS.items()}
        kaldiio.save_ark(str(tmp_path / f"{name}.ark"), vectors, scp=str(tmp_path / f"{name}.scp"))
    kaldiio.save_ark(
        str(tmp_path / "text.ark"), {k: np.array(v) for k, v in VECTORS.items()}, text=True
    )
    np.save(tmp_path / "array.npy", matrix().astype(np.float32))
    (tmp_path / "array.ids").write_text("".join(f"{name}\n" for name in VECTORS))
    (tmp_path / "utt2spk").write_text(SPEAKERS)
    return tmp_path


@pytest.mark.parametrize(
    "file", ["float.ark", "double.ark", "text.ark", "float.scp", "double.scp", "array.npy"]
)
def test_every_format_holds_the_same(archives, file):
    found = read_embeddings(archives / file, speakers=archives / "utt2spk")
    assert found.names == tuple(VECTORS)
    assert found.speakers == ("ana", "bea", "ana")
    assert found.vectors.dtype == np.float64
    np.testing.assert_array_equal(found.vectors, matrix())
    np.testing.assert_array_equal(found.rows(["b-1", "a-1"]), matrix()[[1, 0]])
    assert read_embeddings(archives / file).speakers is None
    with pytest.raises(CorpusError, match="there is no embedding of 'x'"):
        found.rows(["x"])


def test_names_of_rows_may_state_speakers(archives):
    found = read_embeddings(archives / "array.npy", ids=archives / "utt2spk")
    assert found.speakers == ("ana", "bea", "ana")
    (archives / "half").write_text("a-1 ana\nb-1\na-2 ana\n")
    with pytest.raises(CorpusError, match="half: states no speaker of 'b-1'"):
        read_embeddings(archives / "array.npy", ids=archives / "half")


def test_what_does_not_match_is_refused(archives):
    (archives / "short").write_text("a-1\n")
    with pytest.raises(CorpusError, match=r"has 3 embeddings, .*short 1 names"):
        read_embeddings(archives / "array.npy", ids=archives / "short")
    (archives / "twice").write_text("a-1\na-1\na-2\n")
    with pytest.raises(CorpusError, match="twice:2"):
        read_embeddings(archives / "array.npy", ids=archives / "twice")
    with pytest.raises(CorpusError, match=r"only .npy files take ids"):
        read_embeddings(archives / "float.ark", ids=archives / "short")
    (archives / "short").write_text("a-1 ana\na-2 ana\n")
    with pytest.raises(CorpusError, match="short: states no speaker of 'b-1'"):
        read_embeddings(archives / "float.ark", speakers=archives / "short")
    with pytest.raises(CorpusError, match="missing"):
        read_embeddings(archives / "missing.ark")


@pytest.mark.parametrize("text", [False, True])
def test_mixed_dimensions_and_numbers_that_are_none_are_refused(tmp_path, text):
    path = str(tmp_path / "mixed.ark")
    kaldiio.save_ark(path, {"a": np.ones(3), "b": np.ones(2)}, text=text)
    with pytest.raises(CorpusError, match="'b' has 2 dimensions, those before it have 3"):
        read_embeddings(path)
    kaldiio.save_ark(path, {"a": np.array([1.0, np.nan])}, text=text)
    with pytest.raises(CorpusError, match="NaN"):
        read_embeddings(path)
    kaldiio.save_ark(path, {"a": np.ones((2, 2))}, text=False)
    with pytest.raises(CorpusError, match="'a' is no vector in binary form"):
        read_embeddings(path)


def test_bad_arrays_are_refused(archives):
    path = archives / "array.npy"
    whole = path.read_bytes()
    for content in (b"", whole[:5], whole[:-1], b"PK" + whole):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match="is no whole array of numbers"):
            read_embeddings(path)
    for array, reason in (
        (np.ones(3), "one embedding per row, found shape"),
        (np.array([[1.0], [np.inf], [0.0]]), "row 1 holds numbers that are NaN or infinite"),
        (np.array([[None], [1], [2]], object), "is no whole array of numbers"),
        (np.array([["a"], ["b"], ["c"]]), "is no whole array of numbers"),
    ):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(CorpusError, match=reason):
            read_embeddings(path)


@pytest.mark.parametrize("file", ["float.ark", "double.ark", "text.ark"])
def test_an_archive_that_is_cut_anywhere_is_refused_or_whole_up_to_there(archives, file):
    content = (archives / file).read_bytes()
    cut = archives / "cut.ark"
    messages, whole = [], []
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        try:
            found = read_embeddings(cut)
        except CorpusError as error:
            messages.append(str(error))
        else:
            np.testing.assert_array_equal(found.vectors, matrix()[: len(found)])
            whole.append(length)
    assert all("cut.ark" in message and message.isprintable() for message in messages)
    assert 2 <= len(whole) <= 5  # the ends of vectors, and of lines


def test_kaldi_s_plda_is_the_same_in_both_forms(data_dir):
    folder = data_dir / "kaldi_reference" / "ivector"
    binary, text = read_kaldi_plda(folder / "plda"), read_kaldi_plda(folder / "plda.txt")
    np.testing.assert_allclose(binary.mean, text.mean, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(binary.within, text.within, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(binary.between, text.between, rtol=1e-4, atol=1e-5)


def kaldi_plda(mean, transform, psi):
    file = io.BytesIO()
    file.write(b"\0B<Plda> ")
    for part in (mean, transform, psi):
        array = np.asarray(part, "<f8")
        file.write(b"DV " if array.ndim == 1 else b"DM ")
        for size in array.shape:
            file.write(b"\4" + int(size).to_bytes(4, "little"))
        file.write(array.tobytes())
    return file.getvalue() + b"</Plda> "


def test_kaldi_s_plda_has_the_covariances_of_its_transform(tmp_path):
    rng = np.random.default_rng(3)
    transform, psi = rng.normal(size=(3, 3)), np.array([2.0, 1.0, 0.0])
    content = kaldi_plda(np.ones(3), transform, psi)
    (tmp_path / "plda").write_bytes(content)
    found = read_kaldi_plda(tmp_path / "plda")
    np.testing.assert_allclose(transform @ found.within @ transform.T, np.eye(3), atol=1e-10)
    np.testing.assert_allclose(transform @ found.between @ transform.T, np.diag(psi), atol=1e-10)
    for length in range(0, len(content), 7):
        (tmp_path / "plda").write_bytes(content[:length])
        with pytest.raises(CorpusError, match=r"is no (whole )?PLDA of Kaldi"):
            read_kaldi_plda(tmp_path / "plda")
    for parts in (
        (np.ones(2), transform, psi),
        (np.ones(3), np.ones((3, 3)), psi),
        (np.ones(3), transform, -psi - 1),
        (np.ones(3) * np.nan, transform, psi),
    ):
        (tmp_path / "plda").write_bytes(kaldi_plda(*parts))
        with pytest.raises(CorpusError, match="is no whole PLDA of Kaldi"):
            read_kaldi_plda(tmp_path / "plda")
    (tmp_path / "plda").write_text("<Plda> 1 [ 2 ] </Plda>")
    with pytest.raises(CorpusError, match=r"a vector must begin with \["):
        read_kaldi_plda(tmp_path / "plda")
