"""Trials that are scored by embeddings, against the definitions, trial by trial."""

from pathlib import Path

import numpy as np
import pytest

from speakergmm.corpora import Corpus, Protocol, Split, Trial, Utterance
from speakergmm.errors import CorpusError, InsufficientDataError, InvalidInputError
from speakergmm.speakers import EmbeddingTable, score_embeddings
from speakergmm.subspace import EmbeddingAnalysis

N_DIMENSIONS = 6
COSINE = {"scorer": "cosine"}


def utterances(prefix, n_speakers, n_sessions):
    return [
        Utterance(f"{prefix}{s}/{n}", Path(f"corpus/{prefix}{s}/{n}.wav"), f"{prefix}{s}")
        for s in range(n_speakers)
        for n in range(n_sessions)
    ]


def split_of(prefix):
    said = utterances(prefix, 5, 4)
    enrolment = {}
    for each in said:
        if each.path.stem in "01":
            enrolment.setdefault(each.speaker, []).append(each.path)
    trials = [
        Trial(model, each.path, "target" if model == each.speaker else "nontarget")
        for model in enrolment
        for each in said
        if each.path.stem in "23"
    ]
    return Split(enrolment, tuple(trials), {"session": [trial.path.stem for trial in trials]})


@pytest.fixture(scope="module")
def protocol():
    background = Corpus(utterances("b", 12, 3), "lists")
    return Protocol(background, {"dev": split_of("d"), "eval": split_of("e")}, source="lists")


@pytest.fixture(scope="module")
def table(protocol):
    rng = np.random.default_rng(0)
    voices = {}
    names, vectors = [], []
    paths = {u.path for u in protocol.background}.union(
        *(s.paths() for s in protocol.splits.values())
    )
    for path in sorted(paths):
        voice = voices.setdefault(path.parent, 2 * rng.normal(size=N_DIMENSIONS))
        names.append(path.relative_to("corpus").with_suffix("").as_posix())
        vectors.append(voice + rng.normal(size=N_DIMENSIONS))
    return EmbeddingTable(tuple(names), np.array(vectors))


def vector(table, path):
    return table.vectors[table.names.index(path.relative_to("corpus").with_suffix("").as_posix())]


def analysis_of(protocol, table, **options):
    vectors = [vector(table, each.path) for each in protocol.background]
    return EmbeddingAnalysis.train(
        vectors, [each.speaker for each in protocol.background], **options
    )


@pytest.mark.parametrize("options", [{}, COSINE, {"n_discriminants": 3, "normalisation": "wccn"}])
def test_each_trial_is_scored_by_itself(protocol, table, options):
    found = score_embeddings(protocol, table, **options)
    split, analysis = protocol.split("eval"), analysis_of(protocol, table, **options)
    expected = []
    for trial in split.trials:
        sessions = [vector(table, path) for path in split.enrolment[trial.model]]
        model = analysis.enroll(sessions, [trial.model] * len(sessions))
        expected.append(analysis.score(model, [vector(table, trial.path)])[0, 0])
    np.testing.assert_allclose(found.scores, expected, rtol=1e-10)
    assert found.models.tolist() == [trial.model for trial in split.trials]
    assert found.paths.tolist() == [trial.name for trial in split.trials]
    assert found.condition("session").tolist() == [trial.path.stem for trial in split.trials]
    assert found.target.mean() > found.nontarget.mean()


@pytest.mark.parametrize("kind", ["z", "t", "s"])
def test_the_background_is_the_cohort(protocol, table, kind):
    raw, found = (
        score_embeddings(protocol, table, score_normalisation=each, **COSINE)
        for each in ("none", kind)
    )
    split, analysis = protocol.split("eval"), analysis_of(protocol, table, **COSINE)
    background = list(protocol.background)
    sessions = [vector(table, each.path) for each in background]
    models = analysis.enroll(sessions, [each.speaker for each in background])
    for trial, before, after in zip(split.trials, raw.scores, found.scores, strict=True):
        own = [vector(table, path) for path in split.enrolment[trial.model]]
        of_model = analysis.score(analysis.enroll(own, ["m"] * len(own)), sessions)[0]
        of_test = analysis.score(models, [vector(table, trial.path)])[:, 0]
        sides = {"z": [of_model], "t": [of_test], "s": [of_model, of_test]}[kind]
        expected = np.mean([(before - c.mean()) / c.std(ddof=1) for c in sides])
        np.testing.assert_allclose(after, expected, rtol=1e-10)


@pytest.mark.parametrize("options", [("zt", None), ("adaptive_s", 5)])
def test_the_other_normalisations_take_the_background_too(protocol, table, options):
    kind, top = options
    found = score_embeddings(protocol, table, score_normalisation=kind, cohort_top=top)
    assert found.target.mean() > found.nontarget.mean() + 1


def test_blocks_of_models_change_nothing(protocol, table, monkeypatch):
    options = {"score_normalisation": "zt"}
    whole = score_embeddings(protocol, table, **options)
    monkeypatch.setattr("speakergmm.speakers.embedding_experiment._BLOCK_SCORES", 21)
    blocks = score_embeddings(protocol, table, **options)
    np.testing.assert_allclose(blocks.scores, whole.scores, rtol=1e-12)


def test_ratios_are_calibrated_on_dev(protocol, table):
    raw, found = (score_embeddings(protocol, table, llr=llr, **COSINE) for llr in (False, True))
    order = np.argsort(raw.scores)
    assert (np.diff(found.scores[order]) >= 0).all()
    assert found.target.mean() > 0 > found.nontarget.mean()
    with pytest.raises(InvalidInputError, match="dev trials would be calibrated on these trials"):
        score_embeddings(protocol, table, split="dev", llr=True)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda path: path.as_posix(),
        lambda path: path.with_suffix("").as_posix(),
        lambda path: "/".join(path.parts[-2:]),
    ],
)
def test_names_are_ends_of_paths(protocol, table, spelling):
    paths = {name: Path("corpus", f"{name}.wav") for name in table.names}
    names = tuple(spelling(paths[name]) for name in table.names)
    other = EmbeddingTable(names, table.vectors)
    np.testing.assert_array_equal(
        score_embeddings(protocol, other).scores, score_embeddings(protocol, table).scores
    )


def test_the_longest_end_of_a_path_counts(protocol, table):
    # Names of single files beside them are of other recordings.
    names = (*table.names, *"0123")
    other = EmbeddingTable(names, np.concatenate([table.vectors, np.full((4, N_DIMENSIONS), 9.0)]))
    np.testing.assert_array_equal(
        score_embeddings(protocol, other).scores, score_embeddings(protocol, table).scores
    )


def test_a_trained_analysis_scores(protocol, table, tmp_path):
    analysis = analysis_of(protocol, table, **COSINE)
    analysis.save(tmp_path / "analysis")
    lists = Protocol(None, protocol.splits)
    expected = score_embeddings(protocol, table, **COSINE).scores
    for given in (analysis, tmp_path / "analysis"):
        np.testing.assert_array_equal(
            score_embeddings(lists, table, analysis=given).scores, expected
        )
    with pytest.raises(InvalidInputError, match="leave the options out"):
        score_embeddings(lists, table, analysis=analysis, n_discriminants=2)


def test_without_a_background_only_cosines_of_raw_embeddings_are_possible(protocol, table):
    lists = Protocol(None, protocol.splits, source="lists")
    raw = score_embeddings(lists, table, centre=False, **COSINE)
    trial = lists.split("eval").trials[0]
    sessions = [vector(table, path) for path in lists.split("eval").enrolment[trial.model]]
    model = np.mean([each / np.linalg.norm(each) for each in sessions], axis=0)
    test = vector(table, trial.path)
    expected = model @ test / np.linalg.norm(model) / np.linalg.norm(test)
    np.testing.assert_allclose(raw.scores[0], expected, rtol=1e-10)
    with pytest.raises(CorpusError, match="lists: the analysis learns from background speakers; "):
        score_embeddings(lists, table)
    with pytest.raises(CorpusError, match="score normalisation needs background speakers"):
        score_embeddings(lists, table, centre=False, score_normalisation="t", **COSINE)


def test_a_background_that_is_not_needed_needs_no_embeddings(protocol, table):
    kept = [place for place, name in enumerate(table.names) if not name.startswith("b")]
    tried = EmbeddingTable(tuple(table.names[place] for place in kept), table.vectors[kept])
    analysis = analysis_of(protocol, table, **COSINE)
    for options in ({"analysis": analysis}, {"centre": False, **COSINE}):
        np.testing.assert_array_equal(
            score_embeddings(protocol, tried, **options).scores,
            score_embeddings(protocol, table, **options).scores,
        )
        with pytest.raises(CorpusError, match=r"no embedding of 'corpus/b0/0\.wav'"):
            score_embeddings(protocol, tried, score_normalisation="t", **options)


def test_what_is_missing_or_shared_is_refused(protocol, table):
    fewer = EmbeddingTable(table.names[:-1], table.vectors[:-1])
    with pytest.raises(CorpusError, match=r"no embedding of 'corpus/e4/3.wav', 1 of the 56 "):
        score_embeddings(protocol, fewer)
    single = Protocol(Corpus(utterances("b", 12, 1), "lists"), protocol.splits)
    with pytest.raises(InsufficientDataError, match="session"):
        score_embeddings(single, table)
    shared = Protocol(
        Corpus([*protocol.background, *utterances("e", 1, 1)], "lists"), protocol.splits
    )
    with pytest.raises(InvalidInputError, match="background contains speakers of the trials: 'e0'"):
        score_embeddings(shared, table)
    nameless = Protocol(
        Corpus([Utterance("0", Path("corpus/b0/0.wav"), None)], "lists"), protocol.splits
    )
    with pytest.raises(InvalidInputError, match="a background recording needs a speaker"):
        score_embeddings(nameless, table)
