"""Words on the command line: what is invisible, letter case, and names in another normal form."""

import json
import unicodedata

import pytest

from speakergmm.cli import run_command
from speakergmm.corpora import make_synthetic_corpus, read_transcripts, write_transcripts
from speakergmm.hmm import BackoffLanguageModel
from speakergmm.recognition import AcousticModel

pytestmark = pytest.mark.usefixtures("without_confidences")

INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


@pytest.fixture
def speak(capsys):
    def speak(*arguments):
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return speak


@pytest.mark.slow
def test_validation_and_training_agree_on_what_is_invisible(tmp_path, speak):
    make_synthetic_corpus(
        tmp_path / "made", seed=3, n_background=2, n_dev=2, n_eval=2, n_background_utterances=3,
        n_enrolment_utterances=1, n_trial_utterances=1, n_background_words=3,
        n_enrolment_words=2, n_trial_words=1,
    )  # fmt: skip
    corpus = tmp_path / "made" / "synthetic"
    said = read_transcripts(corpus)
    text = tmp_path / "text"
    # In a word, before it, behind it, and alone.
    marks = [INVISIBLE[place % len(INVISIBLE)] for place in range(len(said))]
    write_transcripts(
        text,
        {
            name: [f"{mark}{words[0][:1]}{mark}{words[0][1:]}{mark}", mark, *words[1:]]
            for mark, (name, words) in zip(marks, said.items(), strict=True)
        },
    )
    assert set(INVISIBLE) <= set(text.read_text(encoding="utf-8"))
    for how in (("--graphemes",), ("--lexicon", corpus / "lexicon.txt", "--unknown", "graphemes")):
        model = tmp_path / "am.safetensors"
        code, out, err = speak(
            "train-hmm", corpus, *how, "--transcripts", text, "-o", model,
            "--gaussians", 60, "--iterations", 2, "--json",
        )  # fmt: skip
        assert code == 0, err
        told = [p for p in json.loads(out)["problems"] if p["severity"] == "error"]
        # What validation passes is trained on, all of it.
        trained = AcousticModel.load(model).provenance["n_utterances"]
        assert trained == len(said) - len({p["utterance"] for p in told})
        assert trained > len(said) / 2


def test_a_word_with_a_joiner_is_in_the_lexicon(tmp_path, speak):
    persian = "\u0645\u06cc\u200c\u0631\u0648\u062f"
    (tmp_path / "lexicon").write_text(f"{persian} M I R A V A D\nna N A\n", encoding="utf-8")
    (tmp_path / "text").write_text(f"u1 {persian} na\n", encoding="utf-8")
    (tmp_path / "phones").write_text("u1 M I R A V A D N A\n")
    code, out, err = speak(
        "score-transcripts", tmp_path / "text", tmp_path / "phones", "--phones",
        "--lexicon", tmp_path / "lexicon", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["phone_error_rate"] == 0


@pytest.mark.parametrize("case", ["lower", "upper"])
def test_case_reaches_the_lexicon_of_a_language_model(tmp_path, speak, case):
    (tmp_path / "lexicon").write_text("THE DH AH\nCat K AE T\ncat K A T\n")
    (tmp_path / "sentences").write_text("The CAT\nthe bird\n")
    output = tmp_path / "lm.arpa"
    code, _, err = speak(
        "train-lm", tmp_path / "sentences", "--lexicon", tmp_path / "lexicon", "--case", case,
        "--unknown-word", "<unk>", "--output", output,
    )  # fmt: skip
    assert code == 0, err
    model = BackoffLanguageModel.read_arpa(output)
    the, cat = ("the", "cat") if case == "lower" else ("THE", "CAT")
    assert model.vocabulary == tuple(sorted((the, cat)))
    assert model.log10_probability_of(cat, [the]) > model.log10_probability_of("<unk>", [cat])
    code, _, err = speak(
        "train-lm", tmp_path / "sentences", "--lexicon", tmp_path / "lexicon", "--case", case,
        "--phones", "--output", tmp_path / "phones.arpa", "--test", tmp_path / "sentences",
    )  # fmt: skip
    assert (code, "bird" in err.lower()) == (2, True)  # the one word that no lexicon has


def test_case_reaches_the_lexicon_of_phone_errors(tmp_path, speak):
    (tmp_path / "lexicon").write_text("STRASSE SH T R A S E\nNEIN N AI N\n")
    (tmp_path / "text").write_text("u1 Stra\u00dfe nein\n", encoding="utf-8")
    (tmp_path / "phones").write_text("u1 SH T R A S E N AI N\n")
    code, out, err = speak(
        "score-transcripts", tmp_path / "text", tmp_path / "phones", "--phones",
        "--lexicon", tmp_path / "lexicon", "--case", "upper", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["phone_error_rate"] == 0


@pytest.mark.parametrize("ending", ["txt", "ctm", "json"])
def test_no_word_is_an_error_for_how_it_was_typed(tmp_path, speak, ending):
    words = ["\u039c\u03ac\u0390\u03bf\u03c2", "caf\u00e9", "na\u00efve"]
    (tmp_path / "ref").write_text(f"z\u00e9 {' '.join(words)}\n", encoding="utf-8")
    typed = [unicodedata.normalize("NFD", word.upper()) for word in words]
    name = unicodedata.normalize("NFD", "z\u00e9")
    heard = {
        "txt": f"{name} {' '.join(typed)}\n",
        "ctm": "".join(f"{name} 1 {n} 1 {word}\n" for n, word in enumerate(typed)),
        "json": json.dumps({"utterances": [{"utterance": name, "hypotheses": [{"words": typed}]}]}),
    }
    path = tmp_path / f"hyp.{ending}"
    path.write_text(f"\ufeff{heard[ending]}", encoding="utf-8")
    for case in ("lower", "upper"):
        code, out, err = speak(
            "score-transcripts", tmp_path / "ref", path, "--case", case, "--json"
        )
        assert code == 0, err
        assert json.loads(out)["word_error_rate"] == 0
