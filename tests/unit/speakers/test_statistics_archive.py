"""Statistics archives: the same scores as from audio, without reading it."""

import numpy as np
import pytest

from speakergmm.corpora import Corpus, Utterance, read_protocol
from speakergmm.corpora.augmentation import as_augmentation
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureExtractor, measure_quality
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    BackgroundModel,
    CalibrationTrials,
    NormalisationOptions,
    SpeakerSystem,
    StatisticsArchive,
    collect_archive,
    collect_statistics,
    fit_calibration,
    make_cohort,
    recording_name,
    run_protocol,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voices):
    folder = tmp_path_factory.mktemp("protocol")
    models = [f"{voice}\t{voices(voice, n)}\n" for voice in (1, 2, 3) for n in (0, 1)]
    (folder / "eval_enroll.tsv").write_text("model\tpath\n" + "".join(models))
    trials = [
        f"{model}\t{voices(voice, 2)}\t{'target' if model == voice else 'nontarget'}\n"
        for model in (1, 2, 3)
        for voice in (1, 2, 3, 4)
        if (model, voice) != (2, 4)
    ]
    (folder / "eval_trials.tsv").write_text("model\tpath\tlabel\n" + "".join(trials))
    return folder


@pytest.fixture
def reads(monkeypatch):
    """The recordings whose features are computed."""
    found = []
    stream = FeatureExtractor.stream

    def counted(self, audio, **options):
        found.append(str(audio))
        return stream(self, audio, **options)

    monkeypatch.setattr(FeatureExtractor, "stream", counted)
    return found


def test_statistics_are_those_of_the_recordings(background, voices):
    archive = collect_archive(background, [voices(1, 0), voices(2, 0)], engine=1)
    assert archive.names == (str(voices(1, 0)), str(voices(2, 0)))
    for name in archive.names:
        expected = collect_statistics(background, name)
        found = archive.session(name)
        assert (found.seconds, found.speech_seconds, found.n_frames) == (
            expected.seconds,
            expected.speech_seconds,
            expected.n_frames,
        )
        for part in ("counts", "first_order", "log_likelihood", "n_frames"):
            np.testing.assert_allclose(
                getattr(archive.statistics(name), part),
                getattr(expected.statistics, part),
                rtol=1e-6,
                atol=1e-30,
            )


@pytest.mark.parametrize("backend", ["gmm-ubm", "linear"])
@pytest.mark.parametrize("normalisation", ["none", "s"])
def test_scores_are_those_of_the_audio_and_nothing_is_read(
    background, background_corpus, folder, reads, backend, normalisation
):
    system = SpeakerSystem(background, backend_name=backend)
    if normalisation != "none":
        cohort = make_cohort(background_corpus, background, system.backend, tests_per_speaker=1)
        system = system.replace(
            cohort=cohort, normalisation=NormalisationOptions(normalisation=normalisation)
        )
    split = read_protocol(folder).splits["eval"]
    expected = run_protocol(folder, system)
    archive = collect_archive(background, split)
    reads.clear()
    found = run_protocol(folder, system, statistics=archive)
    tests = {str(path) for path in split.test_paths()}
    assert set(reads) == (set() if backend == "linear" else tests)
    assert len(reads) == len(set(reads))
    np.testing.assert_array_equal(found.model_names, expected.model_names)
    np.testing.assert_array_equal(found.paths, expected.paths)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


def test_what_an_archive_lacks_is_read(background, folder, reads, voices):
    expected = run_protocol(folder, background, backend="linear")
    some = collect_archive(background, [voices(1, 0), voices(4, 2)])
    reads.clear()
    found = run_protocol(folder, background, statistics=some, backend="linear")
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
    assert len(reads) == len(set(reads)) == 6 + 4 - 2
    assert not {str(voices(1, 0)), str(voices(4, 2))} & set(reads)


def test_a_file_is_made_and_completed(tmp_path, background, folder, reads, voices):
    path = tmp_path / "all.statistics"
    expected = run_protocol(folder, background)
    run_protocol(folder, background, statistics=path)
    assert len(StatisticsArchive.load(path)) == 6
    reads.clear()
    linear = run_protocol(folder, background, statistics=path, backend="linear")
    assert sorted(reads) == sorted(str(voices(voice, 2)) for voice in (1, 2, 3, 4))
    assert len(StatisticsArchive.load(path)) == 10
    written = path.stat().st_mtime_ns
    reads.clear()
    again = run_protocol(folder, background, statistics=path, backend="linear")
    assert not reads
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(again.scores, linear.scores)
    exact = run_protocol(folder, background, statistics=path)
    np.testing.assert_allclose(exact.scores, expected.scores, rtol=1e-4, atol=1e-5)


def test_a_file_that_has_changed_is_read_again(tmp_path, background, voices, reads):
    content = voices(1, 0).read_bytes()
    (tmp_path / "a.wav").write_bytes(content)
    archive = collect_archive(background, [tmp_path / "a.wav"])
    (tmp_path / "a.wav").write_bytes(voices(2, 0).read_bytes())
    reads.clear()
    newer = collect_archive(background, [tmp_path / "a.wav"], known=archive)
    assert reads == [str(tmp_path / "a.wav")]
    expected = collect_statistics(background, voices(2, 0)).statistics
    np.testing.assert_allclose(
        newer.statistics(str(tmp_path / "a.wav")).counts, expected.counts, rtol=1e-6
    )
    # Statistics of a file that is not there any more are used.
    (tmp_path / "a.wav").unlink()
    assert newer.has(Utterance("a", tmp_path / "a.wav", None))


def test_versions_of_a_recording_are_those_of_enrolment(background, folder, reads, voices):
    several = BackgroundModel(
        background.mixture, background.features, {}, as_augmentation("clean,telephone")
    )
    wav = voices(1, 0)
    clean = collect_archive(several, [wav])
    archive = collect_archive(several, [wav], augmented=True, known=clean)
    assert archive.names == (str(wav), str(wav))
    for augmented, n_versions in ((False, 1), (True, 2)):
        found = archive.statistics(str(wav), augmented=augmented)
        expected = collect_statistics(several, wav, augmented=augmented).statistics
        np.testing.assert_allclose(found.first_order, expected.first_order, rtol=1e-5, atol=1e-5)
        assert n_versions - 1 < found.n_frames / clean.n_frames[0] <= n_versions
    # Scores of a protocol: enrolled in all versions, tested as they are.
    split = read_protocol(folder).splits["eval"]
    whole = collect_archive(several, split)
    whole = collect_archive(several, split, augmented=True, known=whole)
    expected = run_protocol(folder, several, backend="linear")
    reads.clear()
    found = run_protocol(folder, several, statistics=whole, backend="linear")
    assert not reads
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_calibrated_trials_need_no_audio_either(
    tmp_path, background, folder, voices, reads, monkeypatch
):
    """Measures of trials come from the archive: the second run finds no recordings at all."""
    expected = run_protocol(folder, background, backend="linear", measures=True)
    plain = tmp_path / "plain"
    run_protocol(folder, background, backend="linear", statistics=plain)
    run_protocol(folder, background, backend="linear", statistics=plain, measures=True)
    assert (StatisticsArchive.load(plain).quality[:, 0] >= 0).all()
    reads.clear()
    unread = "speakergmm.speakers.trial_measures.measure_quality"
    monkeypatch.setattr(unread, lambda *_, **__: pytest.fail("a recording is measured again"))
    found = run_protocol(folder, background, backend="linear", statistics=plain, measures=True)
    assert not reads
    assert list(found.conditions) == list(expected.conditions)
    for name, values in expected.conditions.items():
        np.testing.assert_allclose(
            found.conditions[name].astype(float), values.astype(float), rtol=1e-4, atol=1e-4
        )
    # Ratios are those of the same measures.
    rng = np.random.default_rng(3)
    names = np.array([f"d{n}" for n in range(8)], object)
    models, tests = np.repeat(names, 40), np.tile(names, 40)
    snr = rng.uniform(10, 40, 320)
    scores = rng.normal(np.where(models == tests, 2.0, 0.0)) + 0.1 * snr
    trials = CalibrationTrials(scores, models == tests, models, tests, {"test_snr_db": snr})
    made = SpeakerSystem(background, backend_name="linear").replace(
        calibration=fit_calibration(trials)
    )
    ratios = run_protocol(folder, made, statistics=plain, llr=True)
    assert not reads
    measured = {"test_snr_db": expected.conditions["test_snr_db"].astype(float)}
    wanted = made.calibration.llr(expected.scores, measured)
    np.testing.assert_allclose(ratios.scores, wanted, rtol=1e-4, atol=1e-4)


def test_an_archive_of_before_measures_is_completed(tmp_path, background, voices):
    plain = collect_archive(background, [voices(1, 0)])
    assert not plain.session(plain.names[0]).measures
    found = collect_archive(background, [voices(1, 0), voices(1, 1)], measured=True, known=plain)
    found.save(tmp_path / "a")
    for name in found.names:
        wanted = measure_quality(name, config=background.features).to_dict()
        assert StatisticsArchive.load(tmp_path / "a").session(name).measures == wanted


def test_parts_of_recordings_are_kept_apart(background, voices):
    parts = [
        Utterance(name, voices(1, 0), "ana", start, end)
        for name, start, end in (("a", 0.0, 0.6), ("b", 0.6, None))
    ]
    archive = collect_archive(background, Corpus(tuple(parts), source="parts"))
    assert archive.names == (f"{voices(1, 0)}@0.0-0.6", f"{voices(1, 0)}@0.6-")
    for part in parts:
        expected = collect_statistics(background, voices(1, 0), start=part.start, end=part.end)
        assert archive.session(recording_name(part)).n_frames == expected.n_frames


def test_archives_are_merged_by_recording(background, voices):
    one = collect_archive(background, [voices(1, 0), voices(1, 1)])
    two = collect_archive(background, [voices(1, 1), voices(2, 0)])
    both = one.merged(two)
    assert both.names == tuple(str(voices(*each)) for each in ((1, 0), (1, 1), (2, 0)))
    for name in both.names:
        source = two if name in two.names else one
        np.testing.assert_array_equal(
            both.statistics(name).first_order, source.statistics(name).first_order
        )


def test_another_background_is_refused_with_both_names(
    background, other_background, folder, voices
):
    one = collect_archive(background, [voices(1, 0)])
    other = collect_archive(other_background, [voices(1, 0)])
    for call, found, wanted in (
        (lambda: one.merged(other), other_background, background),
        (lambda: run_protocol(folder, other_background, statistics=one), background, None),
        (lambda: collect_archive(other_background, [voices(1, 0)], known=one), background, None),
    ):
        wanted = wanted or other_background
        words = f"{found.digest[:12]}, not of {wanted.digest[:12]}"
        with pytest.raises(IncompatibleModelError, match=words):
            call()


def test_what_an_archive_cannot_serve_is_refused(tmp_path, background, folder, voices):
    archive = collect_archive(background, [voices(1, 0)])
    with pytest.raises(InvalidInputError, match="second-order statistics"):
        run_protocol(folder, background, statistics=archive, parameters=("means", "variances"))
    with pytest.raises(InvalidInputError, match=r"no statistics of b\.wav"):
        archive.statistics("b.wav")
    (tmp_path / "no.wav").write_text("no audio")
    with pytest.raises(InsufficientDataError, match="none of the recordings"):
        collect_archive(background, [tmp_path / "no.wav"], run=RunContext(on_skip=lambda _: None))


def test_parts_that_contradict_each_other_are_refused(background, voices):
    archive = collect_archive(background, [voices(1, 0), voices(1, 1)])
    parts = {"background_digest": archive.background_digest, "names": archive.names}
    parts |= archive._parts()
    for name, value, words in (
        ("names", ("a",), "1 recordings"),
        ("names", ("a", "a"), "each recording once"),
        ("n_frames", archive.n_frames * 2, "must sum"),
        ("first_order", archive.first_order * np.nan, "finite"),
        ("seconds", -archive.seconds, "seconds of an archive"),
        ("occupancy", archive.occupancy[:, :2], "do not fit"),
        ("quality", archive.quality[:, :2], "is 5 numbers"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            StatisticsArchive(**parts | {name: value})


def test_an_archive_is_kept_in_a_file(tmp_path, background, voices):
    archive = collect_archive(background, [voices(1, 0), voices(1, 1)])
    archive.save(tmp_path / "a")
    found = StatisticsArchive.load(tmp_path / "a")
    assert repr(found) == "StatisticsArchive(2 recordings, 8 components, 60 features)"
    for name, part in archive._parts().items():
        np.testing.assert_array_equal(getattr(found, name), part)
