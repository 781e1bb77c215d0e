"""Transforms of frames against a loop over frames, and the features that Kaldi made."""

import numpy as np
import pytest
from oracles.kaldi_files import speaker_means, text_matrices

from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureTransform
from speakergmm.recognition.imported import read_kaldi_matrix


@pytest.mark.parametrize(
    ("left", "right", "n_frames"), [(0, 0, 5), (2, 1, 9), (3, 3, 2), (1, 0, 1)]
)
def test_frames_are_joined_with_their_neighbours(left, right, n_frames):
    rng = np.random.default_rng(1)
    frames = rng.normal(size=(n_frames, 3))
    matrix, offset = rng.normal(size=(4, 3 * (left + 1 + right))), rng.normal(size=4)
    rows = []
    for t in range(n_frames):
        places = [min(max(t + k, 0), n_frames - 1) for k in range(-left, right + 1)]
        rows.append(matrix @ np.concatenate([frames[place] for place in places]) + offset)
    given = np.hstack([matrix, offset[:, None]])
    found = FeatureTransform.of_matrix(given, 3, left=left, right=right)
    assert (found.n_inputs, found.n_outputs, found.width) == (3, 4, left + 1 + right)
    np.testing.assert_allclose(found(frames), rows, rtol=1e-6, atol=1e-6)
    assert found(frames).dtype == np.float32
    assert found(frames[:0]).shape == (0, 4)


def test_a_speakers_transform_follows():
    rng = np.random.default_rng(2)
    first = FeatureTransform(rng.normal(size=(2, 9)), rng.normal(size=2), 1, 1)
    own, frames = rng.normal(size=(2, 3)), rng.normal(size=(6, 3))
    found = first.then(own)(frames)
    np.testing.assert_allclose(found, first(frames) @ own[:, :2].T + own[:, 2], rtol=1e-4)
    np.testing.assert_allclose(first.then(own[:, :2])(frames), first(frames) @ own[:, :2].T, 1e-4)
    square = FeatureTransform.of_matrix(own, 2)
    assert square.log_determinant == pytest.approx(np.log(abs(np.linalg.det(own[:, :2]))))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInputError, match="only a square matrix"):
        _ = FeatureTransform(np.ones((2, 3)), np.zeros(2)).log_determinant
    with pytest.raises(InvalidInputError, match="takes 3 features per frame, found 4"):
        FeatureTransform(np.ones((2, 3)), np.zeros(2))(np.zeros((5, 4)))
    with pytest.raises(InvalidInputError, match=r"needs 39 columns, or one more .* \(2, 38\)"):
        FeatureTransform.of_matrix(np.ones((2, 38)), 13, left=1, right=1)
    with pytest.raises(InvalidInputError, match=r"\(E, 3 D\)"):
        FeatureTransform(np.ones((2, 4)), np.zeros(2), 1, 1)
    with pytest.raises(InvalidInputError, match="matrix of a transform must be finite"):
        FeatureTransform([[np.nan]], [0.0])
    with pytest.raises(InvalidInputError, match="left must be a whole number >= 0"):
        FeatureTransform([[1.0]], [0.0], left=-1)


def test_features_are_those_of_kaldi(data_dir):
    kaldi = data_dir / "kaldi_reference"
    features = {n: np.load(kaldi / "features" / f"{n}.npz") for n in ("mfcc", "lda_mllt", "fmllr")}
    rows = (line.split() for line in (kaldi / "features" / "utt2spk").read_text().splitlines())
    means = speaker_means(kaldi / "features" / "cmvn_stats.txt")
    own = text_matrices(kaldi / "cases" / "fmllr" / "full_test_trans.txt")
    matrix = read_kaldi_matrix(kaldi / "tri2b" / "final.mat")
    transform = FeatureTransform.of_matrix(matrix, 13, left=3, right=3)
    n_adapted = 0
    for name, speaker in rows:
        centred = features["mfcc"][name] - means[speaker]
        true = features["lda_mllt"][name]
        np.testing.assert_allclose(transform(centred), true, rtol=0, atol=1e-5)
        if name in features["fmllr"]:
            n_adapted += 1
            adapted = transform.then(own[speaker])(centred)
            np.testing.assert_allclose(adapted, features["fmllr"][name], rtol=0, atol=1.5e-5)
    assert n_adapted == 6
