"""Names that people bring from other tools are accepted, or refused with the right one."""

import pytest

from speakergmm.cli import commands_by_name, run_command
from speakergmm.cli.guesses import accepted_name, option_names

COMMANDS = commands_by_name()


@pytest.mark.parametrize(
    ("command", "typed", "ours"),
    [
        # Montreal Forced Aligner
        ("align", "--output_directory", "--output"),
        ("align", "--output_format", "--format"),
        ("align", "--num_jobs", "--jobs"),
        ("align", "--dictionary", "--lexicon"),
        ("train-hmm", "--dictionary_path", "--lexicon"),
        ("train-hmm", "--output_model_path", "--output"),
        # Kaldi
        ("align", "--nj", "--jobs"),
        ("decode", "--acwt", "--acoustic-scale"),
        ("decode", "--word-ins-penalty", "--word-penalty"),
        ("train-hmm", "--num-iters", "--iterations"),
        ("train-hmm", "--totgauss", "--gaussians"),
        ("train-hmm", "--text", "--transcripts"),
        ("validate", "--text", "--check-transcripts"),
        ("train-hmm", "--mfcc-config", "--features"),
        ("train-ubm", "--num-gauss", "--components"),
        # scikit-learn, and speaker toolkits
        ("train-ubm", "--random_state", "--seed"),
        ("train-ubm", "--n_components", "--components"),
        ("enroll", "--background-model", "--ubm"),
        ("identify", "--n_best", "--top"),
        ("evaluate", "--p_target", "--prior"),
    ],
)
def test_a_name_with_one_meaning_is_taken_for_it(command, typed, ours):
    loaded = COMMANDS[command].load()
    meant = accepted_name(typed[2:], option_names(loaded))
    (option,) = (each for each in loaded.params if f"--{meant}" in each.opts)
    assert ours in option.opts


def test_a_value_reaches_the_option_that_is_meant(capsys):
    assert run_command(["evaluate", "none.tsv", "--p_target", "7"]) == 2
    assert capsys.readouterr().err.startswith("speakergmm: --prior must be")
    assert run_command(["evaluate", "none.tsv", "--prior", "0.1", "--prior", "0.1"]) == 2
    assert capsys.readouterr().err.startswith("speakergmm: p_target 0.1, 0.1: must not repeat")


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        (["score", "a.wav"], ["verify", "run-protocol", "score-transcripts"]),
        (["train"], ["train-ubm", "train-hmm"]),
        (["alingn"], ["align?"]),
        # Kaldi
        (["compute_vad"], ["--features"]),
        (["gmm-global-init-from-feats"], ["train-ubm"]),
        (["train_mono"], ["train-hmm"]),
        (["mkgraph"], ["decode", "--lm"]),
        (["compute_min_dcf"], ["evaluate"]),
        (["lattice-to-ctm"], ["decode --output FILE.ctm"]),
        (["train-ubm", "data", "--num-iters", "4"], ["30 iterations"]),
        (["train-ubm", "data", "--sample-frequency", "8000"], ["preset", "sample_rate = 8000"]),
        (["train-ubm", "data", "--cmd", "run.pl"], ["--jobs"]),
        (["train-ubm", "data", "--num-gselect", "5"], ["--top-c"]),
        (["train-ubm", "data", "--apply-cmn", "true"], ["normalisation"]),
        (["train-hmm", "data", "--oov", "<unk>"], ["--unknown-word ", "--unknown-words"]),
        (["train-hmm", "data", "--lang", "lang"], ["--lexicon"]),
        (["evaluate", "scores", "--c-miss", "10"], ["min_dcf"]),
        (["evaluate", "scores", "--trials", "trials"], ["run-protocol"]),
        (["evaluate", "scores", "--det", "det.png"], ["--report"]),
        (["align", "am", "data", "--ctm", "out"], ["--format ctm"]),
        (["transcribe"], ["decode"]),
        (["xyzzy"], ["validate", "train-lm"]),
        (["align", "corpus", "words.dict", "model", "out"], ["align MODEL CORPUS --output"]),
        (["align", "am.safetensors"], ["CORPUS is missing"]),
        (["align", "corpus", "am.safetensors", "-o", "out"], ["am.safetensors before corpus"]),
        (["decode", "one.wav", "am.safetensors"], ["am.safetensors before one.wav"]),
        (["validate", "corpus", "words.dict"], ["'words.dict'", "validate CORPUS"]),
        (["mfa", "align"], ["align MODEL CORPUS"]),
        (["validate", "corpus", "words.dict"], ["[--lexicon LEXICON]"]),
        (["train-hmm", "corpus", "words.dict", "model.zip"], ["[--lexicon LEXICON]", "--output"]),
        (["validate", "corpus", "--output_directory", "out"], ["> FILE"]),
        (["train-hmm", "corpus", "--config_path", "train.yaml"], ["--features FILE"]),
        (["align", "a", "b", "--retry_beam", "40"], ["ten times the --beam"]),
        (["align", "a", "b", "--single_speaker"], ["--speaker-pattern"]),
        (["align", "a", "b", "-t", "temporary"], ["beside the output"]),
        (["align", "a", "b", "-q"], ["standard error"]),
        (["decode", "a", "b", "--output_format", "ctm"], ["ending", "--output"]),
        (["adapt"], ["enroll", "train-hmm"]),
        (["model", "download", "acoustic"], ["train-hmm", "info"]),
        (["train_g2p"], ["--graphemes"]),
        (["validate_dictionary"], ["--lexicon FILE"]),
        (["align_one"], ["--text WORDS"]),
        (["align", "a", "b"], ["--output is missing"]),
        (["align", "--model", "am.safetensors"], ["MODEL"]),
        (["align", "--overwrite"], ["replaced"]),
        (["align", "--speaker_characters", "3"], ["--speaker-pattern"]),
        (["decode", "--nbst", "3"], ["--nbest?"]),
        (["decode", "--num_bests", "3"], ["--nbest?"]),
        (["enroll", "voices.db"], ["enroll STORE SPEAKER WAVS..."]),
        (["verify", "--treshold", "1"], ["--threshold?"]),
        (["--versoin"], ["--version?"]),
    ],
)
def test_what_is_unknown_is_refused_in_one_line_that_names_the_right_one(capsys, typed, right):
    assert run_command(typed) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    for word in right:
        assert word in line


def test_a_value_outside_the_choices_is_refused_with_the_choices(capsys):
    assert run_command(["train-hmm", "data", "-o", "am", "--unknown-words", "<unk>"]) == 2
    line = capsys.readouterr().err
    assert "'<unk>' is not one of" in line
    assert "Value error" not in line


def test_missing_intervals_are_explained(capsys, tmp_path):
    scores = tmp_path / "scores.tsv"
    lines = [
        f"{m}\t{s}.wav\t{m == s:d}\t{'' if m == s else 'non'}target" for m in "ab" for s in "ab"
    ]
    scores.write_text("model\tpath\tscore\tlabel\n" + "\n".join(lines) + "\n")
    assert run_command(["evaluate", str(scores), "--bootstrap", "50"]) == 0
    assert "too few speakers" in capsys.readouterr().err
    assert run_command(["evaluate", str(scores), "--bootstrap", "0"]) == 0
    assert "too few" not in capsys.readouterr().err


def test_a_part_of_a_kaldi_data_directory_is_refused_with_the_directory(capsys, tmp_path):
    scp = tmp_path / "wav.scp"
    scp.write_text("a a.wav\n")
    assert run_command(["train-ubm", str(scp), "--output", str(tmp_path / "ubm")]) == 2
    assert f"give the folder {tmp_path}\n" in capsys.readouterr().err


def test_paragraphs_of_help_are_wrapped_by_the_terminal():
    for command in COMMANDS.values():
        for paragraph in command.load().help.split("\n\n"):
            assert "\n" not in paragraph


def test_commands_have_names_from_elsewhere(capsys):
    assert run_command(["enrol", "--help"]) == 0
    assert "speakergmm enroll" in capsys.readouterr().out
    assert run_command(["train_ubm", "-h"]) == 0
    assert run_command(["-h"]) == 0


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_own_names_go_before_those_from_elsewhere(command):
    own = option_names(COMMANDS[command].load())
    assert own
    assert {name: accepted_name(name, own) for name in own} == {name: name for name in own}


def test_a_scheduler_and_processes_exclude_each_other(speakergmm, tmp_path):
    where = ("--scheduler", "tcp://127.0.0.1:9")
    done = speakergmm("train-ubm", tmp_path, "-o", tmp_path / "m", "-j", 2, *where)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--jobs 2 and --scheduler exclude each other" in done.err
