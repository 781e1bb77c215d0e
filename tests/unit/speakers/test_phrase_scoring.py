"""Trials of known words: likelihood ratios by enumeration, and experiments on made-up speech."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from oracles import hmm_training as oracle

from speakergmm.corpora import Protocol, Split, Trial, read_protocol
from speakergmm.errors import (
    AudioError,
    CorpusError,
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
)
from speakergmm.hmm import (
    Lexicon,
    Pronunciation,
    Topology,
    adapt_phone_models,
    compile_transcript,
)
from speakergmm.recognition import (
    AcousticModel,
    TrainingOptions,
    WordCorpus,
    adapt_acoustic_model,
    read_words,
)
from speakergmm.run_context import RunContext
from speakergmm.speakers import PhraseLikelihoods, PhraseScoringOptions, score_phrases

pytestmark = pytest.mark.usefixtures("without_confidences")
RATE = 16_000
TOPOLOGIES = {
    "A": Topology.left_right(1),
    "B": Topology.left_right(2),
    "SIL": Topology.silence(3),
}
LEXICON = Lexicon(
    {"a": (Pronunciation(("A",)),), "ab": (Pronunciation(("A", "B")), Pronunciation(("B",)))}
)


def silence_of(models):
    return models.tying.pdfs(models.unit_number("SIL"))


def enumerated(models, words, X):
    """Log-likelihood by all paths, and the expected number of frames that are not silence."""
    paths = oracle.all_paths(words, LEXICON, models, len(X))
    emissions = oracle.log_emissions(models.bank, X)
    found = oracle.expectations(paths, emissions, models.transitions.n_arcs)
    speech = ~np.isin(np.arange(models.n_pdfs), silence_of(models))
    return found.log_likelihood, found.pdf_posteriors[:, speech].sum()


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(1)
    models = oracle.random_models(rng, TOPOLOGIES, sizes=(1, 2), spread=1.5)
    return models, rng.normal(0.0, 1.5, (3, 6, 2))


def test_a_ratio_is_that_of_all_paths_per_frame_of_speech(small):
    models, (own, *tests) = small
    graphs = {words: compile_transcript(words, LEXICON, models) for words in [("ab",), ("a", "ab")]}
    silence = silence_of(models)
    adapted = adapt_phone_models(
        models, [graphs[("ab",)]], [own], silence_pdfs=silence, relevance_factor=1.0
    ).models
    before, after = (PhraseLikelihoods(each, silence) for each in (models, adapted))
    for words, X in zip(graphs, tests, strict=True):
        known = before.unadapted(graphs[words], X.astype(np.float32))
        log_likelihood, n_speech = enumerated(models, words, X.astype(np.float32))
        assert known.log_likelihood == pytest.approx(log_likelihood, abs=1e-9)
        assert known.n_speech == pytest.approx(n_speech, abs=1e-9)
        assert 0 < n_speech < len(X)
        expected = enumerated(adapted, words, X.astype(np.float32))[0] - log_likelihood
        found = after.score(graphs[words], X.astype(np.float32), known)
        assert found == pytest.approx(expected / n_speech, abs=1e-9)
        assert abs(found) > 1e-3


def test_a_model_that_saw_nothing_has_a_ratio_of_exactly_0(small):
    models, (own, *_) = small
    graph, silence = compile_transcript(["ab"], LEXICON, models), silence_of(models)
    same = PhraseLikelihoods(models, silence)
    known = same.unadapted(graph, own.astype(np.float32))
    assert same.score(graph, own.astype(np.float32), known) == 0.0
    stiff = adapt_phone_models(
        models, [graph], [own], silence_pdfs=silence, relevance_factor=1e15
    ).models
    score = PhraseLikelihoods(stiff, silence).score(graph, own.astype(np.float32), known)
    assert score == pytest.approx(0.0, abs=1e-10)


WORDS = {"up": (500, 1500), "down": (1500, 500)}
BACKGROUND, DEV, EVAL = ("b1", "b2", "b3", "b4"), ("d1", "d2", "d3", "d4"), ("e1", "e2", "e3")


def say(path, word, speaker, number):
    """Say a word as two tones between pauses; a speaker has a pitch of the tones."""
    names = [*BACKGROUND, *DEV, *EVAL]
    pitch = 0.7 + 0.09 * (4 * names.index(speaker) % len(names))
    rng = np.random.default_rng([names.index(speaker), number, *map(ord, word)])
    time = np.arange(int(0.12 * RATE)) / RATE
    tones = [np.sin(2 * np.pi * pitch * each * time) for each in WORDS[word]]
    pause = np.zeros(int(0.05 * RATE))
    samples = np.concatenate([pause, *tones, pause]) * 0.3
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples + rng.normal(0.0, 0.01, len(samples)), RATE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with recordings of two words, and lists with their texts."""
    folder = tmp_path_factory.mktemp("phrases")
    lists = folder / "lists"
    lists.mkdir()
    rows = ["path\tspeaker\ttext"]
    for speaker in (*BACKGROUND, *DEV, *EVAL):
        for word in WORDS:
            for number in (1, 2):
                path = folder / speaker / f"{word}{number}.wav"
                say(path, word, speaker, number)
                if speaker in BACKGROUND:
                    rows.append(f"{path}\t{speaker}\t{word}")
    (folder / "background.tsv").write_text("\n".join(rows), encoding="utf-8")
    for name, speakers in (("dev", DEV), ("eval", EVAL)):
        enroll = [f"{s}\t{s}/{word}1.wav\t{word}" for s in speakers for word in WORDS]
        trials = [
            f"{m}\t{s}/{word}2.wav\t{'target' if m == s else 'nontarget'}\t{word}"
            for m in speakers
            for s in speakers
            for word in WORDS
        ]
        tables = {"enroll": ["model\tpath\ttext", *enroll]}
        tables["trials"] = ["model\tpath\tlabel\ttext", *trials]
        for kind, table in tables.items():
            (lists / f"{name}_{kind}.tsv").write_text("\n".join(table), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(made):
    options = TrainingOptions.for_words(n_states=4, gaussians_per_state=1, max_iter=6)
    return AcousticModel.train(read_words(made / "background.tsv"), options=options)


@pytest.fixture(scope="module")
def lists(made):
    return read_protocol(made / "lists", data_dir=made)


def rewritten(split, **changes):
    """The protocol with another eval split."""
    parts = {
        "enrolment": split.enrolment,
        "trials": split.trials,
        "conditions": split.conditions,
        "texts": split.texts,
    }
    return Protocol(None, {"eval": Split(**(parts | changes))}, source="lists")


def test_the_true_speaker_scores_higher_in_every_word(lists, model):
    scores = score_phrases(lists, model)
    assert len(scores) == 18
    assert list(scores.conditions) == ["text"]
    target = scores.scores[scores.is_target].min()
    assert target > scores.scores[~scores.is_target].max() + 0.1
    assert target > 0
    # Workers, and the order of the trials, change nothing.
    order = np.random.default_rng(0).permutation(18)
    split = lists.split("eval")
    shuffled = rewritten(
        split,
        trials=tuple(split.trials[place] for place in order),
        conditions={"text": tuple(split.conditions["text"][place] for place in order)},
    )
    again = score_phrases(shuffled, model, engine=2)
    np.testing.assert_array_equal(again.scores, scores.scores[order])


def test_the_words_of_a_trial_are_those_that_it_states(lists, model):
    """A recording of another word is less likely, and the speaker's model was not taught it so."""
    split = lists.split("eval")
    other = {"up": "down", "down": "up"}
    wrong = tuple(other[word] for word in split.conditions["text"])
    scores = score_phrases(lists, model)
    found = score_phrases(rewritten(split, conditions={"text": wrong}), model)
    assert (np.abs(found.scores - scores.scores) > 1e-3).all()


def test_ratios_are_calibrated_on_the_dev_lists(lists, model):
    scores, llrs = (score_phrases(lists, model, llr=llr) for llr in (False, True))
    order = np.argsort(scores.scores)
    assert (np.diff(llrs.scores[order]) >= -1e-9).all()
    assert llrs.scores[llrs.is_target].min() > 0 > llrs.scores[~llrs.is_target].max()
    with pytest.raises(InvalidInputError, match="calibrated on these trials themselves"):
        PhraseScoringOptions(split="dev", llr=True)


def test_what_cannot_be_read_is_told_with_what_it_costs(lists, model, made, tmp_path):
    split = lists.split("eval")
    short = tmp_path / "short.wav"
    soundfile.write(short, np.random.default_rng(0).normal(0, 0.1, 800), RATE)
    gone = tmp_path / "gone.wav"
    enrolment = {**split.enrolment, "e1": (gone,), "e2": (split.enrolment["e2"][0], short)}
    trials = (*split.trials, Trial("e3", short, "nontarget"))
    conditions = {"text": (*split.conditions["text"], "up")}
    texts = {**split.texts, gone: "up", short: "up"}
    changed = rewritten(
        split, enrolment=enrolment, trials=trials, conditions=conditions, texts=texts
    )
    seen = []
    scores = score_phrases(changed, model, run=RunContext(on_skip=seen.append))
    assert set(scores.models) == {"e2", "e3"}
    told = {(str(each.path), each.affected[0]): each for each in seen}
    assert len(seen) == 3
    assert "gone.wav" in told[str(gone), "e1"].message
    of_short = [each for each in seen if each.path == short]
    # As a test and as a part of e2's enrolment, which goes on without it: reported once.
    assert of_short[0].affected == ("e2", f"e3 {short.as_posix()}")
    assert "frames" in of_short[0].message
    lost = [each for each in seen if "none of its 1 recordings can be used" in each.message]
    assert len(lost[0].affected) == 6
    assert not any("\n" in each.message for each in seen)
    strict = RunContext(strict=True)
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"):
        score_phrases(changed, model, run=strict)
    with pytest.raises(InsufficientDataError, match=r"short\.wav: .*frames"):
        score_phrases(rewritten(split, trials=trials, conditions=conditions), model, run=strict)


def test_missing_and_unknown_words_are_refused_before_anything_is_read(lists, model):
    split = lists.split("eval")
    with pytest.raises(CorpusError, match="the list of trials has no column 'text'"):
        score_phrases(rewritten(split, conditions={}), model)
    with pytest.raises(CorpusError, match=r"'.*e1/up1\.wav', which enrols 'e1', has no text"):
        score_phrases(rewritten(split, texts={}), model)
    wrong = ("sideways", *split.conditions["text"][1:])
    with pytest.raises(
        InvalidInputError, match=r"not in the lexicon of the acoustic model: .sidew"
    ):
        score_phrases(rewritten(split, conditions={"text": wrong}), model)


def test_a_model_that_was_trained_on_a_speaker_of_the_trials_is_refused(lists, model, made):
    assert model.speakers == BACKGROUND
    own = [u for u in read_words(made / "background.tsv").corpus if u.speaker == "b1"]
    claimed = [replace(u, speaker="E1") for u in own]
    said = {u.id: ("up",) if "up" in u.path.name else ("down",) for u in own}
    adapted = adapt_acoustic_model(model, claimed, said)
    assert adapted.speakers == ("E1", *BACKGROUND)
    refusal = "the training of the acoustic model contains speakers of the trials: 'e1'; leave"
    with pytest.raises(InvalidInputError, match=refusal):
        score_phrases(lists, adapted)


def test_features_that_are_normalised_by_speaker_are_refused(lists, made):
    read = read_words(made / "background.tsv")
    some = WordCorpus.subset(read, read.corpus.utterances[:4])
    options = TrainingOptions.for_words(
        n_states=2, gaussians_per_state=1, max_iter=1, normalisation="speaker"
    )
    with pytest.raises(IncompatibleModelError, match="who speaks in a test is the question"):
        score_phrases(lists, AcousticModel.train(some, options=options))


def test_lists_state_the_text_of_a_recording_once(made, tmp_path):
    for name in ("eval_enroll.tsv", "eval_trials.tsv"):
        (tmp_path / name).write_text((made / "lists" / name).read_text("utf-8"), encoding="utf-8")
    rows = (tmp_path / "eval_enroll.tsv").read_text("utf-8")
    twice = rows + "\ne2\te1/up1.wav\tdown"
    (tmp_path / "eval_enroll.tsv").write_text(twice, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"eval_enroll\.tsv:8: 'e1/up1\.wav' has two texts"):
        read_protocol(tmp_path)
