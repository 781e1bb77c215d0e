from pathlib import Path

import pytest

from speakergmm.corpora import Corpus, Utterance
from speakergmm.errors import CorpusError, InvalidInputError


def make(*rows, **options):
    utterances = tuple(Utterance(i, Path(p), s, *rest) for i, p, s, *rest in rows)
    return Corpus(utterances, source="test", **options)


def test_a_speaker_is_kept_in_normal_form():
    assert Utterance("1", Path("1.wav"), "Zoe\u0308").speaker == "Zo\u00eb"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (("", "a.wav", "a"), "empty id"),
        (("a\n", "a.wav", "a"), r"utterance id 'a\n' contains U+000A"),
        (("a", "a\0.wav", "a"), r"path 'a\x00.wav' contains U+0000"),
        (("a", "a.wav", "../a"), "contains '/'"),
        (("a", "a.wav", "a", -1.0), "starts at -1 s"),
        (("a", "a.wav", "a", float("nan")), "starts at nan s"),
        (("a", "a.wav", "a", 1.0, 1.0), "ends at 1 s; it must end after its start at 1 s"),
        (("a", "a.wav", "a", 0.0, float("inf")), "ends at inf s"),
    ],
)
def test_impossible_utterances_are_refused(fields, reason):
    with pytest.raises(InvalidInputError) as caught:
        Utterance(*fields)
    assert reason in str(caught.value)


def test_speakers_are_sorted_and_grouped_in_list_order():
    corpus = make(("2", "2.wav", "b"), ("3", "3.wav", "a"), ("1", "1.wav", "b"))
    assert corpus.speakers == ("a", "b")
    assert [[u.id for u in group] for group in corpus.by_speaker().values()] == [["3"], ["2", "1"]]
    assert list(corpus.by_speaker()) == ["a", "b"]
    assert len(corpus) == 3
    assert [u.id for u in corpus] == ["2", "3", "1"]
    assert "3 utterances of 2 speakers" in repr(corpus)


def test_a_corpus_without_speakers_has_none_to_group_by():
    corpus = make(("1", "1.wav", None))
    assert corpus.speakers == ()
    with pytest.raises(CorpusError, match="names no speakers"):
        corpus.by_speaker()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("1", "1.wav", "a"), ("1", "2.wav", "a")], "utterance id '1' repeats the id"),
        ([("1", "1.wav", "a"), ("2", "x/../1.wav", "a")], "1.wav repeats the recording"),
        ([("1", "1.wav", "ana"), ("2", "2.wav", "ANA")], "differs only in letter case"),
        ([("1", "1.wav", "a"), ("2", "2.wav", None)], "utterance '2' has no speaker"),
    ],
)
def test_contradictions_are_refused(rows, reason):
    with pytest.raises(CorpusError) as caught:
        make(*rows)
    assert reason in str(caught.value)
    assert str(caught.value).startswith("test: ")


def test_the_number_of_further_contradictions_is_told():
    with pytest.raises(CorpusError, match=r"\(and 2 more\)"):
        make(*[("1", f"{n}.wav", "a") for n in range(4)])


def test_stretches_of_one_recording_are_different_utterances():
    assert len(make(("1", "1.wav", "a", 0.0, 1.0), ("2", "1.wav", "a", 1.0, 2.0))) == 2


def test_the_digest_depends_on_content_and_not_on_order_or_place():
    rows = [("1", "/x/1.wav", "a"), ("2", "/x/2.wav", "b", 0.5, 2.0)]
    moved = [(i, p.replace("/x", "/y"), *rest) for i, p, *rest in rows]
    digest = make(*rows, root=Path("/x")).digest
    assert len(digest) == 64
    assert make(*reversed(rows), root=Path("/x")).digest == digest
    assert make(*moved, root=Path("/y")).digest == digest
    changed = [
        [("3", "/x/1.wav", "a"), rows[1]],
        [("1", "/x/3.wav", "a"), rows[1]],
        [("1", "/x/1.wav", "c"), rows[1]],
        [("1", "/x/1.wav", "a", 0.25), rows[1]],
        [rows[0], ("2", "/x/2.wav", "b", 0.5, 3.0)],
        [rows[0], ("2", "/x/2.wav", "b", 0.5)],
        rows[:1],
    ]
    digests = {make(*other, root=Path("/x")).digest for other in changed}
    assert len(digests) == len(changed)
    assert digest not in digests


def test_the_digest_keeps_fields_apart():
    one = make(("1", "a.wav", "b"))
    other = make(("1a", ".wav", "b"))
    assert one.digest != other.digest
