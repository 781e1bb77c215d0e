"""score-transcripts, train-lm and validate --text."""

import gzip
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm.cli import run_command
from speakergmm.hmm import BackoffLanguageModel

pytestmark = pytest.mark.usefixtures("without_confidences")

REFERENCE = "u1 THE CAT SAT\nu2 ON THE MAT\nu3 YES\n"
HYPOTHESIS = "u1 THE BAT SAT DOWN\nu2 ON MAT\n"


def words(text):
    return set(text.split())


@pytest.fixture
def folder(tmp_path):
    for name, text in {
        "ref": REFERENCE,
        "hyp": HYPOTHESIS,
        "utt2spk": "u1 ana\nu2 bea\nu3 ana\n",
        "lexicon.txt": "THE DH AH0\nTHE DH IY0\nCAT K AE1 T\nSAT S AE1 T\nON AA1 N\n"
        "MAT M AE1 T\nYES Y EH1 S\n",
        "phones": "u1 DH IY K AE T S AE T\nu2 SIL AA N DH AH M AE T SIL\nu3 Y EH S\n",
        "sentences.txt": "the cat sat\n\nthe mat\non the mat the cat sat\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def speak(capsys):
    """Run a command in this process; return exit code, output and errors."""

    def speak(*arguments):
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return speak


@pytest.fixture
def document(speak):
    def document(*arguments):
        code, out, err = speak(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return document


@pytest.fixture
def refusal(speak):
    def refusal(*arguments):
        code, out, err = speak(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("speakergmm: ")
        assert err.count("\n") == 1
        return err

    return refusal


def test_word_errors_as_json(document, folder):
    found = document(
        "score-transcripts", folder / "ref", folder / "hyp", "--speakers", folder / "utt2spk",
        "--bootstrap", 50, "--seed", 3,
    )  # fmt: skip
    assert found["word_error_rate"] == 4 / 7
    assert [found[key] for key in ("hits", "substitutions", "deletions", "insertions")] == [
        4, 1, 2, 1,
    ]  # fmt: skip
    assert found["missing"] == ["u3"]
    assert set(found["by_speaker"]) == {"ana", "bea"}
    assert (found["resampled"], found["n_bootstrap"], found["seed"]) == ("speakers", 50, 3)
    assert found["intervals"]["error_rate"] == {"low": 1 / 3, "high": 3 / 4, "confidence": 0.95}


def test_word_errors_as_a_table(speak, folder):
    code, out, _ = speak("score-transcripts", folder / "ref", folder / "hyp")
    assert code == 0
    assert "57.14 %" in out
    assert "4 of 7" in out
    assert "intervals over utterances" in out
    assert "1 utterance without a hypothesis, counted as deleted: u3" in out


def test_letter_case_on_request(document, speak, folder):
    (folder / "hyp").write_text(HYPOTHESIS.lower())
    arguments = ("score-transcripts", folder / "ref", folder / "hyp")
    wrong = document(*arguments)
    assert wrong["hits"] == 0
    assert "letter case" in wrong["case_note"]
    assert "letter case" in speak(*arguments)[2]
    right = document(*arguments, "--case", "upper")
    assert (right["hits"], right["case_note"]) == (4, None)


def test_other_commands_hint_at_letter_case(speak, heard, folder, tmp_path):
    text, lexicon = tmp_path / "text", tmp_path / "lower.txt"
    text.write_text("YES NO\nNO YES MAYBE\n")
    lexicon.write_text("yes Y EH S\nno N OW\n")
    lm = ("train-lm", text, "--lexicon", lexicon, "-o", tmp_path / "lm.arpa")
    hint = "in lower case 2 would be known, such as 'YES'"
    assert hint in speak(*lm, "--unknown-word", "<unk>")[2]
    assert "would be known" not in speak(*lm, "--unknown-word", "<unk>", "--case", "lower")[2]
    assert "in lower case" in speak(*lm, "--phones")[2]
    text.write_text("u1 YES\n")
    (tmp_path / "phones").write_text("u1 Y EH S\n")
    score = ("score-transcripts", text, tmp_path / "phones", "--phones", "--lexicon", lexicon)
    assert "in lower case 1 would be known" in speak(*score)[2]
    assert speak(*score, "--case", "lower")[0] == 0
    lower = folder / "lowered.txt"
    lower.write_text((folder / "lexicon.txt").read_text().lower())
    assert "in lower case" in speak("validate", heard, "--lexicon", lower)[1]


def test_hypotheses_from_a_ctm_and_references_from_a_list(document, folder):
    (folder / "hyp.ctm").write_text(
        ";; times\nu1 1 0.50 0.2 CAT\nu1 1 0.10 0.2 THE 0.9\nu1 1 1.0 0.2 SAT\nu2 1 0 1 MAT\n"
    )
    (folder / "ref.csv").write_text(
        "id,path,speaker,text\nu1,a.wav,ana,THE CAT SAT\nu2,b.wav,bea,MAT\n"
    )
    found = document("score-transcripts", folder / "ref.csv", folder / "hyp.ctm")
    assert found["word_error_rate"] == 0
    assert set(found["by_speaker"]) == {"ana", "bea"}
    (folder / "ref.csv").write_text("id,text\nu1,THE CAT SAT\nu2,MAT\n")
    found = document("score-transcripts", folder / "ref.csv", folder / "hyp.ctm")
    assert (found["word_error_rate"], found["by_speaker"]) == (0, {})


@pytest.fixture(params=["name", "gzip", "pipe"])
def written(request, tmp_path):
    """Write a text to a file of another name, a packed one, or a pipe; return its path."""
    if request.param == "pipe" and not Path("/dev/fd").exists():
        pytest.skip("the system gives open files no names")
    opened = []

    def written(text):
        if request.param == "pipe":
            reader, writer = os.pipe()
            os.write(writer, text.encode())
            os.close(writer)
            opened.append(reader)
            return f"/dev/fd/{reader}"
        path = tmp_path / f"written{len(list(tmp_path.glob('written*')))}"
        path.write_bytes(text.encode() if request.param == "name" else gzip.compress(text.encode()))
        return path

    yield written
    for reader in opened:
        os.close(reader)


CTM = "u1 1 0.10 0.20 THE 0.9\nu1 1 0.50 0.20 CAT 0.9\nu2 1 0.00 1.00 MAT 0.9\n"
JSON = json.dumps(
    {
        "utterances": [
            {"utterance": "u1", "hypotheses": [{"words": ["THE", "CAT"]}]},
            {"utterance": "u2", "hypotheses": [{"words": ["MAT"]}]},
        ]
    }
)
LIST = "id\tpath\tspeaker\ttext\nu1\ta.wav\tana\tTHE CAT\nu2\tb.wav\tbea\tMAT\n"


@pytest.mark.parametrize(
    "hypotheses", [CTM, f";; times\n{CTM}", JSON, LIST, "u1 THE CAT\nu2 MAT\n"]
)
def test_what_is_scored_is_told_by_its_content(document, written, hypotheses, request):
    if hypotheses is JSON and "gzip" in request.node.callspec.id:
        pytest.skip("JSON is not read out of gzip")
    found = document("score-transcripts", written(LIST), written(hypotheses))
    assert (found["word_error_rate"], found["n_words"]) == (0, 3)


def test_numbers_that_are_words_are_no_times(document, written):
    text = "u1 1 2 3 4\nu2 1 2 3 4 5\n"
    found = document("score-transcripts", written(text), written(text))
    assert found["n_words"] == 9


def test_a_language_model_learns_no_paths_of_a_list(document, written, folder):
    document("train-lm", written(LIST), "--output", folder / "lm.arpa")
    assert BackoffLanguageModel.read_arpa(folder / "lm.arpa").vocabulary == ("CAT", "MAT", "THE")


def test_phone_errors_against_first_pronunciations(document, folder):
    arguments = ("score-transcripts", folder / "ref", folder / "phones", "--phones")
    found = document(*arguments, "--lexicon", folder / "lexicon.txt", "--mapping", "cmu-39")
    assert found["n_phones"] == 18
    assert (found["substitutions"], found["deletions"], found["insertions"]) == (1, 0, 0)
    assert found["confusions"] == [{"reference": "AH", "hypothesis": "IY", "count": 1}]
    assert found["mapping"] == "cmu-39"
    (folder / "map").write_text(
        "IY AH\nAH AH\n" + "".join(f"{p} {p}\n" for p in words("DH K AE T S AA N M Y EH"))
    )
    found = document(*arguments, "--lexicon", folder / "lexicon.txt", "--mapping", folder / "map")
    assert (found["phone_error_rate"], found["mapping"]) == (0, str(folder / "map"))
    # Both sides phones: no lexicon.
    found = document("score-transcripts", folder / "phones", folder / "phones", "--phones")
    assert (found["phone_error_rate"], found["n_phones"]) == (0, 18)


def test_refusals_of_scoring(refusal, folder):
    score = ("score-transcripts", folder / "ref")
    assert "--lexicon and --mapping need --phones" in refusal(
        *score, folder / "hyp", "--mapping", "cmu-39"
    )
    assert "--mapping must be a file or one of identity" in refusal(
        *score, folder / "hyp", "--phones", "--mapping", "cmu"
    )
    assert "'title' is not one of" in refusal(*score, folder / "hyp", "--case", "title")
    assert "no references" in refusal("score-transcripts", folder / "hyp", folder / "ref")
    assert "cannot be read" in refusal(*score, folder / "nowhere")
    (folder / "utt2spk").write_text("u1 ana\nu2 bea cleo\n")
    assert f"{folder / 'utt2spk'}:2: " in refusal(
        *score, folder / "hyp", "--speakers", folder / "utt2spk"
    )
    (folder / "hyp").write_text("u1 A\nu1 B\nu2 A\nu2 B\n")
    message = refusal(*score, folder / "hyp")
    assert f"{folder / 'hyp'}:2: " in message
    assert f"{folder / 'hyp'}:4: " in message


def test_a_language_model_of_sentences(document, speak, folder):
    target = folder / "lm.arpa"
    found = document(
        "train-lm", folder / "sentences.txt", "--order", 3, "--output", target,
        "--test", folder / "sentences.txt",
    )  # fmt: skip
    model = BackoffLanguageModel.read_arpa(target)
    assert model.vocabulary == ("cat", "mat", "on", "sat", "the")
    assert found["n_ngrams"] == [len(group) for group in model.ngrams]
    assert (found["n_sentences"], found["n_words"]) == (3, 11)
    assert found["test"]["n_unknown"] == 0
    assert found["test"]["perplexity"] < 5
    before = target.read_bytes()
    code, out, _ = speak("train-lm", folder / "sentences.txt", "--order", 3, "-o", target)
    assert code == 0
    assert "7 1-grams" in out
    assert target.read_bytes() == before


def test_a_language_model_of_transcripts_over_a_lexicon(document, folder):
    target = folder / "lm.arpa.gz"
    options = ("--ids", "--lexicon", folder / "lexicon.txt", "--method", "kneser-ney", "-o", target)
    document("train-lm", folder / "hyp", *options)
    model = BackoffLanguageModel.read_arpa(target)
    assert set(model.vocabulary) == words("THE CAT SAT ON MAT YES BAT DOWN")
    document("train-lm", folder / "hyp", *options, "--unknown-word", "<unk>")
    model = BackoffLanguageModel.read_arpa(target)
    assert set(model.vocabulary) == words("THE CAT SAT ON MAT YES")
    assert model.unknown_word == "<unk>"


def test_a_language_model_of_phones(document, folder):
    target = folder / "phones.arpa"
    options = ("--ids", "--phones", "--lexicon", folder / "lexicon.txt", "-o", target)
    document("train-lm", folder / "ref", *options)
    model = BackoffLanguageModel.read_arpa(target)
    assert set(model.vocabulary) == words("AA AE AH DH EH IY K M N S T Y SIL")
    assert model.log10_probability_of("SIL", ["<s>"]) > np.log10(0.75)
    document("train-lm", folder / "ref", *options, "--silence", "")
    assert "SIL" not in BackoffLanguageModel.read_arpa(target).vocabulary


def test_utterance_ids_taken_for_words_are_noticed(speak, folder):
    train = ("train-lm", folder / "ref", "-o", folder / "lm.arpa")
    code, _, err = speak(*train)
    assert code == 0
    assert "give --ids" in err
    assert speak(*train, "--ids")[2] == ""


def test_refusals_of_language_models(refusal, folder):
    train = ("train-lm", folder / "sentences.txt", "--output")
    target = folder / "lm.arpa"
    assert "--phones needs --lexicon" in refusal(*train, target, "--phones")
    assert "'katz' is not one of" in refusal(*train, target, "--method", "katz")
    assert "cannot be written" in refusal(*train, folder / "nowhere" / "lm.arpa")
    assert "exists and is not a language model" in refusal(*train, folder / "lexicon.txt")
    (folder / "sentences.txt").write_bytes(b"a\n\xff\nb\x01\n")
    message = refusal(*train, target)
    assert f"{folder / 'sentences.txt'}:2: byte 0xff" in message
    assert f"{folder / 'sentences.txt'}:3: contains the control" in message
    assert not target.exists()


@pytest.mark.slow
def test_validate_looks_at_what_is_said(speak, document, world, folder):
    corpus = next((world.folder / "corpus").rglob("wav.scp")).parent
    lexicon = corpus / "lexicon.txt"
    assert document("validate", corpus, "--lexicon", lexicon)["n_errors"] == 0
    assert document("validate", corpus, "--check-transcripts", "--graphemes")["n_errors"] == 0

    lines = (corpus / "text").read_text().splitlines()
    first, second, third = (line.split()[0] for line in lines[:3])
    said = [f"{first} zebra", second, *lines[3:], lines[3]]
    (folder / "text").write_text("".join(f"{line}\n" for line in said))
    (folder / "lexicon.txt").write_text(lexicon.read_text() + "bare\n")
    options = ("validate", corpus, "--transcripts", folder / "text")
    code, out, _ = speak(*options, "--lexicon", lexicon, "--json")
    assert code == 1
    found = {
        (p["kind"], p["utterance"], p["line"])
        for p in json.loads(out)["problems"]
        if p["severity"] == "error"
    }
    assert found == {
        ("unknown_word", first, 1),
        ("empty_text", second, 2),
        ("no_text", third, None),
        ("bad_text", lines[3].split()[0], len(said)),
    }
    code, out, _ = speak(*options, "--lexicon", folder / "lexicon.txt")
    assert code == 1
    assert f"lexicon.txt:{len(lexicon.read_text().splitlines()) + 1}" in out
    assert f"{folder / 'text'}:2" in out


def test_a_recording_that_cannot_be_read_is_told_once(speak, folder):
    soundfile.write(folder / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    (folder / "list.csv").write_text("path,speaker,text\na.wav,ana,GO\nb.wav,bea,GO\n")
    code, out, _ = speak("validate", folder / "list.csv", "--check-transcripts", "--json")
    assert code == 1
    errors = [p for p in json.loads(out)["problems"] if p["severity"] == "error"]
    assert [p["kind"] for p in errors] == ["missing"]


@pytest.fixture
def faulty(folder):
    """A list with four utterances, two rows of one id, a row too long and one without a speaker."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((4, 16000))
    for number, samples in enumerate(noise):
        samples[:2000] *= 1e-3
        soundfile.write(folder / f"{number}.wav", samples, 16000)
    rows = [
        "path,speaker,id,text",
        "0.wav,ana,u0,THE CAT",
        "1.wav,ana,u1,CAT",
        "2.wav,ana,u1,MAT",
        "3.wav,ana,u3,MAT,more",
        "3.wav,,u4,MAT",
        "4.wav,bea,u5,zebra",
    ]
    path = folder / "list.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("options", [(), ("--check-transcripts",)])
def test_validate_tells_all_faults_of_a_list_at_once(speak, faulty, options):
    code, out, _ = speak("validate", faulty, *options, "--json")
    assert code == 1
    found = json.loads(out)
    assert found["n_utterances"] == 2
    assert all("line" in problem for problem in found["problems"])
    listed = [(p["path"], p["line"]) for p in found["problems"] if p["kind"] == "bad_list"]
    assert listed == [(str(faulty), 4), (str(faulty), 5), (str(faulty), 6)]
    others = {p["kind"] for p in found["problems"] if p["severity"] == "error"} - {"bad_list"}
    assert others == {"missing"}


def test_training_goes_on_without_the_faults_of_a_list(speak, faulty, folder):
    command = ("train-hmm", faulty, "--lexicon", folder / "lexicon.txt", "--rate", "48000")
    code, _, err = speak(*command, "-o", folder / "am.safetensors")
    assert code == 2  # for the rate alone
    for line in (4, 5, 6):
        assert f"{faulty}:{line}: " in err
    assert "48000 Hz" in err
    code, out, err = speak(*command, "--strict", "-o", folder / "am.safetensors")
    assert code == 2
    assert f"{faulty}:4" in out


def test_json_of_decode_is_scored_by_its_best_hypotheses(document, speak, folder):
    def hypothesis(text):
        return {"words": text.split(), "posterior": None, "word_times": []}

    recognised = {
        "model": "am.safetensors",
        "utterances": [
            {"utterance": "u1", "hypotheses": [hypothesis("THE BAT SAT DOWN"), hypothesis("NO")]},
            {"utterance": "u2", "hypotheses": [hypothesis("ON MAT")]},
            {"utterance": "u3", "hypotheses": []},
        ],
        "skipped": [],
    }
    path = folder / "recognised.json"
    path.write_text(json.dumps(recognised))
    found = document("score-transcripts", folder / "ref", path)
    plain = document("score-transcripts", folder / "ref", folder / "hyp")
    assert found["substitutions"] == plain["substitutions"] > 0
    assert found["intervals"] == plain["intervals"]
    lower = document("score-transcripts", folder / "ref", path, "--case", "lower")
    assert lower["intervals"] == plain["intervals"]

    recognised["utterances"] += recognised["utterances"][:1]
    for text, message in (
        (json.dumps(recognised), "utterance 'u1' is listed twice"),
        (json.dumps({"output": "x"}), "is not a JSON file of decode"),
        ("{broken", "is not a JSON file of decode"),
        ("[1, 2]", "is not a JSON file of decode"),
    ):
        path.write_text(text)
        code, _, err = speak("score-transcripts", folder / "ref", path)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1


def test_one_speaker_has_no_intervals(document, speak, folder):
    (folder / "one").write_text("u1 ana\nu2 ana\nu3 ana\n")
    command = ("score-transcripts", folder / "ref", folder / "hyp", "--speakers", folder / "one")
    found = document(*command)
    assert set(found["intervals"].values()) == {None}
    assert "one speaker" in found["intervals_note"]
    assert "one speaker" in speak(*command)[1]
    found = document(*command[:-1], folder / "utt2spk")
    assert found["intervals"]["error_rate"] is not None
    assert found["intervals_note"] is None


@pytest.fixture
def heard(folder):
    """Two utterances with a word that the lexicon lacks, and one without."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((3, 16000))
    rows = ["path,speaker,text"]
    for number, text in enumerate(["CAT DOG", "DOG DOG SAT", "MAT"]):
        noise[number, :2000] *= 1e-3
        soundfile.write(folder / f"{number}.wav", noise[number], 16000)
        rows.append(f"{number}.wav,ana,{text}")
    path = folder / "heard.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("unknown", "becomes"), [("map", "mapped to <unk>"), ("graphemes", "spel")]
)
def test_words_that_training_maps_or_spells_are_listed(speak, heard, folder, unknown, becomes):
    options = ("--lexicon", folder / "lexicon.txt", "--unknown", unknown, "--rate", "48000")
    code, _, err = speak("train-hmm", heard, *options, "-o", folder / "am.safetensors")
    assert code == 2
    listed = [line for line in err.splitlines() if "DOG (3)" in line]
    assert len(listed) == 1
    assert f", {becomes}" in listed[0]
    # What ends the command is what was wrong with the recordings, with the line of the list.
    assert re.search(
        r"0\.wav: utterance '0\.wav' \(.*heard\.csv:2\): its rate is 16000 Hz", err.splitlines()[-1]
    )


def test_training_on_unknown_words_alone_says_so(speak, heard, folder):
    (folder / "lexicon.txt").write_text("BIRD B ER D\n")
    command = ("train-hmm", heard, "--lexicon", folder / "lexicon.txt")
    code, _, err = speak(*command, "-o", folder / "am.safetensors")
    assert code == 2
    assert "no utterance can be used" in err.splitlines()[-1]
    assert "CAT DOG" in err.splitlines()[-1]
    assert "no transcript" not in err


def test_validate_takes_unknown_words_as_training_does(speak, heard, folder):
    command = ("validate", heard, "--lexicon", folder / "lexicon.txt", "--json")
    for unknown, errors in (("skip", 2), ("map", 0), ("graphemes", 0)):
        code, out, _ = speak(*command, "--unknown", unknown)
        assert json.loads(out)["n_errors"] == errors
        assert code == (1 if errors else 0)
    (folder / "lower.txt").write_text((folder / "lexicon.txt").read_text().lower() + "dog D AO G\n")
    lower = (*command[:3], folder / "lower.txt", "--json")
    assert speak(*lower, "--case", "asis", "--stress", "keep")[0] == 1
    assert speak(*lower, "--case", "lower", "--stress", "keep")[0] == 0


def test_a_silent_file_is_told_once_and_one_voice_is_enough(speak, folder):
    soundfile.write(folder / "a.wav", np.zeros(16000), 16000)
    (folder / "list.csv").write_text("path,speaker,text\na.wav,ana,GO\n")
    code, out, _ = speak("validate", folder / "list.csv", "--check-transcripts", "--json")
    assert code == 1
    found = [p["kind"] for p in json.loads(out)["problems"]]
    assert found.count("silent") + found.count("no_speech") == 1
    assert "one_speaker" not in found
    code, out, _ = speak("validate", folder / "list.csv", "--json")
    assert "one_speaker" in out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["noise.wav", "model.safetensors"])
def test_a_file_that_is_no_text_is_called_what_it_is(speak, folder, world, name):
    binary = folder / name
    told = "is a background model, not text; give a text file"
    if name.endswith("wav"):
        told = "is a WAV recording, not text; give a text file"
        soundfile.write(binary, 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    else:
        shutil.copy(world.ubm, binary)
    corpus = next((world.folder / "corpus").rglob("wav.scp")).parent
    for command in (
        ("score-transcripts", folder / "ref", binary),
        ("train-lm", binary, "-o", folder / "lm.arpa"),
        ("train-hmm", corpus, "--lexicon", binary, "-o", folder / "am.safetensors"),
    ):
        code, _, err = speak(*command)
        assert code == 2
        assert err.splitlines()[-1] == f"speakergmm: {binary}: {told}"
    code, out, _ = speak("validate", corpus, "--lexicon", binary, "--lm", binary, "--json")
    assert code == 1
    found = [p["message"] for p in json.loads(out)["problems"] if p["severity"] == "error"]
    assert found == [told] * 2


def test_a_text_with_some_odd_bytes_is_told_line_by_line(speak, folder):
    (folder / "ref").write_bytes(b"u1 A\nu2 \x07B\nu3 \xff\n")
    _, _, err = speak("score-transcripts", folder / "ref", folder / "hyp")
    assert f"{folder / 'ref'}:2: contains the control character" in err
    assert f"{folder / 'ref'}:3: byte 0xff" in err
