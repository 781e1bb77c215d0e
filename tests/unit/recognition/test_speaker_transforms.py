"""Transforms of speakers, from alignments: known distortions and real speech."""

import lzma
from dataclasses import replace

import numpy as np
import pytest
from oracles.spoken import spoken_world

from speakergmm.corpora import Utterance
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureTransform
from speakergmm.hmm import Aligner
from speakergmm.recognition import (
    SpeakerTransformWarning,
    adaptation_group,
    align_recordings,
    estimate_speaker_transforms,
    import_model,
)
from speakergmm.run_context import RunContext


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def few(spoken):
    return list(spoken.corpus)[:24]


def gain(model, archive, features, transcripts, found):
    """Gain in log-likelihood per frame by transforms, with their log-determinants."""
    aligner = Aligner(model.models, confidences=False)
    total = n_frames = 0
    for utterance, before, after in zip(archive.utterances, archive, features, strict=True):
        graph = model.compile(transcripts[utterance.id])
        one, two = (aligner.align(graph, X).log_likelihood for X in (before, after))
        total += len(before) * (two - one + found[adaptation_group(utterance)].log_determinant)
        n_frames += len(before)
    return total / n_frames


def matrices(found):
    return {name: each.matrix for name, each in found.items()}


def test_a_known_distortion_is_undone(spoken, few):
    model, said = spoken.model, spoken.transcripts
    d = model.models.n_features
    rng = np.random.default_rng(3)
    affine = np.hstack(
        [0.8 * np.eye(d) + 0.02 * rng.normal(size=(d, d)), 0.3 * rng.normal(size=(d, 1))]
    )
    other = replace(model, transform=FeatureTransform.of_matrix(affine, d))
    options = {"n_passes": 2, "min_frames": 200}
    with model.extract(few) as plain, other.extract(few) as distorted:
        own = estimate_speaker_transforms(model, plain, said, **options)
        found = estimate_speaker_transforms(model, distorted, said, **options)
        assert list(own) == list(dict.fromkeys(map(adaptation_group, plain.utterances)))
        assert all(each.is_estimated for each in own.values())
        gains = [
            gain(model, archive, archive.adapted(matrices(each)), said, each)
            for archive, each in ((plain, own), (distorted, found))
        ]
        # The best transform of distorted features undoes the distortion, whatever it is.
        loss = gain_of_distortion(model, plain, distorted, said)
        volume = np.linalg.slogdet(affine[:, :d])[1]
        assert gains[0] > 0.5
        assert gains[1] + loss + volume == pytest.approx(gains[0], abs=0.1)


def gain_of_distortion(model, plain, distorted, transcripts):
    """Log-likelihood per frame that distorted features have more than plain ones."""
    aligner = Aligner(model.models, confidences=False)
    scores = []
    for archive in (plain, distorted):
        found = [
            len(X) * aligner.align(model.compile(transcripts[u.id]), X).log_likelihood
            for u, X in zip(archive.utterances, archive, strict=True)
        ]
        scores.append(sum(found) / archive.n_frames)
    return scores[1] - scores[0]


def test_short_speakers_keep_the_identity_unless_a_prior_holds_them(spoken, few):
    model, said = spoken.model, spoken.transcripts
    alone = [replace(few[0], speaker=None)]
    name = adaptation_group(alone[0])
    with model.extract(alone) as archive:
        with pytest.warns(SpeakerTransformWarning, match=f"1 of 1 speakers .* 10000 .*: {name}"):
            unit = estimate_speaker_transforms(model, archive, said, min_frames=1e4)[name]
        assert not unit.is_estimated
        assert 0 < unit.count < archive.n_frames  # without silence
        distances = []
        for prior_frames in (100, 1e3, 1e5):
            given = {"min_frames": 0, "prior_frames": prior_frames}
            found = estimate_speaker_transforms(model, archive, said, **given)[name]
            assert found.is_estimated
            distances.append(np.linalg.norm(found.matrix - unit.matrix))
    assert distances[0] > 2 * distances[1] > 20 * distances[2] > 0


def test_utterances_without_a_path_or_words_are_left_out(spoken, few):
    model = spoken.model
    said = {few[0].id: spoken.transcripts[few[0].id], few[1].id: ("none",) * 3}
    heard = []
    with model.extract(few[:3]) as archive:
        context = RunContext(on_skip=heard.append)
        given = {"min_frames": 0, "kind": "offset", "run": context}
        found = estimate_speaker_transforms(model, archive, said, **given)
        without = {few[0].id: said[few[0].id]}
        alone = estimate_speaker_transforms(model, archive, without, **given)
        group = adaptation_group(few[0])
        np.testing.assert_array_equal(found[group].matrix, alone[group].matrix)
        assert [skipped.path for skipped in heard] == [few[1].path]


def test_the_speaker_whose_features_do_not_vary_is_named(spoken, few):
    d = spoken.model.models.n_features
    matrix = np.eye(d)
    matrix[1] = matrix[0]
    model = replace(spoken.model, transform=FeatureTransform(matrix, np.zeros(d)))
    name = adaptation_group(few[0])
    with model.extract(few[:1]) as archive:
        message = rf"^{name}: a full transform: .* in \d+ of {d + 1} directions"
        with pytest.raises(InsufficientDataError, match=message):
            estimate_speaker_transforms(model, archive, spoken.transcripts, min_frames=0)


def test_alignments_of_two_passes(spoken, few):
    model, said = spoken.model, spoken.transcripts
    with model.extract(few) as archive:
        found = estimate_speaker_transforms(model, archive, said)
        frames = archive.adapted(matrices(found))
        plain = list(align_recordings(model, few, said))
        aligned = list(align_recordings(model, few, said, speaker_transforms="full"))
        for place, (item, before) in enumerate(zip(aligned, plain, strict=True)):
            graph = model.compile(said[item.utterance.id])
            again = Aligner(model.models).align(graph, frames[place])
            assert [s[:3] for s in item.alignment.phones] == [s[:3] for s in again.phones]
            volume = found[adaptation_group(item.utterance)].log_determinant
            assert item.alignment.log_likelihood == pytest.approx(again.log_likelihood + volume)
            assert item.alignment.log_likelihood > before.alignment.log_likelihood
            per_frame = item.alignment.frame_log_likelihoods - again.frame_log_likelihoods
            np.testing.assert_allclose(per_frame, volume, atol=1e-3)


def test_real_speech_becomes_more_likely(data_dir, tmp_path):
    kaldi, audio = data_dir / "kaldi_reference", data_dir / "librispeech"
    rows = (line.split() for line in (kaldi / "features" / "text").read_text().splitlines())
    said = {name: words for name, *words in rows if name.split("-")[0] in ("367", "1688")}
    lines = lzma.decompress((kaldi / "lang" / "lexiconp.txt.xz").read_bytes()).decode().splitlines()
    wanted = {word for words in said.values() for word in words}
    lexicon = tmp_path / "lexiconp.txt"
    lexicon.write_text("\n".join(line for line in lines if line.split()[0] in wanted))
    lang = kaldi / "lang"
    model = import_model(
        kaldi / "mono", lexicon, phones=lang / "phones.txt", options=lang / "mfcc.conf"
    )
    utterances = [
        Utterance(name, next(audio.rglob(f"{name}.*")), name.split("-")[0]) for name in said
    ]
    with model.extract(utterances) as archive:
        gains = {}
        for kind in ("offset", "diagonal", "full"):
            found = estimate_speaker_transforms(model, archive, said, kind=kind)
            assert set(found) == {"speaker 367", "speaker 1688"}
            features = archive.adapted(matrices(found))
            gains[kind] = gain(model, archive, features, said, found)
    assert 0 < gains["offset"] < gains["diagonal"] < gains["full"]
