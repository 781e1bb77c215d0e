"""Options of enrolment and scoring: given whole or by keyword, checked, named in the errors."""

import json
import subprocess
import sys

import pytest

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.speakers import (
    AdaptationOptions,
    BackgroundModel,
    BackgroundOptions,
    ProtocolOptions,
    ScoringOptions,
    SpeakerMixtureOptions,
    SpeakerStore,
)


def test_a_protocol_has_the_options_of_enrolment_and_scoring():
    options = ProtocolOptions.of(None, {"relevance_factor": 7, "top_c": None, "split": "dev"})
    assert options.adaptation == AdaptationOptions(relevance_factor=7.0)
    assert options.scoring == ScoringOptions(top_c=None)
    assert ProtocolOptions.of(options, {"parameters": "weights"}).adaptation == AdaptationOptions(
        relevance_factor=7, parameters=("weights",)
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"relevance_factor": 0}, InvalidInputError, "relevance_factor must be .* found 0"),
        ({"parameters": ("means", "mean")}, InvalidInputError, "parameters must be"),
        ({"parameters": ()}, InvalidInputError, "parameters must be"),
        ({"parameters": 5}, InvalidInputError, "parameters must be"),
        ({"parameters": [[1, 2]]}, InvalidInputError, "parameters must be"),
        ({"top_c": 0}, InvalidInputError, "top_c must be .* found 0"),
        ({"relevance": 3}, InvalidTypeError, "'relevance'.*'relevance_factor'"),
        ({"strict": True}, InvalidTypeError, "RunContext"),
    ],
)
def test_wrong_options_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        ProtocolOptions.of(None, changes)


def test_store_methods_take_options_whole_or_by_keyword(tmp_path, background, voices):
    options = AdaptationOptions(relevance_factor=5)
    with SpeakerStore.create(tmp_path / "a.db", background, options) as store:
        assert store.adaptation == options
        store.enroll("ana", voices(1, 0))
        found = store.identify(voices(1, 1), top=1, threshold=1e6)
        assert found.unknown
        with pytest.raises(InvalidTypeError, match=r"'treshold'.*'threshold'"):
            store.verify("ana", voices(1, 1), treshold=0.0)


@pytest.mark.slow
def test_a_background_model_records_its_options(background_corpus):
    options = BackgroundOptions(n_components=2, max_iter=1)
    trained = BackgroundModel.train(background_corpus, options, seed=3, variance_floor=0.2)
    assert trained.mixture.n_components == 2
    assert trained.provenance["seed"] == 3
    recorded = trained.provenance["training"]
    assert (recorded["max_iter"], recorded["variance_floor"], recorded["init"]) == (
        1,
        0.2,
        "kmeans",
    )
    with pytest.raises(InvalidTypeError, match=r"'n_component'.*'n_components'"):
        BackgroundModel.train(background_corpus, n_component=2)


def test_mixtures_of_single_speakers_have_a_higher_floor():
    assert SpeakerMixtureOptions().update.variance_floor == 0.01
    changed = SpeakerMixtureOptions.of(None, {"min_occupancy": 2.0})
    assert changed.update.variance_floor == 0.01
    assert BackgroundOptions().update.variance_floor == 0.001


def test_options_of_commands_load_nothing_heavy():
    program = (
        "import json, sys\n"
        "from speakergmm.speakers import mixture_training_options, speaker_options\n"
        "from speakergmm.metrics import evaluation_options\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert not {"numpy", "scipy", "soundfile"} & set(json.loads(done.stdout))
