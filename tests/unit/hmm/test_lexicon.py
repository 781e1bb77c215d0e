import pickle
import unicodedata

import pytest

from speakergmm.corpora import Transcripts, read_transcripts
from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Lexicon, LexiconError, Pronunciation


@pytest.fixture
def file(tmp_path):
    def file(text, name="lexicon.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return file


def faults(path, **options):
    with pytest.raises(LexiconError) as caught:
        Lexicon.read(path, **options)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def plain(lexicon):
    return {word: [(str(way), way.probability) for way in lexicon[word]] for word in lexicon}


def test_cmudict_with_variants_stress_and_comments(file):
    path = file(
        ";;; a comment\n# another\n\nA  AH0\nA(2)  EY1 # a letter\nHELLO  HH AH0 L OW1\n"
        "HELLO  HH EH0 L OW1\n#HASH-MARK  HH AE1 SH\n!POINT\tP OY1 N T\n"
    )
    assert plain(Lexicon.read(path)) == {
        "A": [("AH", 1), ("EY", 1)],
        "HELLO": [("HH AH L OW", 1), ("HH EH L OW", 1)],
        "#HASH-MARK": [("HH AE SH", 1)],
        "!POINT": [("P OY N T", 1)],
    }
    kept = Lexicon.read(path, stress="keep")
    assert str(kept["HELLO"][0]) == "HH AH0 L OW1"
    assert "AH0" in kept.phones
    assert "AH0" not in Lexicon.read(path).phones


def test_pronunciations_that_differ_in_stress_only_become_one(file):
    for first, second in ((0.3, 0.7), (0.7, 0.3)):
        path = file(f"RECORD {first} R EH1 K ER0 D\nRECORD {second} R EH0 K ER1 D\n")
        assert plain(Lexicon.read(path)) == {"RECORD": [("R EH K ER D", 0.7)]}
    assert len(Lexicon.read(path, stress="keep")["RECORD"]) == 2


def test_digits_of_other_phone_sets_are_no_stress(file):
    lexicon = Lexicon.read(file("ma m a1\nma2 m a2\ner ER0x\n"))
    assert lexicon.phones == ("ER0x", "a1", "a2", "m")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Kaldi's lexiconp.txt
        ("a 1.0 AH\na 0.25 EY\nb 1 B IY\n", {"a": [("AH", 1), ("EY", 0.25)], "b": [("B IY", 1)]}),
        # a forced aligner's dictionary: probability and three figures on silence
        (
            "a\t0.99\t0.17\t1.04\t0.9\tAH\nb\t0.5\t0.1\t1.2\t1.0\tB IY\n",
            {"a": [("AH", 0.99)], "b": [("B IY", 0.5)]},
        ),
        ("a 1e-3 AH\n", {"a": [("AH", 0.001)]}),
        # Phones may be called by whole numbers, with and without a probability.
        ("a 1.0 1 1 1 1\nb 0.5 0\n", {"a": [("1 1 1 1", 1)], "b": [("0", 0.5)]}),
        ("a 1 2\nb 0 3\n", {"a": [("1 2", 1)], "b": [("0 3", 1)]}),
    ],
)
def test_probabilities_are_detected(file, text, expected):
    assert plain(Lexicon.read(file(text))) == expected


def test_probabilities_may_be_told(file):
    path = file("a 1 2\nb 0.5 3\n")
    assert plain(Lexicon.read(path, probabilities="no")) == {
        "a": [("1 2", 1)],
        "b": [("0.5 3", 1)],
    }
    assert plain(Lexicon.read(file("a 1 2\n"), probabilities="yes")) == {"a": [("2", 1)]}


def test_columns_that_some_lines_lack(file):
    ((line, text),) = faults(file("a 0.5 AH\nb B IY\nc 1.0 S IY\n"))
    assert line == 2
    assert text.startswith("word 'b' has 0 of the 1 numbers")
    ((line, text),) = faults(file("a AH\nb B IY\nc 1.0 S IY\n"))
    assert line == 3
    assert text.startswith("'1.0' looks like a probability")


def test_all_faults_at_once_with_their_lines(file):
    path = file(
        b"good 0.5 G UH D\n"
        b"bare\n"  # 2
        b"large 1.5 L\n"  # 3
        b"zero 0 Z\n"  # 4
        b"minus -0.5 M\n"  # 5
        b"good 0.25 G UH D\n"  # 6
        b"bell\x07 0.5 B\n"  # 7
        b"caf\xe9 0.5 K\n"  # 8
        b"<s> 0.5 S\n"  # 9
        b"phone 0.5 <eps>\n"  # 10
        b"only 0.5\n"  # 11
        b"none N\n"  # 12
        b"nan nan N\n"  # 13
    )
    found = faults(path)
    assert [line for line, _ in found] == list(range(2, 14))
    texts = dict(found)
    assert texts[2].startswith("word 'bare' has no phones")
    assert texts[3] == "probability 1.5 of word 'large': must be above 0, at most 1"
    assert texts[6].startswith("word 'good' has the pronunciation G UH D on line 1")
    assert "control character U+0007" in texts[7]
    assert texts[8] == "byte 0xe9 is not UTF-8; save the file as UTF-8 text"
    assert "symbol of graphs" in texts[9]
    assert "symbol of graphs" in texts[10]
    with pytest.raises(LexiconError) as caught:
        Lexicon.read(path)
    message = str(caught.value)
    assert message.endswith("; and 2 more")
    assert "\n" not in message
    assert f"{path}:2: word 'bare'" in message


@pytest.mark.parametrize("text", ["", "\n \n", ";;; only comments\n# more\n"])
def test_no_word_is_a_fault(file, text):
    ((line, message),) = faults(file(text))
    assert line is None
    assert "no word" in message


def test_byte_order_mark_and_carriage_returns(file):
    expected = plain(Lexicon.read(file("a AH\nb B IY\n")))
    assert plain(Lexicon.read(file("\ufeffa AH\r\nb\tB  IY \r\n"))) == expected


def test_words_are_compared_in_normal_form_c(file):
    decomposed = unicodedata.normalize("NFD", "café")
    assert decomposed != "café"
    lexicon = Lexicon.read(file(f"{decomposed} K A F E\n"))
    assert "café" in lexicon
    assert "café" in Lexicon.from_dict({decomposed: "K"})
    assert Lexicon.from_dict({"c": [["e\u0301"]]}).phones == ("\u00e9",)
    with pytest.raises(InvalidInputError, match="in two Unicode"):
        Lexicon.from_dict({decomposed: "K", "café": "K"})


def test_case_is_kept_unless_asked(file):
    path = file("The DH AH\nthe DH IY\n")
    assert list(Lexicon.read(path)) == ["The", "the"]
    assert plain(Lexicon.read(path, case="upper")) == {"THE": [("DH AH", 1), ("DH IY", 1)]}
    # What becomes one word keeps its pronunciations, each once and with its greater probability.
    path = file("The 0.5 DH AH\nthe 1.0 DH AH\nTHE 0.25 DH IY\n")
    assert plain(Lexicon.read(path, case="lower")) == {"the": [("DH AH", 1), ("DH IY", 0.25)]}
    assert plain(Lexicon.read(path).folded("lower")) == plain(Lexicon.read(path, case="lower"))
    for options in ({"case": "title"}, {"stress": "drop"}, {"probabilities": True}):
        with pytest.raises(InvalidInputError, match="must be one of"):
            Lexicon.read(path, **options)


def test_what_is_written_reads_back(tmp_path):
    for given in (
        {"a": ["AH0", "EY1"], "#hash": ["HH"], "don't": ["D OW1 N T"]},
        {"a": [Pronunciation(("AH",), 1 / 3), Pronunciation(("EY",), 1.0)]},
        {"b": [Pronunciation(("1",), 1e-7)]},
    ):
        lexicon = Lexicon.from_dict(given)
        lexicon.write(tmp_path / "lexicon.txt")
        again = Lexicon.read(tmp_path / "lexicon.txt", stress="keep")
        assert again == lexicon
        assert again.digest == lexicon.digest
        assert hash(again) == hash(lexicon)
        assert again.source == str(tmp_path / "lexicon.txt")


def test_names_that_a_file_would_tell_otherwise(tmp_path):
    lexicon = Lexicon.from_dict({"f(2)": "F", "f": ["0.5 F", "F"], "e": "1e5"})
    lexicon.write(tmp_path / "lexicon.txt")
    assert "f(2)(1) 1.0 F\n" in (tmp_path / "lexicon.txt").read_text()
    assert Lexicon.read(tmp_path / "lexicon.txt") == lexicon
    for comment in ({"#": "F"}, {";;;f": "F"}, {"f": "F #"}):
        with pytest.raises(InvalidInputError, match="read as a comment"):
            Lexicon.from_dict(comment).write(tmp_path / "comment.txt")
    assert not (tmp_path / "comment.txt").exists()


def test_digest_is_of_the_content():
    lexicon = Lexicon.from_dict({"a": ["AH", "EY"], "b": "B IY"})
    same = Lexicon.from_dict({"b": "B IY", "a": ["EY", "AH"]}, source="elsewhere")
    assert lexicon.digest == same.digest
    others = [
        {"a": ["AH"], "b": "B IY"},
        {"a": ["AH", "EY"], "b": "B I Y"},
        {"a": ["AH", Pronunciation(("EY",), 0.5)], "b": "B IY"},
    ]
    assert len({lexicon.digest, *(Lexicon.from_dict(other).digest for other in others)}) == 4


def test_normalising_probabilities():
    given = {"a": [Pronunciation(("AH",), 0.2), Pronunciation(("EY",), 0.05)]}
    lexicon = Lexicon.from_dict(given)
    assert [way.probability for way in lexicon.normalised("max")["a"]] == [1.0, 0.25]
    assert [way.probability for way in lexicon.normalised("sum")["a"]] == pytest.approx(
        [0.8, 0.2], rel=1e-14
    )
    with pytest.raises(InvalidInputError, match="how must be one of max, sum"):
        lexicon.normalised("mean")


def test_unknown_words_with_their_counts():
    lexicon = Lexicon.from_dict({"a": "AH"})
    said = Transcripts({"u1": ("a", "b", "c"), "u2": ("c", "d", "a")})
    assert list(lexicon.unknown(said).items()) == [("c", 2), ("b", 1), ("d", 1)]
    assert lexicon.unknown([["a"], ["A"]]) == {"A": 1}
    assert lexicon.unknown([]) == {}


def test_extending_restricting_and_first_pronunciations():
    lexicon = Lexicon.from_dict({"a": ["AH", "EY"], "b": "B IY"})
    more = lexicon.extended(
        {"<unk>": [Pronunciation(("SPN",))], "a": [Pronunciation(("X",))]}, source="more"
    )
    assert plain(more)["<unk>"] == [("SPN", 1)]
    assert more["a"] == lexicon["a"]
    assert more.restricted(["b", "zebra", "a"]).words == ("a", "b")
    assert lexicon.first_pronunciation(["b", "a"]) == ("B", "IY", "AH")
    with pytest.raises(InvalidInputError, match="outside the lexicon: c, d"):
        lexicon.first_pronunciation(["d", "a", "c"])
    assert (len(lexicon), lexicon.n_pronunciations, lexicon.phones) == (
        2,
        3,
        ("AH", "B", "EY", "IY"),
    )


def test_a_lexicon_travels_between_processes_and_does_not_change():
    lexicon = Lexicon.from_dict({"a": ["AH", "EY"]})
    assert pickle.loads(pickle.dumps(lexicon)) == lexicon
    with pytest.raises(TypeError):
        lexicon.pronunciations["b"] = ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no word"),
        ({"a": []}, "no pronunciation"),
        ({"a": [[]]}, "no phones"),
        ({"a": ["AH", "AH"]}, "the same pronunciation twice"),
        ({"a b": "AH"}, "white space"),
        ({"": "AH"}, "is empty"),
        ({"<eps>": "AH"}, "symbol of graphs"),
        ({"a": "#1"}, "symbol of graphs"),
        ({"a": [["A H"]]}, "white space"),
    ],
)
def test_lexicons_that_make_no_sense(given, message):
    with pytest.raises(InvalidInputError, match=message):
        Lexicon.from_dict(given)


@pytest.mark.parametrize("probability", [0, -0.5, 1.01, float("nan"), float("inf")])
def test_probabilities_out_of_range(probability):
    with pytest.raises(InvalidInputError, match="must be above 0 and at most 1"):
        Pronunciation(("A",), probability)


def test_the_librispeech_lexicon(data_dir):
    lexicon = Lexicon.read(data_dir / "librispeech_asr" / "lexicon.txt")
    assert (len(lexicon), lexicon.n_pronunciations, len(lexicon.phones)) == (3004, 3496, 39)
    assert lexicon.unknown(read_transcripts(data_dir / "librispeech" / "text")) == {}
