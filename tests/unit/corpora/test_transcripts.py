import math
import pickle
import unicodedata

import pytest

from speakergmm.corpora import (
    Transcript,
    TranscriptError,
    Transcripts,
    read_corpus,
    read_transcripts,
    write_transcripts,
)
from speakergmm.errors import CorpusError, InvalidInputError, InvalidTypeError


@pytest.fixture
def folder(tmp_path):
    def folder(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return folder


def words(transcripts):
    return {name: " ".join(said) for name, said in transcripts.items()}


def faults(source, **options):
    with pytest.raises(TranscriptError) as caught:
        read_transcripts(source, **options)
    return [(fault.line, fault.utterance, fault.message) for fault in caught.value.faults]


KALDI = {"wav.scp": "u1 1.wav\nu2 2.wav\n", "utt2spk": "u1 ana\nu2 bea\n"}
TEXT = "u1 Open  the\tdoor\n\nu2\n"


def test_kaldi_text_by_file_directory_or_corpus(folder):
    where = folder({**KALDI, "text": TEXT})
    for source in (where / "text", where, read_corpus(where)):
        said = read_transcripts(source)
        assert words(said) == {"u1": "Open the door", "u2": ""}
        assert (said["u1"].path, said["u1"].line) == (str(where / "text"), 1)
        assert said["u2"].line == 3
    assert said.n_words == 3


def test_a_kaldi_directory_without_text_is_refused(folder):
    with pytest.raises(CorpusError, match="has no file text"):
        read_transcripts(folder(KALDI))


def test_segments_are_utterances_too(folder):
    where = folder(
        {
            "wav.scp": "r 1.wav\n",
            "utt2spk": "u1 ana\nu2 bea\n",
            "segments": "u1 r 0 1\nu2 r 1 2\n",
            "text": TEXT,
        }
    )
    assert set(read_transcripts(read_corpus(where))) == {u.id for u in read_corpus(where)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path\tspeaker\ttext\na/1.wav\tana\tgo  on\nb/2.wav\tbea\t\n", "a/1.wav b/2.wav"),
        ("Text,Path\ngo  on,a/1.wav\n,b/2.wav\n", "a/1.wav b/2.wav"),
        ('id;path;text\nu1;a/1.wav;"go  on"\n u2;b/2.wav;\n', "u1 u2"),
        ("id\ttext\nu1\tgo on\nu2\t\n", "u1 u2"),
    ],
)
def test_a_column_text(folder, text, expected):
    where = folder({"list.lst": text}) / "list.lst"
    said = read_transcripts(where)
    assert list(said) == expected.split()
    assert [" ".join(each) for each in said.values()] == ["go on", ""]
    assert [each.line for each in said.values()] == [2, 3]


def test_ids_of_a_list_are_those_of_its_corpus(folder):
    text = (
        "path,speaker,start,end,text\n1.wav,ana,0,1.5,go on\n1.wav,ana,1.5,,stop\n2.wav,bea,,,up\n"
    )
    where = folder({"list.csv": text}) / "list.csv"
    corpus = read_corpus(where)
    assert list(read_transcripts(corpus)) == [u.id for u in corpus]
    assert list(read_transcripts(where, data_dir=where.parent)) == [u.id for u in corpus]


def test_files_beside_recordings_of_a_folder_and_of_a_list(folder):
    where = folder(
        {
            "ana/1.wav": b"",
            "ana/1.txt": "go\non \n\n up\n",
            "ana/2.wav": b"",
            "bea/3.flac": b"",
            "bea/3.lab": "stop",
            "notes.csv": "path,speaker\nana/1.wav,ana\nbea/3.flac,bea\n",
        }
    )
    said = read_transcripts(where)
    assert words(said) == {"ana/1.wav": "go on up", "bea/3.flac": "stop"}
    assert said["bea/3.flac"].path == str(where / "bea" / "3.lab")
    assert words(read_transcripts(where / "notes.csv")) == words(said)
    assert words(read_transcripts(read_corpus(where / "notes.csv"))) == words(said)


def test_a_text_whose_first_words_look_like_columns_is_no_list(folder):
    assert words(read_transcripts(folder({"text": "id path text\n"}) / "text")) == {
        "id": "path text"
    }


def test_letter_case_only_on_request(folder):
    path = folder({"text": "u1 Stra\u00dfe GO\n"}) / "text"
    assert words(read_transcripts(path)) == {"u1": "Stra\u00dfe GO"}
    assert words(read_transcripts(path, case="lower")) == {"u1": "stra\u00dfe go"}
    assert words(read_transcripts(path, case="upper")) == {"u1": "STRASSE GO"}
    with pytest.raises(InvalidInputError, match=r"case must be .*, found 'title'"):
        read_transcripts(path, case="title")


def test_words_in_normal_form_c_and_unicode_white_space(folder):
    decomposed = unicodedata.normalize("NFD", "caf\u00e9")
    where = folder(
        {
            "text": f"\ufeffu1 {decomposed}\u00a0noir\u3000{decomposed}\r\n",
            "list.csv": f"id,text\nu1,{decomposed}\n",
        }
    )
    assert read_transcripts(where / "text")["u1"].words == ("caf\u00e9", "noir", "caf\u00e9")
    assert read_transcripts(where / "list.csv")["u1"].words == ("caf\u00e9",)


def test_all_faults_of_a_text_at_once(folder):
    where = folder({"text": b"u1 a\nu2 \xff\nu1 b\nu3 a\x01\nu4 c\nu1 a\n"}) / "text"
    assert faults(where) == [
        (2, None, "byte 0xff is not UTF-8; save the file as UTF-8 text"),
        (3, "u1", "utterance 'u1' is on line 1 too; keep one"),
        (4, None, "contains the control character U+0001; remove it"),
        (6, "u1", "utterance 'u1' is on line 1 too; keep one"),
    ]
    lenient = read_transcripts(where, strict=False)
    assert words(lenient) == {"u4": "c"}  # of u1 nobody knows which line is right
    assert [fault.line for fault in lenient.faults] == [2, 3, 4, 6]


def test_faults_of_lists_and_of_files_beside(folder):
    where = folder(
        {
            "list.csv": "path,text\n1.wav,a\n1.wav,b\n,c\n",
            "c/ana/1.wav": b"",
            "c/ana/1.txt": "a",
            "c/ana/1.lab": "a",
            "c/bea/2.wav": b"",
            "c/bea/2.lab": b"\xff",
            "part.csv": "path,speaker,start,end\nc/ana/1.wav,ana,0,1\n",
        }
    )
    assert [line for line, *_ in faults(where / "list.csv")] == [3, 4]
    assert faults(where / "c") == [
        (None, "ana/1.wav", "there is 1.lab beside 1.txt; keep one"),
        (1, "bea/2.wav", "byte 0xff is not UTF-8; save the file as UTF-8 text"),
    ]
    (where / "c/ana/1.lab").unlink()
    assert "is part of a recording; list its text" in faults(where / "part.csv")[0][2]


@pytest.mark.parametrize("source", ["empty", "nowhere", "nowhere/text"])
def test_no_transcripts_at_all(folder, source):
    where = folder({"empty": "\n"})
    with pytest.raises(CorpusError, match=r"has no transcripts|cannot be read"):
        read_transcripts(where / source)


def test_transcripts_are_sequences_of_words_by_utterance():
    said = Transcripts({"u1": ["a", "b"], "u2": Transcript(("c",), "text", 7)})
    assert said["u1"][0] == "a"
    assert said["u1"][::-1] == ("b", "a")
    assert str(said["u1"]) == "a b"
    assert "a" in said["u1"]
    assert pickle.loads(pickle.dumps(said))["u2"] == said["u2"]
    assert "u3" not in said
    assert repr(said) == "Transcripts(2 utterances, source='given')"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({7: ["a"]}, "got int where the id of an utterance, a text, is wanted"),
        ({"u1": None}, "got NoneType where a text or its words is wanted for utterance 'u1'"),
        ({"u1": math.nan}, "got float where a text or its words"),
    ],
)
def test_what_is_no_text_is_refused(given, message):
    with pytest.raises(InvalidTypeError, match=message):
        Transcripts(given)


def test_digest_is_of_ids_and_words():
    said = Transcripts({"u1": ["a", "b"], "u2": ["c"]})
    same = Transcripts({"u2": Transcript(("c",), "text", 7), "u1": ("a", "b")}, "elsewhere")
    assert said.digest == same.digest
    others = ({"u1": ["a b"], "u2": ["c"]}, {"u1": ["a"], "u2": ["b", "c"]}, {"u1": ["a", "b"]})
    assert len({said.digest, *(Transcripts(other).digest for other in others)}) == 4


def test_what_is_written_reads_back(tmp_path):
    said = {"u2": ("b", "a"), "u1": (), "u3": Transcript(("caf\u00e9",))}
    write_transcripts(tmp_path / "text", said)
    assert (tmp_path / "text").read_text(encoding="utf-8") == "u1\nu2 b a\nu3 caf\u00e9\n"
    assert words(read_transcripts(tmp_path / "text")) == words(said)


def test_names_with_white_space_are_told_from_words(tmp_path):
    said = {
        "1234 a": ("2",),
        "1234": ("a", "2"),
        "1234 a 2": (),
        "1234%20a": ("x",),
        "1\u00a0a": ("x", "y"),
        ";; x": ("x",),
        "# 1": ("1",),
        "\u540d \u524d": ("\u540d",),
    }
    write_transcripts(tmp_path / "text", said)
    found = read_transcripts(tmp_path / "text")
    assert {name: text.words for name, text in found.items()} == said
    (tmp_path / "text").write_text("u\u00a01 yes\nu2\tno no\n", encoding="utf-8")
    assert words(read_transcripts(tmp_path / "text")) == {"u\u00a01": "yes", "u2": "no no"}


def test_librispeech(data_dir):
    said = read_transcripts(data_dir / "librispeech" / "text")
    assert (len(said), said.n_words) == (351, 10117)
    assert said["103-1240-0000"].words[:3] == ("CHAPTER", "ONE", "MISSUS")
