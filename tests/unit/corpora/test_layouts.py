"""Corpora in the shapes that people have them: LibriSpeech, Common Voice, flat folders."""

import pytest

from speakergmm.corpora import (
    NamePattern,
    TranscriptError,
    name_speakers,
    read_corpus,
    read_transcripts,
    validate_corpus,
)
from speakergmm.errors import CorpusError, InvalidInputError


@pytest.fixture
def write(tmp_path):
    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


LIBRISPEECH = {
    "clean/84/121123/84-121123-0000.flac": "",
    "clean/84/121123/84-121123-0001.flac": "",
    "clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO ON\n84-121123-0001 STOP\n",
    "clean/84/121550/84-121550-0000.flac": "",
    "clean/84/121550/84-121550.trans.txt": "84-121550-0000 YES\n",
    "clean/174/50561/174-50561-0000.flac": "",
    "clean/174/50561/174-50561.trans.txt": "174-50561-0000 NO\n",
    "SPEAKERS.TXT": "84 | F\n",
}


@pytest.mark.parametrize("level", [".", "clean"])
def test_librispeech_is_read_from_any_of_its_levels(write, level):
    corpus = read_corpus(write(LIBRISPEECH) / level)
    assert corpus.speakers == ("174", "84")
    assert corpus.notes == ()
    said = {name.split("/")[-1]: str(words) for name, words in read_transcripts(corpus).items()}
    assert said == {
        "84-121123-0000.flac": "GO ON",
        "84-121123-0001.flac": "STOP",
        "84-121550-0000.flac": "YES",
        "174-50561-0000.flac": "NO",
    }
    assert set(read_transcripts(corpus)) == {u.id for u in corpus}


def test_librispeech_without_a_transcript_names_the_same_speakers(write):
    part = {name: text for name, text in LIBRISPEECH.items() if "121123.trans" not in name}
    assert read_corpus(write(part)).speakers == ("174", "84")
    assert len({u.speaker for u in read_corpus(write(part) / "clean/84")}) == 1


def test_names_of_recordings_that_only_resemble_librispeech_name_nobody(write):
    files = {f"lab/{who}/lab-{who}-{n}.wav": "" for who in ("ana", "bea") for n in (1, 2)}
    assert read_corpus(write(files) / "lab").speakers == ("ana", "bea")


def test_a_speaker_or_chapter_of_librispeech_is_one_speaker(write):
    where = write(LIBRISPEECH) / "clean/84"
    assert read_corpus(where).speakers == ("84",)
    assert len(read_corpus(where)) == 3
    assert read_corpus(where / "121123").speakers == ("84",)


def test_librispeech_lines_without_recording_and_recordings_without_line_are_told(write):
    changed = LIBRISPEECH | {
        "clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO\n84-121123-0009 LOST\n",
    }
    said = read_transcripts(read_corpus(write(changed)))
    assert "clean/84/121123/84-121123-0001.flac" not in said
    (note,) = said.notes
    assert "transcripts without a recording (1): " in note
    assert "84-121123.trans.txt:2" in note


def test_two_files_that_say_what_is_said_are_refused(write):
    where = write(LIBRISPEECH | {"clean/84/121550/84-121550-0000.txt": "MAYBE\n"})
    with pytest.raises(TranscriptError, match=r"84-121550.trans.txt beside 84-121550-0000.txt"):
        read_transcripts(read_corpus(where))


def test_transcripts_beside_recordings_may_end_in_capitals(write):
    where = write({"ana/1.WAV": "", "ana/1.TXT": "one\n", "ana/2.wav": "", "ana/2.Lab": "two\n"})
    said = read_transcripts(where)
    assert {name: str(words) for name, words in said.items()} == {
        "ana/1.WAV": "one",
        "ana/2.wav": "two",
    }


def test_transcripts_without_recordings_are_told(write):
    where = write({"ana/1.wav": "", "ana/1.txt": "one\n", "ana/2.txt": "two\n", "ana/3.txt": "x"})
    (note,) = read_transcripts(where).notes
    assert "transcripts without a recording (2): " in note


COMMON_VOICE = (
    "client_id\tpath\tsentence\tup_votes\tage\tlocale\n"
    "a1b2\tcv_1.mp3\tGood morning.\t2\t\ten\n"
    "c3d4\tcv_2.mp3\tGood night.\t2\t\ten\n"
)


def test_common_voice_is_read_as_it_is(write):
    where = write({"validated.tsv": COMMON_VOICE, "clips/cv_1.mp3": "", "clips/cv_2.mp3": ""})
    corpus = read_corpus(where / "validated.tsv")
    assert [(u.id, u.speaker, u.path.relative_to(where).as_posix()) for u in corpus] == [
        ("cv_1.mp3", "a1b2", "clips/cv_1.mp3"),
        ("cv_2.mp3", "c3d4", "clips/cv_2.mp3"),
    ]
    said = read_transcripts(corpus)
    assert {name: str(words) for name, words in said.items()} == {
        "cv_1.mp3": "Good morning.",
        "cv_2.mp3": "Good night.",
    }
    (note,) = corpus.notes
    assert "columns 'up_votes', 'age', 'locale' are not read" in note


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ('"Yes" she said', '"Yes" she said'),
        ('"Never ends', '"Never ends'),
        ('He said "no"', 'He said "no"'),
        ('"""Yes"" she said"', '"Yes" she said'),
        ('"Quoted as a whole"', "Quoted as a whole"),
        ('"', '"'),
    ],
)
def test_common_voice_quotes_nothing(write, sentence, said):
    rows = COMMON_VOICE.replace("Good morning.", sentence)
    where = write({"validated.tsv": rows, "clips/cv_1.mp3": "", "clips/cv_2.mp3": ""})
    corpus = read_corpus(where / "validated.tsv")
    assert len(corpus) == 2
    found = read_transcripts(corpus)
    assert [str(found[name]) for name in ("cv_1.mp3", "cv_2.mp3")] == [said, "Good night."]


def test_a_list_in_a_folder_that_is_given_instead_is_named(write):
    where = write({"validated.tsv": COMMON_VOICE, "clips/cv_1.mp3": "", "clips/a/list.tsv": ""})
    lists = "lists are skipped (1): 'validated.tsv'; to read a list, give its own path"
    assert lists in read_corpus(where).notes


def test_recordings_of_common_voice_may_be_given_by_their_folder(write):
    where = write({"validated.tsv": COMMON_VOICE, "clips/cv_1.mp3": "", "clips/cv_2.mp3": ""})
    corpus = read_corpus(where / "validated.tsv", data_dir=where / "clips")
    assert all(u.path.exists() for u in corpus)


@pytest.mark.parametrize("column", ["word", "Sentence", "transcript", "transcription"])
def test_text_has_other_names(write, column):
    where = write({"list.csv": f"path,{column}\n1.wav,yes\n"})
    assert read_transcripts(where / "list.csv")["1.wav"].words == ("yes",)
    assert read_corpus(where / "list.csv").notes == ()


def test_columns_have_other_names(write):
    header = "path,speaker_id,start_time,end_time,utterance_id\n"
    where = write({"list.csv": f"{header}1.wav,ana,0.5,2,u1\n"})
    corpus = read_corpus(where / "list.csv")
    assert [(u.id, u.speaker, u.start, u.end) for u in corpus] == [("u1", "ana", 0.5, 2.0)]
    assert corpus.notes == ()


def test_the_columns_that_were_found_are_named(write):
    where = write({"list.csv": "path,label\n1.wav,yes\n"})
    with pytest.raises(CorpusError, match="its columns are path, label"):
        read_transcripts(where / "list.csv")
    where = write({"list.csv": "file,label\n1.wav,yes\n"})
    with pytest.raises(CorpusError, match=r"no column 'path'.* it is 'file, label'"):
        read_corpus(where / "list.csv")


FLAT = {f"{digit}_{who}_{n}.wav": "" for digit in (1, 7) for who in ("ana", "bea") for n in (0, 1)}


@pytest.mark.parametrize(
    "pattern",
    [
        "*_{speaker}_*.wav",
        "*_{speaker}_*",
        "{digit}_{speaker}_{take}",
        "?_{speaker}_?.wav",
        "**/*_{speaker}_*",
        r"\d_(.+)_\d",
        r"(?P<digit>\d)_(?P<speaker>[a-z]+)_",
        r"(?P<digit>\d)_([a-z]+)_",
    ],
)
def test_flat_folders_are_read_by_a_pattern(write, pattern):
    corpus = read_corpus(write(FLAT), speaker_pattern=pattern)
    assert corpus.speakers == ("ana", "bea")
    assert {u.id: u.speaker for u in corpus} == {name: name.split("_")[1] for name in FLAT}


@pytest.mark.parametrize(
    ("pattern", "path", "speaker"),
    [
        ("{speaker}/*/*.wav", "part/ana/s1/1.wav", "ana"),
        ("{part}/{speaker}/*.wav", "dev/ana/1.wav", "ana"),
        ("{speaker}/{speaker}_*.wav", "ana/ana_1.wav", "ana"),
        ("{speaker}/{speaker}_*.wav", "ana/bea_1.wav", None),
        ("wav/**/{speaker}-*", "wav/a/b/c/ana-1.flac", "ana"),
        ("{speaker}_*.wav", "ana_maria_1.wav", "ana"),
        ("{speaker}.wav", "a.b.wav", "a.b"),
        ("*_{speaker}", "1_ana.wav", "ana"),
        ("{word}/{speaker}", "yes/ana.FLAC", "ana"),
        ("{speaker}", "ana.1", "ana.1"),
        ("{speaker}_*.wav", "_1.wav", None),
        ("{speaker}+*.wav", "ana+1.wav", "ana"),
        ("(x)?1", "1.wav", None),
    ],
)
def test_patterns_fit_names_and_paths(pattern, path, speaker):
    assert NamePattern(pattern).groups(path).get("speaker") == speaker


@pytest.mark.parametrize("pattern", ["(", "ana", "*_*.wav", "{spk}_*.wav", "<speaker>_*"])
def test_patterns_that_name_no_speaker_are_refused(write, pattern):
    with pytest.raises(InvalidInputError) as caught:
        read_corpus(write(FLAT), speaker_pattern=pattern)
    assert "no group" in str(caught.value) or "not a regular expression" in str(caught.value)


def test_a_pattern_that_fits_no_name_says_so(write):
    where = write(FLAT)
    for strict in (True, False):
        with pytest.raises(CorpusError, match=r"no speaker in any of 8 names, such as '1_ana_0"):
            read_corpus(where, speaker_pattern="{speaker}-*.wav", strict=strict)


def test_a_pattern_that_fits_some_names_says_which_it_does_not(write):
    where = write(FLAT | {"noise.wav": "", "hum.wav": ""})
    with pytest.raises(CorpusError, match=r"hum.wav: .*no speaker in this name \(and 1 more\)"):
        read_corpus(where, speaker_pattern="*_{speaker}_*")
    corpus = read_corpus(where, speaker_pattern="*_{speaker}_*", strict=False)
    assert len(corpus) == 8
    assert [fault.utterance for fault in corpus.faults] == ["hum.wav", "noise.wav"]
    told = [p for p in validate_corpus(corpus) if p.kind == "bad_list"]
    assert {p.utterance for p in told} == {"hum.wav", "noise.wav"}


def test_a_pattern_names_speakers_in_lists_and_kaldi_directories_too(write):
    where = write(
        {
            "list.csv": "path,speaker\n1_ana_0.wav,x\n1_bea_0.wav,\n",
            "kaldi/wav.scp": "u1 1_ana_0.wav\nu2 1_bea_0.wav\n",
        }
    )
    for source in (where / "list.csv", where / "kaldi"):
        assert read_corpus(source, speaker_pattern="*_{speaker}_*").speakers == ("ana", "bea")


def test_speakers_that_a_pattern_spells_in_two_ways_are_refused(write):
    where = write({"ana_1.wav": "", "Ana_2.wav": ""})
    with pytest.raises(CorpusError, match="differs only in letter case"):
        read_corpus(where, speaker_pattern="{speaker}_*")
    corpus = read_corpus(where, speaker_pattern="{speaker}_*", strict=False)
    assert (len(corpus), len(corpus.faults)) == (1, 1)


def test_transcripts_of_flat_folders_are_read(write):
    where = write({"ana_1.wav": "", "ana_1.txt": "hello\n"})
    assert read_transcripts(where)["ana_1.wav"].words == ("hello",)


def test_a_text_may_call_utterances_as_their_files_are_called(write):
    text = "u1 YES\nu2.wav NO\nbea/u3.wav ON\nu4 OFF\n"
    files = {"ana/u1.wav": "", "ana/u2.wav": "", "bea/u3.wav": "", "a/u4.wav": "", "b/u4.wav": ""}
    where = write({**{f"corpus/{name}": "" for name in files}, "corpus/text": text, "given": text})
    corpus = read_corpus(where / "corpus")
    assert corpus.notes == ()
    for said in (read_transcripts(corpus), read_transcripts(where / "given", corpus=corpus)):
        assert {name: str(words) for name, words in said.items()} == {
            "ana/u1.wav": "YES",
            "ana/u2.wav": "NO",
            "bea/u3.wav": "ON",
            "u4": "OFF",  # two files are called so, and nobody knows which is meant
        }
    assert "u1" in read_transcripts(where / "given")


def test_a_text_of_a_file_is_not_that_of_a_stretch(write):
    where = write({"list.csv": "path,start,end,id\nu1.wav,0,1,s1\n", "text": "u1 YES\n"})
    assert list(read_transcripts(where / "text", corpus=read_corpus(where / "list.csv"))) == ["u1"]


def test_faults_of_a_text_name_the_utterances_that_are_meant(write):
    where = write({"corpus/ana/u1.wav": "", "text": "u1 YES\nu1 NO\n"})
    corpus = read_corpus(where / "corpus")
    said = read_transcripts(where / "text", corpus=corpus, strict=False)
    assert [fault.utterance for fault in said.faults] == ["ana/u1.wav"]


def test_real_flat_folder(data_dir):
    corpus = read_corpus(data_dir / "fsdd/recordings", speaker_pattern="*_{speaker}_*")
    assert len(corpus) == 3000
    assert len(corpus.speakers) == 6
    assert name_speakers(corpus, r"_([a-z]+)_") == corpus
    libri = read_corpus(data_dir / "librispeech/train-clean-100", speaker_pattern="{speaker}-*")
    assert len(libri.speakers) == 251
    said = read_transcripts(data_dir / "librispeech/text", corpus=libri)
    assert all(u.id in said for u in libri)
