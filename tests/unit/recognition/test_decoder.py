import csv
import gc
import json
import math
import weakref
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from speakergmm.corpora import Corpus, Utterance, make_synthetic_corpus, read_transcripts
from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureConfig
from speakergmm.hmm import (
    DecodingOptions,
    Lexicon,
    MixtureBank,
    NoPathError,
    PhoneModels,
    Topology,
    decode,
    train_ngram,
)
from speakergmm.hmm.decoding import decode_emissions
from speakergmm.metrics import word_errors
from speakergmm.recognition import (
    AcousticModel,
    Decoder,
    FeatureArchive,
    FeatureNormalisation,
    SilenceModel,
)

# The worker's own cache of search graphs is tested, which the room does not export.
from speakergmm.recognition import decoder as recognition_decoding
from speakergmm.run_context import RunContext, SkippedRecordingWarning

LATTICE = DecodingOptions(acoustic_scale=0.1, beam=40.0, lattice_beam=40.0, n_best=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Synthetic speech of three speakers, and what they say."""
    folder = tmp_path_factory.mktemp("speech")
    make_synthetic_corpus(
        folder,
        n_background=3,
        n_dev=2,
        n_eval=2,
        n_background_utterances=8,
        n_enrolment_utterances=1,
        n_trial_utterances=1,
    )
    return folder / "synthetic"


@pytest.fixture(scope="module")
def speech(folder):
    said = {name: tuple(text) for name, text in read_transcripts(folder / "text").items()}
    paths = sorted(folder.glob("b*/*.wav"))
    utterances = tuple(Utterance(path.stem, path, path.parent.name) for path in paths)
    return Corpus(utterances, source=str(folder)), said, Lexicon.read(folder / "lexicon.txt")


@pytest.fixture(scope="module")
def model(folder, speech):
    """A Gaussian for each third of each phone, from the true boundaries."""
    corpus, said, lexicon = speech
    config, normalisation = FeatureConfig.load("hmm"), FeatureNormalisation("speaker")
    frames = defaultdict(list)
    truth = defaultdict(list)
    with (folder / "phones.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            start, duration = float(row["start"]), float(row["duration"])
            truth[row["utterance"]].append((start, start + duration, row["phone"]))
    with FeatureArchive.of(tuple(corpus), config, normalisation) as archive:
        for utterance, X in zip(archive.utterances, archive, strict=True):
            for start, end, phone in truth[utterance.id]:
                mine = X[round(100 * start) : round(100 * end)]
                for state, part in enumerate(np.array_split(mine, 3)):
                    frames[phone, state].append(part)
    units = sorted({phone for phone, _ in frames})
    flat = PhoneModels.flat(
        dict.fromkeys(units, Topology.left_right(3)), mean=np.zeros(39), variance=np.ones(39)
    )
    parts = [np.concatenate(frames[unit, state]) for unit in units for state in range(3)]
    bank = MixtureBank.from_parameters(
        np.arange(len(parts) + 1),
        np.ones(len(parts)),
        np.array([part.mean(axis=0) for part in parts]),
        np.array([part.var(axis=0) + 0.1 for part in parts]),
    )
    used = {word for utterance in corpus for word in said[utterance.id]}
    return AcousticModel(
        flat.with_parameters(bank=bank),
        lexicon.restricted(used),
        config,
        normalisation,
        SilenceModel("sil"),
    )


@pytest.fixture(scope="module")
def language_model(speech):
    corpus, said, _ = speech
    return train_ngram([said[utterance.id] for utterance in corpus], order=2)


@pytest.fixture(scope="module")
def decoder(model, language_model):
    return Decoder.for_words(model, language_model=language_model, options=LATTICE)


@pytest.fixture(scope="module")
def recognised(decoder, speech):
    return list(decoder.decode(speech[0], lattices=True))


@pytest.mark.slow
def test_most_words_of_the_training_part_are_recognised(recognised, speech):
    corpus, said, _ = speech
    references = {utterance.id: said[utterance.id] for utterance in corpus}
    found = {recognition.utterance.id: recognition.words for recognition in recognised}
    assert [r.utterance for r in recognised] == list(corpus)
    assert word_errors(references, found).error_rate < 0.1


def test_times_lie_in_the_recording_one_after_the_other(recognised):
    for recognition in recognised:
        end = 0.0
        for label in recognition.phone_labels():
            assert label.start == pytest.approx(end)
            end = label.end
        # Edges lie half a shift before the centres of frames; 25 ms windows every 10 ms.
        assert end == pytest.approx(recognition.grid.duration + 0.0075)
        words = recognition.word_labels()
        assert [label.label for label in words] == list(recognition.words)
        phones = recognition.result.best.phone_segments
        for place, segment in enumerate(recognition.result.best.word_segments):
            mine = [phone for phone in phones if phone.parent == place]
            assert mine[0].start_frame == segment.start_frame
            assert mine[-1].end_frame == segment.end_frame
            assert "sil" not in {phone.label for phone in mine}
            assert 0.0 < segment.confidence <= 1.0


def test_words_are_where_they_were_said(folder, recognised):
    truth = defaultdict(list)
    with (folder / "words.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            truth[row["utterance"]].append((row["word"], float(row["start"])))
    errors = []
    for recognition in recognised:
        spoken = truth[recognition.utterance.id]
        found = recognition.word_labels()
        if [label.label for label in found] == [word for word, _ in spoken]:
            errors += [abs(f.start - start) for f, (_, start) in zip(found, spoken, strict=True)]
    assert len(errors) > 80
    assert np.median(errors) < 0.015
    assert np.quantile(errors, 0.9) < 0.05


@pytest.mark.slow
def test_features_are_those_of_the_model(decoder, recognised, speech):
    """Normalised over all that a speaker says, and given to the search as they are."""
    archive = list(decoder.model.features_of(speech[0]))
    for recognition, (utterance, X, _) in list(zip(recognised, archive, strict=True))[:3]:
        again = decode(decoder.model.models, decoder.search, X, options=LATTICE)
        assert recognition.utterance == utterance
        assert repr(again.hypotheses) == repr(recognition.result.hypotheses)
        assert decoder.decode_features(X).words == again.words
        assert again.lattice.to_text(utterance.id) == recognition.lattice_text


@pytest.mark.slow
def test_processes_change_nothing(decoder, recognised, speech):
    # All that the first speaker says, for normalisation counts it.
    parallel = list(decoder.decode(list(speech[0])[:8], engine=2))
    assert len(parallel) == 8
    for one, other in zip(parallel, recognised, strict=False):
        assert one.utterance == other.utterance
        assert repr(one.result.hypotheses) == repr(other.result.hypotheses)  # NaN equals none
        assert one.lattice_text is None
        assert one.result.lattice is None


@pytest.mark.slow
def test_a_decoder_goes_when_it_is_done_with(model, speech):
    decoder = Decoder.for_phones(model)
    graph = weakref.ref(decoder.search)
    assert len(list(decoder.decode(list(speech[0])[:2]))) == 2
    del decoder
    gc.collect()
    assert graph() is None


def test_workers_keep_the_work_they_did_last():
    """A copy that came with a later chunk is not used: its search graph would be built anew."""

    def searched(token, copy):
        def search(_):
            raise NoPathError(copy)

        work = recognition_decoding._Work(token, -1, search, False)
        ((error, _),) = work((["u"], [np.zeros((1, 1), np.float32)]))
        return str(error)

    chunks = ("one", "first"), ("one", "copy"), ("two", "other"), ("two", "copy of other")
    assert [searched(*chunk) for chunk in chunks] == ["first", "first", "other", "other"]
    recognition_decoding._kept = None


def test_json_holds_alternatives_and_confidences(recognised):
    for recognition in recognised[:3]:
        document = json.loads(json.dumps(recognition.to_dict(), allow_nan=False))
        first, *others = document["hypotheses"]
        assert first["words"] == list(recognition.words)
        assert len(others) == 4
        assert all(first["score"] >= other["score"] for other in others)
        assert [time["label"] for time in first["word_times"]] == first["words"]
        assert 0 < sum(h["posterior"] for h in document["hypotheses"]) <= 1 + 1e-9


def test_times_of_a_stretch_count_from_the_beginning_of_the_recording(model, speech):
    whole = next(iter(speech[0]))
    part = replace(whole, id="part", start=0.1, end=1.0)
    (found,) = Decoder.for_phones(model).decode([part])
    labels = found.phone_labels()
    assert labels[0].start == 0.1
    assert 0.97 < labels[-1].end <= 1.0


def test_without_a_lattice_confidences_are_unknown(model, language_model, speech, recognised):
    plain = Decoder.for_words(model, language_model=language_model)
    with pytest.raises(InvalidInputError, match="lattice_beam"):
        next(plain.decode(speech[0], lattices=True))
    found = next(plain.decode(list(speech[0])[:1]))
    assert math.isnan(found.word_labels()[0].confidence)
    assert found.to_dict()["hypotheses"][0]["posterior"] is None


def test_phones(model, speech):
    corpus, said, lexicon = speech
    phones = [lexicon.first_pronunciation(said[utterance.id]) for utterance in corpus]
    grammar = train_ngram([["sil", *sentence, "sil"] for sentence in phones], order=2)
    decoder = Decoder.for_phones(model, language_model=grammar)
    found = {r.utterance.id: [w for w in r.words if w != "sil"] for r in decoder.decode(corpus)}
    references = {u.id: said for u, said in zip(corpus, phones, strict=True)}
    assert word_errors(references, found).error_rate < 0.35
    loop = Decoder.for_phones(model)
    words = next(loop.decode(list(corpus)[:1])).words
    assert words
    assert "sil" not in words


def test_isolated_words(model, speech):
    corpus, _, _ = speech
    words = sorted(model.lexicon)[:20]
    decoder = Decoder.for_isolated_words(
        model, words, options=DecodingOptions(n_best=4, lattice_beam=8.0)
    )
    for recognition in decoder.decode(list(corpus)[:2]):
        assert len(recognition.words) == 1
        found = [h.words[0] for h in recognition.result.hypotheses]
        assert len(set(found)) == len(found) == 4
        posteriors = [h.posterior for h in recognition.result.hypotheses]
        assert posteriors == sorted(posteriors, reverse=True)
        assert recognition.to_dict()["beam"] is None
        (label,) = recognition.word_labels()
        assert 0 <= label.start < label.end <= recognition.grid.duration + 0.01
    with pytest.raises(InvalidInputError, match="lattices need"):
        next(decoder.decode(list(corpus)[:1], lattices=True))


def test_what_finds_no_path_is_reported_and_left_out(model, speech, tmp_path):
    corpus = list(speech[0])[:2]
    long = Lexicon.from_dict({"long": [" ".join(["sil"] * 300)]})
    decoder = Decoder.for_words(model.with_lexicon(long))
    decoder = replace(decoder, search=Decoder.for_isolated_words(model.with_lexicon(long)).search)
    with pytest.warns(SkippedRecordingWarning, match="takes .* frames"):
        assert list(decoder.decode(corpus)) == []
    with pytest.raises(NoPathError, match=r"utterance 'b001.*frames"):
        list(decoder.decode(corpus, run=RunContext(strict=True)))
    skipped = []
    assert list(decoder.decode(corpus, run=RunContext(on_skip=skipped.append))) == []
    assert [item.affected for item in skipped] == [(u.id,) for u in corpus]


def test_words_that_the_lexicon_lacks_are_named(model, language_model):
    words = sorted(model.lexicon)
    fewer = model.with_lexicon(model.lexicon.restricted(words[1:]))
    decoder = Decoder.for_words(fewer, language_model=language_model)
    assert decoder.omitted_words == (words[0],)
    assert words[0] not in decoder.search.words
    limited = Decoder.for_words(model, language_model=language_model, words=words[:3])
    assert limited.search.words == tuple(words[:3])
    with pytest.raises(InvalidInputError, match="nonesuch"):
        Decoder.for_words(model, words=["nonesuch"])


def test_silence_is_as_probable_as_in_training(model):
    """Before the first word as `edge_probability` says, between words as `probability`."""

    def share(decoder, source=0):
        """Probability of silence in state 0, by the arcs into its model."""
        graph = decoder.search
        sil = graph.units.index("sil")
        label = graph.labels
        mine = [
            arc
            for arc in np.flatnonzero(graph.source == source)
            if graph.input[arc] and label.unit[graph.input[arc] - 1] == sil
        ]
        return float(np.exp(graph.log_probability[mine]).sum())

    silence = SilenceModel("sil", 0.1, 0.9)
    for build in (Decoder.for_words, Decoder.for_phones):
        assert share(build(replace(model, silence=silence))) == pytest.approx(0.9)
    never = SilenceModel("sil", 0.0, 0.0)
    assert Decoder.for_words(replace(model, silence=never)).search.silence is None


def test_a_loop_of_word_models_has_silence_between_words(model):
    """Such models were trained with silence at the edges only."""
    units = [unit for unit in model.models.units if unit != "sil"][:2]
    words = Lexicon.from_dict({unit.lower(): [unit] for unit in units})
    silence = SilenceModel("sil", 0.0, 0.5)
    decoder = Decoder.for_words(replace(model, lexicon=words, silence=silence))
    pdfs = model.models.tying.pdfs
    emissions = np.full((30, model.models.n_pdfs), -1000.0)
    for frame, unit in enumerate(
        unit for u in ("sil", units[0], "sil", units[1], "sil") for unit in [u] * 6
    ):
        emissions[frame, pdfs(model.models.units.index(unit))] = 0.0
    best = decode_emissions(decoder.search, emissions[:, decoder.search.pdfs]).best
    heard = [(s.label, s.start_frame, s.end_frame) for s in best.phone_segments]
    assert heard == [
        ("sil", 0, 6), (units[0], 6, 12), ("sil", 12, 18), (units[1], 18, 24), ("sil", 24, 30)
    ]  # fmt: skip
    # Phones with such a model of silence are believed: none between words.
    phones = {word: [" ".join(2 * [way])] for word, way in zip(("x", "y"), units, strict=True)}
    decoder = Decoder.for_words(replace(model, lexicon=Lexicon.from_dict(phones), silence=silence))
    best = decode_emissions(decoder.search, emissions[:, decoder.search.pdfs]).best
    inner = [s for s in best.phone_segments if s.start_frame > 0 and s.end_frame < 30]
    assert "sil" not in {s.label for s in inner}


def test_wide_beams_find_the_same(model, language_model, speech):
    _, X, _ = next(iter(model.features_of(list(speech[0])[:1])))
    scores = []
    for beam in (13.0, 100.0):
        options = DecodingOptions(beam=beam, max_active=100_000, small_graph=0)
        decoder = Decoder.for_words(model, language_model=language_model, options=options)
        scores.append(decoder.decode_features(X).best.score)
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
    assert np.isfinite(scores[0])


@pytest.mark.slow
@pytest.mark.parametrize("beam", [2.0, 4.0, 13.0])
def test_alternatives_do_not_cost_the_best_words(model, language_model, speech, beam):
    corpus = list(speech[0])[:12]
    plain, listed = (
        list(
            Decoder.for_words(
                model,
                language_model=language_model,
                options=DecodingOptions(beam=beam, small_graph=0, **more),
            ).decode(corpus)
        )
        for more in ({}, {"lattice_beam": 2.0, "n_best": 3})
    )
    assert [found.utterance.id for found in plain] == [found.utterance.id for found in listed]
    for one, many in zip(plain, listed, strict=True):
        assert many.result.best.score >= one.result.best.score - 1e-2
        assert len(many.result.hypotheses) <= 3
        # Another sentence only where the second search came upon a better one.
        assert many.words == one.words or many.result.best.score > one.result.best.score
