"""``speakergmm train-hmm``, as people call it."""

import json
import re

import numpy as np
import pytest

from speakergmm.cli import run_command
from speakergmm.corpora import make_synthetic_corpus
from speakergmm.recognition import AcousticModel, SilenceModel

pytestmark = pytest.mark.usefixtures("without_confidences")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made") / "corpus"
    make_synthetic_corpus(
        made, seed=3, n_background=2, n_dev=2, n_eval=2, n_background_utterances=3,
        n_enrolment_utterances=1, n_trial_utterances=1, n_background_words=3,
        n_enrolment_words=2, n_trial_words=1,
    )  # fmt: skip
    return made / "synthetic"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "am.safetensors"


@pytest.fixture
def train(folder, output, capsys):
    def train(*options):
        """Train shortly; return exit code, output and errors."""
        lexicon = folder / "lexicon.txt"
        arguments = ("--lexicon", lexicon, "-o", output, "--gaussians", 60, "--iterations", 2)
        capsys.readouterr()
        code = run_command(["train-hmm", str(folder), *map(str, (*arguments, *options))])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return train


# A recording that validation can't find, and training does.
TOO_LONG = ("--memory", 4e-5)


@pytest.mark.slow
def test_what_training_leaves_out_is_told(train, output):
    code, out, err = train(*TOO_LONG)
    assert code == 0, err
    assert "left out: " in err
    assert "GB allowed" in err
    assert str(output) in out
    n_used = AcousticModel.load(output).provenance["n_utterances"]
    (numbers,) = re.findall(r"; (\d+) of (\d+) left out$", out.splitlines()[0])
    assert int(numbers[1]) - int(numbers[0]) == n_used
    assert AcousticModel.load(output).provenance["n_skipped"] > 0


@pytest.mark.slow
def test_strict_training_refuses_what_training_finds(train, output):
    code, out, err = train(*TOO_LONG, "--strict")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("speakergmm: ")
    assert not output.exists()
    code, _, err = train("--strict")
    assert code == 0, err


@pytest.mark.slow
def test_a_lexicon_in_the_other_letter_case_is_hinted_at(train, folder, tmp_path):
    upper = tmp_path / "upper.txt"
    rows = [line.split(maxsplit=1) for line in (folder / "lexicon.txt").read_text().splitlines()]
    upper.write_text("".join(f"{word.upper()} {phones}\n" for word, phones in rows))
    for unknown in ("skip", "map", "graphemes"):
        err = train("--lexicon", upper, "--unknown", unknown)[2]
        assert "would be known, such as" in err
        assert "--case upper" in err
    assert "would be known" not in train("--lexicon", upper, "--case", "upper")[2]


@pytest.mark.slow
def test_viterbi_training_of_few_iterations_begins_as_baum_welch(train, output):
    """No time for annealing, and yet no search among models that are all alike."""
    found = {}
    for algorithm in ("baum-welch", "viterbi"):
        code, _, err = train("--algorithm", algorithm, "--iterations", 3)
        assert code == 0, err
        found[algorithm] = AcousticModel.load(output).provenance["history"]
    assert found["viterbi"][0] == found["baum-welch"][0]
    assert found["viterbi"][1] != found["baum-welch"][1]


@pytest.mark.slow
def test_options_reach_the_model(train, output):
    code, out, err = train(
        "--silence-probability", 0.3, "--short-pause", "sp", "--states", 2,
        "--variance-floor", 0.2, "--min-occupancy", 4, "--json",
    )  # fmt: skip
    assert code == 0, err
    model = AcousticModel.load(output)
    assert model.silence == SilenceModel("SIL", 0.3, 0.3, "sp")
    assert model.models.topology("sp").is_tee
    phones = set(model.models.units) - {"SIL", "sp"}
    assert {model.models.topology(phone).n_states for phone in phones} == {2}
    story = json.loads(out)["provenance"]
    schedule = story["schedule"]
    assert (schedule["variance_floor"], schedule["min_occupancy"]) == (0.2, 4.0)
    # Features are normalised: their variance is near one.
    assert model.models.bank.gaussians.variances().min() > 0.15
    assert np.isfinite(story["history"][-1]["log_likelihood"])


@pytest.mark.slow
def test_without_options_training_is_the_default(train, output):
    code, _, err = train()
    assert code == 0, err
    model = AcousticModel.load(output)
    assert model.silence == SilenceModel()
    schedule = model.provenance["schedule"]
    assert [schedule[name] for name in ("variance_floor", "min_occupancy", "memory_gb")] == [
        0.01, 10.0, 2.0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--short-pause", "SIL"), "the short pause is called 'SIL'"),
        (("--silence-probability", 1.5), "silence-probability"),
        (("--states", 0), "states"),
        (("--variance-floor", 1), "--variance-floor must be finite, >= 0 and < 1"),
        (("--min-occupancy", -1), "min-occupancy"),
        (("--memory", 0), "must be finite and > 0"),
    ],
)
def test_what_makes_no_sense_is_refused(train, output, options, message):
    code, _, err = train(*options)
    assert code == 2
    assert message in err
    assert not output.exists()


@pytest.mark.slow
def test_triphones_align_and_decode(train, folder, output, tmp_path, capsys):
    """The whole way, from training to words, by the commands."""
    stages = ("--stages", "mono,tri", "--leaves", 150, "--triphone-iterations", 2)
    code, _, err = train(*stages, "--triphone-gaussians", 170)
    assert code == 0, err
    assert AcousticModel.load(output).models.tree is not None
    for arguments in (
        ["align", output, folder, "--output", tmp_path / "aligned"],
        ["decode", output, folder, "--phones"],
        ["info", output],
    ):
        assert run_command(list(map(str, arguments))) == 0, capsys.readouterr().err
    code, _, err = train("--stages", "tri")
    assert (code, err.count("\n")) == (2, 1)
    assert "mono,tri" in err
