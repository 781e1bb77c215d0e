import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import oracles.speakers as oracle
import pytest

from speakergmm.audio import write_audio
from speakergmm.corpora import Corpus, Protocol, Split, Trial, Utterance
from speakergmm.engine import Engine
from speakergmm.errors import AudioError, CorpusError, InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureExtractor
from speakergmm.metrics import equal_error_rate
from speakergmm.mixtures import fit_mixture
from speakergmm.run_context import RunContext, SkippedRecordingWarning
from speakergmm.speakers import (
    LikelihoodScorer,
    NormalisedScorer,
    ScoreMatrix,
    SpeakerScorer,
    adapt_speaker,
    collect_statistics,
    enroll_models,
    fit_speaker_mixtures,
    run_identification,
    run_identification_windows,
    run_protocol,
    train_speaker_mixtures,
    train_split_mixtures,
)

# What is held of recordings in the meantime is not public.
from speakergmm.speakers.extraction import map_grouped_recordings

NAMES = ("ana", "bea", "zoe")


def trials_of(voices):
    """Every model on every recording, in an order that no code sorts by chance."""
    trials = []
    for number in (6, 5):
        for voice, speaker in reversed(list(enumerate(NAMES, start=1))):
            for model in NAMES:
                label = "target" if model == speaker else "nontarget"
                trials.append(Trial(model, voices(voice, number), label, f"{speaker}/{number}"))
    return trials


@pytest.fixture
def protocol(voices):
    enrolment = {
        name: (voices(voice, 0), voices(voice, 1)) for voice, name in enumerate(NAMES, start=1)
    }
    return Protocol(None, {"eval": Split(enrolment, tuple(trials_of(voices)))}, source="voices")


@pytest.fixture
def damaged(protocol, voices, tmp_path):
    """The same with a bad enrolment recording, a model of bad ones only, a bad test recording."""
    (tmp_path / "bad.wav").write_text("text")
    (tmp_path / "bad too.wav").write_text("text")
    write_audio(tmp_path / "silent.wav", np.zeros(9000, dtype=np.float32), 16_000)
    split = protocol.splits["eval"]
    enrolment = dict(split.enrolment)
    enrolment["ana"] = (*enrolment["ana"], tmp_path / "bad.wav")
    enrolment["eva"] = (tmp_path / "bad too.wav",)
    trials = [
        Trial("bea", tmp_path / "silent.wav", "nontarget", "silent"),
        *split.trials,
        Trial("eva", voices(1, 6), "nontarget", "ana/6"),
        Trial("zoe", tmp_path / "silent.wav", "nontarget", "silent"),
    ]
    return Protocol(None, {"eval": Split(enrolment, tuple(trials))}, source="voices")


def frames_of(path):
    return FeatureExtractor("speaker").extract(path).speech_values


def test_conditions_stay_with_the_trials_that_have_a_score(damaged, background):
    split = damaged.splits["eval"]
    ids = [f"{trial.model} {trial.name}" for trial in split.trials]
    marked = Split(split.enrolment, split.trials, {"id": ids})
    with pytest.warns(SkippedRecordingWarning):
        scores = run_protocol(Protocol(None, {"eval": marked}, source="voices"), background)
    expected = [f"{m} {p}" for m, p in zip(scores.models, scores.paths, strict=True)]
    assert scores.condition("id").tolist() == expected
    assert len(scores) == len(ids) - 3


@pytest.mark.slow
@pytest.mark.parametrize("top_c", [None, 3])
def test_scores_are_those_of_the_formula_in_the_order_of_the_list(protocol, background, top_c):
    split = protocol.splits["eval"]
    scores = run_protocol(protocol, background, relevance_factor=5.0, top_c=top_c)
    assert scores.models.tolist() == [trial.model for trial in split.trials]
    assert scores.paths.tolist() == [trial.name for trial in split.trials]
    assert scores.labels.tolist() == [trial.label for trial in split.trials]
    models = {}
    for name, paths in split.enrolment.items():
        sessions = [collect_statistics(background, path).statistics for path in paths]
        models[name] = adapt_speaker(background, sessions, relevance_factor=5.0).mixture
    for trial, score in list(zip(split.trials, scores.scores, strict=True))[::4]:
        frames, weights = FeatureExtractor("speaker").extract(trial.path).speech_frames
        expected = oracle.average_ratio(
            frames.astype(np.float64), models[trial.model], background.mixture, top_c, weights
        )
        assert score == pytest.approx(expected, abs=1e-4)


def test_the_experiment_finds_the_speakers(protocol, background):
    scores = run_protocol(protocol, background)
    assert equal_error_rate(scores.target, scores.nontarget).value < 0.2


def test_jobs_change_nothing(protocol, background):
    one, two = (run_protocol(protocol, background, engine=n) for n in (1, 2))
    np.testing.assert_array_equal(one.scores, two.scores)


def test_each_trial_has_its_own_score_in_any_order_of_the_list(protocol, background):
    split = protocol.splits["eval"]
    expected = dict(zip(split.trials, run_protocol(protocol, background).scores, strict=True))
    order = np.random.default_rng(4).permutation(len(split.trials))
    trials = tuple(split.trials[place] for place in order)
    shuffled = Protocol(None, {"eval": Split(split.enrolment, trials)}, source="shuffled")
    found = run_protocol(shuffled, background)
    assert found.scores.tolist() == [expected[trial] for trial in trials]
    assert found.models.tolist() == [trial.model for trial in trials]


@pytest.mark.parametrize("name", ["Jose\u0301.wav", "a  b.wav"])
def test_names_of_files_stay_as_they_are(protocol, background, name, tmp_path):
    """As on file systems that decompose accents: speakers are normalised, files are not."""
    trials = list(protocol.splits["eval"].trials)
    odd = tmp_path / name
    odd.write_bytes(trials[0].path.read_bytes())
    moved = [replace(each, path=odd) if each.path == trials[0].path else each for each in trials]
    split = Split(protocol.splits["eval"].enrolment, tuple(moved))
    renamed = Protocol(None, {"eval": split}, source="voices")
    expected = run_protocol(protocol, background)
    np.testing.assert_array_equal(run_protocol(renamed, background).scores, expected.scores)


def test_trials_with_few_models_score_the_same(protocol, background, monkeypatch):
    asked = []
    whole = NormalisedScorer.subset

    def subset(scorer, names):
        asked.append(tuple(names))
        return whole(scorer, names)

    monkeypatch.setattr(NormalisedScorer, "subset", subset)
    split = protocol.splits["eval"]
    sparse = Split(split.enrolment, (split.trials[0], split.trials[4]))
    few = run_protocol(Protocol(None, {"eval": sparse}), background)
    assert asked == [("ana",), ("bea",)]
    all_of_them = run_protocol(protocol, background)
    # Frames are scored in single precision, whose products are rounded otherwise in other blocks.
    one_rounding = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(few.scores, all_of_them.scores[[0, 4]], rtol=one_rounding, atol=0)


def test_bad_recordings_are_reported_with_what_is_lost(damaged, protocol, background):
    skipped = []
    scores = run_protocol(damaged, background, run=RunContext(on_skip=skipped.append))
    assert [(found.path.name, found.affected) for found in skipped] == [
        ("bad.wav", ("ana",)),
        ("bad too.wav", ("eva",)),
        ("bad too.wav", ("eva ana/6",)),
        ("silent.wav", ("bea silent", "zoe silent")),
    ]
    assert all("\n" not in found.message for found in skipped)
    np.testing.assert_array_equal(scores.scores, run_protocol(protocol, background).scores)


def test_bad_recordings_are_warnings_by_default_and_errors_if_strict(damaged, background):
    with pytest.warns(SkippedRecordingWarning, match="skipped") as caught:
        run_protocol(damaged, background)
    assert any("bad.wav" in str(warning.message) for warning in caught)
    with pytest.raises(AudioError, match=r"bad\.wav"):
        run_protocol(damaged, background, run=RunContext(strict=True))


def test_nothing_to_score_is_refused(protocol, background, tmp_path):
    (tmp_path / "bad.wav").write_text("text")
    split = protocol.splits["eval"]
    of_ana = tuple(trial for trial in split.trials if trial.model == "ana")
    no_models = Split({"ana": (tmp_path / "bad.wav",)}, of_ana)
    no_tests = Split(split.enrolment, (Trial("ana", tmp_path / "bad.wav", "target"),))
    for bad, words in ((no_models, "models"), (no_tests, "none of the 1 trials")):
        with (
            pytest.warns(SkippedRecordingWarning),
            pytest.raises(InsufficientDataError, match=words),
        ):
            run_protocol(Protocol(None, {"eval": bad}), background)
    with pytest.raises(CorpusError, match="no split 'dev'"):
        run_protocol(protocol, background, split="dev")


def test_unlabelled_trials_stay_so(protocol, background):
    split = protocol.splits["eval"]
    trials = tuple(Trial(t.model, t.path, None, t.name) for t in split.trials)
    scores = run_protocol(Protocol(None, {"eval": Split(split.enrolment, trials)}), background)
    assert set(scores.labels) == {"unknown"}


def test_identification_of_whole_recordings(protocol, background):
    split = protocol.splits["eval"]
    scorer = SpeakerScorer(background.mixture, enroll_models(split, background))
    matrix = run_identification(split, scorer, background.features)
    assert matrix.names == NAMES
    assert matrix.scores.shape == (6, 3)
    assert [matrix.names[t] for t in matrix.truth] == ["zoe", "bea", "ana"] * 2
    scores = run_protocol(protocol, background)
    for model, path, score in zip(scores.models, scores.paths, scores.scores, strict=True):
        places = {"zoe/6": 0, "bea/6": 1, "ana/6": 2, "zoe/5": 3, "bea/5": 4, "ana/5": 5}
        found = matrix.scores[places[path], NAMES.index(model)]
        assert found == pytest.approx(score, abs=1e-6)
    hits = [row.argmax() == truth for row, truth in zip(matrix.scores, matrix.truth, strict=True)]
    assert matrix.accuracy == np.mean(hits)


@pytest.mark.parametrize(("window", "shift"), [(20, 1), (30, 7)])
def test_identification_of_stretches(protocol, background, window, shift):
    split = protocol.splits["eval"]
    models = train_split_mixtures(split, n_components=2)
    scorer = LikelihoodScorer(models, precision="float64")
    matrix = run_identification(split, scorer, "speaker-same-session", window=window, shift=shift)
    row = 0
    for place, path in enumerate(split.test_paths()):
        frames = FeatureExtractor("speaker-same-session").extract(path).speech_values
        expected = oracle.window_averages(scorer.frame_scores(frames), window, shift)
        part = slice(row, row + len(expected))
        np.testing.assert_allclose(matrix.scores[part], expected, rtol=1e-9, atol=1e-9)
        assert (matrix.recording[part] == place).all()
        row = part.stop
    assert row == len(matrix.scores)


def test_recordings_of_strangers_have_no_true_model(protocol, background, voices):
    split = protocol.splits["eval"]
    trials = (*split.trials, Trial("ana", voices(9, 0), "nontarget"))
    more = Split(split.enrolment, trials)
    scorer = SpeakerScorer(background.mixture, enroll_models(split, background))
    matrix = run_identification(more, scorer, background.features)
    assert matrix.truth[-1] == -1
    assert matrix.accuracy == run_identification(split, scorer, background.features).accuracy
    only = Split(split.enrolment, trials[-1:])
    with pytest.raises(InsufficientDataError, match="no test recording is of a speaker"):
        _ = run_identification(only, scorer, background.features).accuracy


def test_the_shortlist_is_passed_to_the_scorer(protocol, background):
    split = protocol.splits["eval"]
    scorer = SpeakerScorer(background.mixture, enroll_models(split, background))
    for options, top_c in (({}, None), ({"top_c": 2}, 2), ({"top_c": None}, None)):
        matrix = run_identification(split, scorer, background.features, **options)
        spoken = (FeatureExtractor("speaker").extract(path) for path in split.test_paths())
        expected = [scorer.score([each.speech_frames], top_c=top_c) for each in spoken]
        np.testing.assert_allclose(matrix.scores, expected, rtol=1e-9, atol=1e-9)


def test_frames_count_by_their_weights(protocol, background, monkeypatch):
    split = protocol.splits["eval"]
    silent = split.test_paths()[1]

    def weighted(utterance, config):
        features = FeatureExtractor(config).extract(utterance.path)
        weights = np.linspace(0, 1, len(features.speech), dtype=np.float32)
        return replace(features, weights=weights * (utterance.path != silent))

    # Whatever gives frames their weights is none of this experiment.
    monkeypatch.setattr("speakergmm.speakers.identification_experiment.speech_features", weighted)
    scorer = SpeakerScorer(background.mixture, enroll_models(split, background))
    with pytest.warns(SkippedRecordingWarning, match="frames of speech are zero"):
        found = run_identification_windows(
            split, scorer, background.features, windows=(None, 30), shift=9
        )
    tests = [path for path in split.test_paths() if path != silent]
    assert found[None].paths == found[30].paths == tuple(tests)
    whole, windows = [], []
    for path in tests:
        features = FeatureExtractor("speaker").extract(path)
        weights = np.linspace(0, 1, len(features.speech), dtype=np.float32)[features.speech]
        scores = scorer.frame_scores(features.speech_values)
        whole.append(np.average(scores, axis=0, weights=weights))
        windows += [
            np.average(scores[first : first + 30], axis=0, weights=weights[first : first + 30])
            for first in range(0, len(scores) - 29, 9)
        ]
    np.testing.assert_allclose(found[None].scores, whole, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[30].scores, windows, rtol=1e-9, atol=1e-9)


def test_several_windows_at_once_equal_one_by_one(protocol, background):
    split = protocol.splits["eval"]
    scorer = SpeakerScorer(background.mixture, enroll_models(split, background))
    windows = (None, 30, 10_000, 50)
    found = run_identification_windows(
        split, scorer, background.features, windows=windows, shift=9, top_c=3
    )
    assert list(found) == [None, 30, 50]
    for window, matrix in found.items():
        one = run_identification(
            split, scorer, background.features, window=window, shift=9, top_c=3
        )
        np.testing.assert_array_equal(matrix.scores, one.scores)
        np.testing.assert_array_equal(matrix.truth, one.truth)
        np.testing.assert_array_equal(matrix.recording, one.recording)


def matrix_of(scores, truth):
    names = tuple(f"s{number}" for number in range(np.shape(scores)[1]))
    paths = tuple(Path(f"{row}.wav") for row in range(len(scores)))
    return ScoreMatrix(
        np.asarray(scores, dtype=float), names, paths, np.arange(len(scores)), np.asarray(truth)
    )


def test_ties_count_against_the_system():
    assert matrix_of(np.zeros((4, 4)), range(4)).accuracy == 0.0
    # A row of a stranger takes no part.
    matrix = matrix_of([[2, 1, 1], [1, 1, 0], [0, 3, 0]], [0, 1, -1])
    assert matrix.accuracy == 0.5
    assert matrix.identification.ranks.tolist() == [1, 2]


def naive_interval(hits, truth, n_bootstrap, seed):
    """Draw speakers, put their rows together, count; over and over."""
    speakers = sorted(set(truth))
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(n_bootstrap):
        drawn = rng.choice(speakers, len(speakers))
        rows = [hit for one in drawn for hit, t in zip(hits, truth, strict=True) if t == one]
        values.append(sum(rows) / len(rows))
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.slow
def test_the_interval_of_accuracy_is_that_of_drawing_speakers():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 12, 150)
    scores = rng.normal(size=(150, 14))
    # Some speakers are easy and others hard, so that rows hang together.
    scores[np.arange(150), truth] += rng.uniform(0, 4, 14)[truth]
    matrix = matrix_of(np.vstack([scores, scores[:5]]), [*truth, *[-1] * 5])
    found = matrix.accuracy_interval(n_bootstrap=4000, seed=1)
    hits = scores.argmax(axis=1) == truth
    expected = naive_interval(hits.tolist(), truth.tolist(), 4000, 2)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=0, atol=0.01)
    assert found.low < matrix.accuracy < found.high
    assert found.confidence == 0.95
    assert found == matrix.accuracy_interval(n_bootstrap=4000, seed=1)
    narrower = matrix.accuracy_interval(confidence=0.5)
    assert found.low < narrower.low < narrower.high < found.high


def test_intervals_of_one_speaker_or_without_errors():
    assert matrix_of([[1, 0], [0, 1]], [0, 0]).accuracy_interval() is None
    found = matrix_of([[1, 0], [0, 1]], [0, 1]).accuracy_interval()
    assert (found.low, found.high) == (1.0, 1.0)
    for options in ({"n_bootstrap": 1}, {"confidence": 1.0}):
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            matrix_of([[1, 0], [0, 1]], [0, 1]).accuracy_interval(**options)
    with pytest.raises(InsufficientDataError, match="no test recording"):
        matrix_of([[1, 0]], [-1]).accuracy_interval()


def test_wrong_windows_are_refused(protocol, background):
    split = protocol.splits["eval"]
    scorer = SpeakerScorer(background.mixture, {"ana": background.mixture})
    for wrong, arguments in (("window", {"window": 0}), ("shift", {"window": 5, "shift": 0})):
        with pytest.raises(InvalidInputError, match=f"{wrong} must be a whole number >= 1"):
            run_identification(split, scorer, background.features, **arguments)
    with pytest.raises(InsufficientDataError, match="10000 frames"):
        run_identification(split, scorer, background.features, window=10_000)


def test_speaker_mixtures_are_fitted_to_each_speaker(voices):
    corpus = Corpus(
        tuple(
            Utterance(f"{name}-{n}", voices(voice, n), name)
            for voice, name in enumerate(NAMES, start=1)
            for n in (0, 1)
        ),
        source="voices",
    )
    models = train_speaker_mixtures(corpus, n_components=3, seed=4, variance_floor=0.05)
    assert tuple(models) == NAMES
    frames = [frames_of(voices(2, n)) for n in (0, 1)]
    expected = fit_mixture(frames, n_components=3, seed=4, variance_floor=0.05).model
    np.testing.assert_array_equal(models["bea"].means, expected.means)
    scorer = LikelihoodScorer(models)
    for voice, name in enumerate(NAMES, start=1):
        scores = scorer.score(frames_of(voices(voice, 1)))
        assert NAMES[scores.argmax()] == name


def test_variances_are_limited():
    rng = np.random.default_rng(0)
    frames = np.concatenate([rng.normal(size=(200, 2)), np.full((20, 2), 3.0)])
    model = fit_speaker_mixtures({"ana": [frames]}, n_components=4, variance_floor=0.1)["ana"]
    assert (model.variances >= 0.0999 * frames.var(axis=0)).all()


def test_too_little_speech_for_a_mixture_names_the_speaker():
    with pytest.raises(InsufficientDataError, match="'bea': 3 frames"):
        fit_speaker_mixtures(
            {"ana": [np.random.default_rng(0).normal(size=(50, 2))], "bea": [np.zeros((3, 2))]},
            n_components=4,
        )


def test_corpora_without_speakers_are_refused(voices):
    corpus = Corpus((Utterance("a", voices(1, 0), None),), source="nameless")
    with pytest.raises(CorpusError, match="no speakers"):
        train_speaker_mixtures(corpus)


@pytest.mark.slow
def test_results_of_recordings_are_dropped_once_their_models_are_done():
    """However many models there are, few results are held; a shared one as long as it is needed."""
    alive = weakref.WeakSet()

    class Result:
        def __init__(self, name):
            self.name = name
            alive.add(self)

    def utterance(name):
        return Utterance(name, Path(name), None)

    groups = {f"m{n}": [utterance(f"{n}-{k}") for k in range(3)] for n in range(20)}
    shared = groups["m15"][0]
    groups["m2"].append(shared)
    groups["m17"] = [shared, groups["m0"][1], *groups["m17"]]
    most, seen = 0, {}
    found = map_grouped_recordings(
        lambda each: Result(each.id), groups, engine=Engine(1), run=RunContext(), description=""
    )
    for name, results in found:
        seen[name] = [each.name for each in results]
        most = max(most, len(alive))
        del results
    assert seen == {name: [each.id for each in group] for name, group in groups.items()}
    assert most <= 3 + 2 + 4
    del found
    gc.collect()
    assert not alive
