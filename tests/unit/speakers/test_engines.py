"""Models, scores and stores are the same to the last bit wherever the work is done."""

import contextlib
import multiprocessing
import pickle
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from speakergmm.corpora import Protocol, Split, Trial
from speakergmm.engine import use
from speakergmm.features import FeatureExtractor
from speakergmm.speakers import (
    BackgroundModel,
    SpeakerScorer,
    SpeakerStore,
    enroll_models,
    run_identification,
    run_protocol,
    train_speaker_mixtures,
)

NAMES = ("ana", "bea", "zoe")


@pytest.fixture(scope="module")
def protocol(voices):
    """Three models, one of which shares a recording with another, and all trials of six tests."""
    voice_of = dict(zip(NAMES, (1, 2, 3), strict=True))
    enrolment = {name: [voices(voice, n) for n in (0, 1)] for name, voice in voice_of.items()}
    enrolment["zoe again"] = [voices(4, 0), enrolment["zoe"][1], voices(4, 1)]
    trials = tuple(
        Trial(model, voices(voice, n), "target" if model == name else "nontarget")
        for name, voice in voice_of.items()
        for n in (5, 6)
        for model in enrolment
    )
    return Protocol(None, {"eval": Split(enrolment, trials)}, source="voices")


def results(protocol, background, corpus, folder, engine):
    """Return the bytes of what every public function of the room computes on an engine."""
    split = protocol.splits["eval"]
    models = enroll_models(split, background, engine=engine)
    scorer = SpeakerScorer(background.mixture, models)
    ubm = BackgroundModel.train(corpus, n_components=4, augmentation="none", engine=engine)
    found = {
        "background": ubm.digest,
        "means": [model.means.tobytes() for model in models.values()],
        "scores": run_protocol(protocol, background, engine=engine).scores.tobytes(),
        "identification": run_identification(
            split, scorer, background.features, engine=engine
        ).scores.tobytes(),
        "mixtures": [
            model.means.tobytes()
            for model in train_speaker_mixtures(corpus, n_components=4, engine=engine).values()
        ],
    }
    with SpeakerStore.create(folder / "voices.db", background) as store:
        for name in NAMES:
            store.enroll(name, split.enrolment[name], engine=engine)
        ranked = store.identify(split.trials[0].path)
        found["store"] = [store.model(name).mixture.means.tobytes() for name in NAMES]
        found["ranking"] = ranked.ranking
    return found


@pytest.fixture(scope="module")
def serial(protocol, background, background_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    return results(protocol, background, background_corpus, folder, 1)


@contextlib.contextmanager
def dask_client():
    """A client of workers in this process, to which everything is sent as to others."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


ENGINES = {
    "two": lambda: contextlib.nullcontext(2),
    "threads": lambda: ThreadPoolExecutor(3),
    "spawn": lambda: ProcessPoolExecutor(2, multiprocessing.get_context("spawn")),
    "dask": dask_client,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_gives_the_same_bits(
    serial, protocol, background, background_corpus, tmp_path, name
):
    with ENGINES[name]() as engine:
        assert results(protocol, background, background_corpus, tmp_path, engine) == serial


def test_functions_follow_the_engine_in_use(protocol, background, serial):
    asked = []

    class Watched(ThreadPoolExecutor):
        def submit(self, function, /, *arguments, **options):
            asked.append(arguments)
            return super().submit(function, *arguments, **options)

    with Watched(2) as pool, use(pool):
        scores = run_protocol(protocol, background).scores.tobytes()
    assert scores == serial["scores"]
    enrolled = {path for paths in protocol.splits["eval"].enrolment.values() for path in paths}
    assert len(asked) == len(enrolled) + 6


def test_what_is_sent_with_a_recording_does_not_grow_with_the_list(protocol, background):
    class Weighed:
        """An executor that does the work at once and weighs what it would have sent."""

        def __init__(self):
            self.weights = []

        def submit(self, function, /, *arguments):
            self.weights.append(len(pickle.dumps((function, arguments))))
            future = Future()
            future.set_result(function(*arguments))
            return future

    def heaviest(trials):
        engine = Weighed()
        split = Split(protocol.splits["eval"].enrolment, trials)
        run_protocol(Protocol(None, {"eval": split}), background, engine=engine)
        return max(engine.weights)

    trials = protocol.splits["eval"].trials
    first = tuple(trial for trial in trials if trial.path == trials[0].path)
    assert len(first) < len(trials)
    assert heaviest(trials) <= heaviest(first) + 8


def test_a_recording_is_read_once_whatever_the_number_of_its_trials_and_models(
    protocol, background, monkeypatch
):
    read, stream = [], FeatureExtractor.stream

    def counted(extractor, audio, **options):
        read.append(audio)
        return stream(extractor, audio, **options)

    monkeypatch.setattr(FeatureExtractor, "stream", counted)
    run_protocol(protocol, background)
    split = protocol.splits["eval"]
    expected = {path for paths in split.enrolment.values() for path in paths}
    assert sorted(read) == sorted([*expected, *split.test_paths()])
