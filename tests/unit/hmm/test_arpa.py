import gzip
import math
import pickle
import re

import pytest

from speakergmm.corpora import read_transcripts
from speakergmm.errors import InvalidInputError, ModelFormatError, SpeakerGmmError
from speakergmm.hmm import BackoffLanguageModel, LanguageModelError, train_ngram
from speakergmm.hmm.language import read_arpa, write_arpa

GOOD = r"""made by hand

\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-99	<s>	-0.5
-0.6	</s>
-0.9	<unk>
-0.5	a	-0.25
-0.7	b

\2-grams:
-0.2	<s> a	-0.1
-0.3	a b
-0.4	a </s>

\3-grams:
-0.05	<s> a b

\end\
"""


@pytest.fixture
def arpa(tmp_path):
    def arpa(text, name="lm.arpa"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return arpa


def faults(path):
    with pytest.raises(LanguageModelError) as caught:
        read_arpa(path)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_numbers_words_and_missing_backoffs(arpa):
    unigrams, bigrams, trigrams = read_arpa(arpa(GOOD))
    assert unigrams["<s>",] == (-math.inf, -0.5)
    assert unigrams["b",] == (-0.7, 0.0)
    assert bigrams["<s>", "a"] == (-0.2, -0.1)
    assert trigrams == {("<s>", "a", "b"): (-0.05, 0.0)}


def test_log_probability_backs_off_by_hand(arpa):
    model = BackoffLanguageModel.read_arpa(arpa(GOOD))
    ln10 = math.log(10)
    # a after <s>; b after <s> a is a trigram; </s> after a b backs off twice: a b has none, b none.
    assert model.log_probability(["a", "b"]) == pytest.approx(ln10 * (-0.2 - 0.05 - 0.6), rel=1e-14)
    # b after <s> backs off by <s>; a after "<s> b" by nothing; </s> after "b a": bigram a </s>.
    assert model.log_probability(["b", "a"]) == pytest.approx(
        ln10 * ((-0.5 - 0.7) - 0.5 - 0.4), rel=1e-14
    )
    # a after "<s> a": back-off of the bigram, then of a.
    assert model.log_probability(["a", "a"], end=False) == pytest.approx(
        ln10 * (-0.2 + (-0.1 - 0.25 - 0.5)), rel=1e-14
    )
    assert model.log_probability(["a"], begin=False, end=False) == pytest.approx(-0.5 * ln10)
    # <unk> for all that is not there.
    assert model.log_probability(["zebra"], end=False) == pytest.approx(ln10 * (-0.5 - 0.9))


def test_perplexity_counts_unknown_words_apart(arpa):
    model = BackoffLanguageModel.read_arpa(arpa(GOOD))
    found = model.perplexity([["a", "b"], ["zebra"]])
    # zebra is not foretold; the </s> after it is, by its unigram.
    assert found.log10_probability == pytest.approx(-0.2 - 0.05 - 0.6 - 0.6, rel=1e-14)
    assert (found.n_sentences, found.n_words, found.n_unknown) == (2, 3, 1)
    assert found.perplexity == pytest.approx(10 ** (1.45 / 4), rel=1e-14)
    assert found.perplexity_without_ends == pytest.approx(10 ** (1.45 / 2), rel=1e-14)
    assert found.to_dict()["n_unknown"] == 1
    with pytest.raises(InvalidInputError, match="no sentence"):
        model.perplexity([])


def test_a_word_is_impossible_where_nothing_stands_for_it(arpa):
    text = GOOD.replace("-0.9\t<unk>\n", "").replace("ngram 1=5", "ngram 1=4")
    model = BackoffLanguageModel.read_arpa(arpa(text))
    assert model.unknown_word is None
    assert model.log_probability(["zebra"]) == -math.inf
    assert model.perplexity([["a", "zebra"]]).n_unknown == 1
    assert math.isfinite(model.perplexity([["a", "zebra"]]).perplexity)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\t", " "),
        lambda text: text.replace("\t", "  ").replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("ngram 1=5", "ngram 1 = 5"),
        lambda text: text.replace("-99\t", "-100\t").replace("-0.6\t", "-6e-1\t"),
        lambda text: text.replace("-99\t<s>", "0\t<s>"),  # as KenLM has it
        lambda text: text.replace("ngram 3=1", "ngram 3=1\nngram 4=0"),
    ],
)
def test_spellings_of_other_programs(arpa, change):
    assert read_arpa(arpa(change(GOOD))) == read_arpa(arpa(GOOD, "good.arpa"))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("ngram 2=3", "ngram 2=4", 5, "4 2-grams, found 3"),
        ("ngram 3=1\n", "", 19, r"\3-grams: are not in the counts"),
        ("ngram 3=1", "ngram 3=1\nngram 4=1", 7, r"found no line \4-grams:"),
        ("ngram 1=5", "ngrams 1=5", 4, "found 'ngrams 1=5'"),
        ("-0.3\ta b", "-0.3\ta c", 17, "word 'c' has no unigram"),
        ("<s> a b", "b a b", 21, "the history 'b a' is not among the 2-grams"),
        ("\\end\\\n", "", None, r"has no line \end\\"[:-1]),
        ("-99\t<s>", "-99\t<t>", 8, "no unigram <s>"),
        ("-0.6\t</s>", "-0.6\t</t>", 8, "no unigram </s>"),
        ("-0.7\tb", "0.7\tb", 13, "log probability 0.7"),
        ("-0.7\tb", "nan\tb", 13, "found 'nan'"),
        ("-0.7\tb", "minus\tb", 13, "found 'minus'"),
        ("-0.7\tb", "-0.7\tb\tinf", 13, "back-off weight inf"),
        ("-0.7\tb", "-0.7", 13, "1 fields; a line of 1-grams has"),
        ("-0.7\tb", "-0.7\tb\t-1\t-1", 13, "4 fields"),
        ("-0.7\tb", "-0.7\ta", 13, "line 12"),
        ("\\data\\", "data", None, r"has no line \data\ "[:-1]),
        ("\\end\\", "\\end\\\nmore", 24, r"text after \end\ "[:-1]),
        ("\\2-grams:", "\\3-grams:", 15, r"expected \2-grams:, found \3-grams:"),
    ],
)
def test_each_fault_is_found_with_its_line(arpa, old, new, line, message):
    assert old in GOOD
    found = faults(arpa(GOOD.replace(old, new, 1)))
    assert any(line == where and message in what for where, what in found), found


def test_all_faults_are_told_at_once(arpa):
    text = (
        GOOD.replace("ngram 2=3", "ngram 2=9")
        .replace("-0.7\tb", "0.7\tb")
        .replace("a </s>", "a zebra")
        .replace("-0.5\ta\t", "half\ta\t")
    )
    path = arpa(text)
    found = faults(path)
    lines = [line for line, _ in found]
    assert lines == [5, 12, 13, 18]  # n-grams with a and b are not told for the spoilt unigrams
    with pytest.raises(LanguageModelError) as caught:
        read_arpa(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(f"{path}:{line}: " in message for line in (5, 12, 13, 18))
    assert isinstance(caught.value, (SpeakerGmmError, ModelFormatError))
    assert pickle.loads(pickle.dumps(caught.value)).faults == caught.value.faults


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\\data\\\nngram 1=0\n\\1-grams:\n\\end\\\n", 3),
        ("\\data\\\nngram 1=0\nngram 2=1\n\\1-grams:\n\\2-grams:\n-1 a b\n\\end\\\n", 4),
        ("\\data\\\nngram 1=0\n\\end\\\n", None),
    ],
)
def test_a_file_without_unigrams_is_named(arpa, text, line):
    assert faults(arpa(text)) == [(line, "a language model needs unigrams, found none")]


def test_bytes_that_are_no_text(arpa):
    assert faults(arpa(GOOD.encode().replace(b"-0.3\ta b", b"-0.3\ta \xff")))[1] == (
        17,
        "byte 0xff is not UTF-8; save the file as UTF-8 text",
    )
    assert faults(arpa(GOOD.encode("utf-16"))) == [(None, "is UTF-16 text; save it as UTF-8")]
    control = (17, "contains the control character U+0001; remove it")
    assert control in faults(arpa(GOOD.replace("-0.3\ta b", "-0.3\ta\x01 b")))
    assert "damaged gzip" in faults(arpa(gzip.compress(GOOD.encode())[:-12]))[0][1]
    assert "cannot be read" in faults("/nowhere/lm.arpa")[0][1]


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_what_is_written_reads_back(tmp_path, name):
    model = train_ngram(["a b c", "a c", "b"], order=3)
    model.write_arpa(tmp_path / name, decimals=15)
    again = BackoffLanguageModel.read_arpa(tmp_path / name)
    assert [words for words, *_ in again] == [words for words, *_ in model]
    for (_, *found), (_, *expected) in zip(again, model, strict=True):
        assert found == pytest.approx(expected, abs=1e-14)
    assert again.source == str(tmp_path / name)
    first = (tmp_path / name).read_bytes()
    model.write_arpa(tmp_path / name, decimals=15)
    assert (tmp_path / name).read_bytes() == first
    assert first.startswith(b"\x1f\x8b") == name.endswith(".gz")


def test_written_files_have_no_more_backoffs_than_needed(tmp_path):
    path = tmp_path / "lm.arpa"
    train_ngram(["a b"], vocabulary=["a", "b", "c"]).write_arpa(path)
    lines = path.read_text().splitlines()
    assert [line for line in lines if line.endswith("\tc")]
    assert [line.count("\t") for line in lines if line.split("\t")[1:2] == ["</s>"]] == [1]
    with pytest.raises(InvalidInputError, match="decimals must be a whole number >= 1, found 0"):
        write_arpa(path, train_ngram(["a"]).ngrams, decimals=0)


@pytest.mark.parametrize(
    ("ngrams", "message"),
    [
        ((), "needs unigrams"),
        (({("<s>",): (0.0, 0.0)},), "no unigram </s>"),
        (({("<s>",): (0.0, 0.0), ("</s>",): (0.1, 0.0)},), "log probability 0.1"),
        (({("<s>",): (0.0, 0.0), ("</s>",): (math.nan, 0.0)},), "log probability nan"),
        (
            ({("<s>",): (0.0, 0.0), ("</s>",): (0.0, 0.0)}, {("a", "</s>"): (0.0, 0.0)}),
            "word 'a' has no unigram",
        ),
        (
            (
                {(word,): (0.0, 0.0) for word in ("<s>", "</s>", "a")},
                {("a", "</s>"): (0.0, 0.0)},
                {("<s>", "a", "</s>"): (0.0, 0.0)},
            ),
            "the history '<s> a' is not among the 2-grams",
        ),
        (
            ({("<s>",): (0.0, 0.0), ("</s>",): (0.0, 0.0)}, {("<s>",): (0.0, 0.0)}),
            "is not a 2-gram",
        ),
    ],
)
def test_models_that_do_not_hang_together(ngrams, message):
    with pytest.raises(InvalidInputError, match=message):
        BackoffLanguageModel(ngrams)


def test_given_models_of_librispeech(data_dir):
    folder = data_dir / "librispeech_asr"
    transcripts = read_transcripts(data_dir / "librispeech" / "text")
    test = sorted(path.stem for path in (data_dir / "librispeech" / "test-other").iterdir())
    model = BackoffLanguageModel.read_arpa(folder / "word_2gram.arpa")
    found = model.perplexity([transcripts[name] for name in test])
    assert (found.n_sentences, found.n_unknown) == (100, 0)
    assert round(found.perplexity) == 789  # the README's figure: </s> is foretold and counted
    phones = BackoffLanguageModel.read_arpa(folder / "phone_2gram.arpa")
    assert len(phones.vocabulary) == 40
    for history in ((), *((phone,) for phone in phones.vocabulary), ("<s>",)):
        total = sum(
            10 ** phones.log10_probability_of(word, history)
            for word in (*phones.vocabulary, "</s>")
        )
        assert total == pytest.approx(1, abs=1e-5)


def test_a_file_that_was_changed_after_it_was_written_is_noticed(tmp_path):
    path = tmp_path / "lm.arpa"
    train_ngram([["yes", "no"], ["no"]]).write_arpa(path)
    whole = path.read_text()
    ngrams = read_arpa(path)
    number = re.search(r"-0\.[0-9]+", whole).group()
    path.write_text(whole.replace(number, "-0.5", 1))
    with pytest.raises(LanguageModelError, match=r"arpa:1: .* do not match this checksum.*remove"):
        read_arpa(path)
    # What other programs read, and what people edit on purpose.
    path.write_text(whole.partition("\n")[2])
    assert read_arpa(path) == ngrams
    path.write_text(whole.partition("\n")[2].replace(number, "-0.5", 1))
    assert read_arpa(path) != ngrams
