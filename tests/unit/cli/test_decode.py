"""``decode`` in this process: a model of noise and tones, whose words no one can mistake."""

import gzip
import json
import math

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from speakergmm.cli import decode, run_command
from speakergmm.cli.command_options import add_command
from speakergmm.errors import CorpusError, InvalidInputError, SpeakerGmmError
from speakergmm.features import FeatureConfig, cached_extractor
from speakergmm.hmm import Lexicon, MixtureBank, PhoneModels, Topology, train_ngram
from speakergmm.recognition import AcousticModel, FeatureNormalisation, SilenceModel, read_ctm

RATE = 16000
PITCHES = {"LO": 300.0, "MI": 900.0, "HI": 2500.0}
LEXICON = {"low": ["LO"], "rise": ["LO HI"], "fall": ["HI LO"], "mid": ["MI"]}


def tone(unit, seconds, rng):
    time = np.arange(round(seconds * RATE)) / RATE
    noise = 0.003 * rng.standard_normal(len(time))
    if unit == "SIL":
        return noise
    return 0.3 * np.sin(2 * np.pi * PITCHES[unit] * time) + noise


def say(sentence, rng):
    units = ["SIL"]
    for word in sentence:
        units += [*LEXICON[word][0].split(), "SIL"]
    return np.concatenate([tone(unit, 0.2, rng) for unit in units])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model file, recordings, and language models."""
    folder = tmp_path_factory.mktemp("decode")
    rng = np.random.default_rng(0)
    config = FeatureConfig.load("hmm")
    units = [*PITCHES, "SIL"]
    means, variances = [], []
    for unit in units:
        path = folder / f"{unit}.wav"
        soundfile.write(path, tone(unit, 1.0, rng), RATE)
        X = cached_extractor(config).extract(path).values
        means.append(X.mean(axis=0))
        variances.append(X.var(axis=0) + 4.0)
        path.unlink()
    flat = PhoneModels.flat(
        dict.fromkeys(units, Topology.left_right(1)), mean=means[0], variance=variances[0]
    )
    bank = MixtureBank.from_parameters(
        np.arange(len(units) + 1), np.ones(len(units)), np.array(means), np.array(variances)
    )
    AcousticModel(
        flat.with_parameters(bank=bank),
        Lexicon.from_dict(LEXICON),
        config,
        FeatureNormalisation("none"),
        SilenceModel("SIL"),
    ).save(folder / "am.safetensors")
    said = {"one": ["low", "fall"], "two": ["rise", "mid", "low"], "three": ["mid"]}
    for name, sentence in said.items():
        soundfile.write(folder / f"{name}.wav", say(sentence, rng), RATE)
    soundfile.write(folder / "blip.wav", say([], rng)[: RATE // 40], RATE)
    train_ngram(list(said.values()), order=2).write_arpa(folder / "lm.arpa")
    phones = [["LO", "HI", "LO"], ["LO", "HI", "MI", "LO"], ["MI"]]
    train_ngram(phones, order=2).write_arpa(folder / "phones.arpa")
    (folder / "list.tsv").write_text(
        "id\tspeaker\tpath\n" + "".join(f"{name}\tana\t{name}.wav\n" for name in said)
    )
    return folder


@pytest.fixture
def run(world):
    app = typer.Typer()
    add_command(app, decode.Decode)
    recordings = [world / f"{name}.wav" for name in ("one", "two", "three")]

    def run(*arguments, inputs=recordings, model=world / "am.safetensors"):
        listed = [str(argument) for argument in (model, *inputs, *arguments)]
        return CliRunner().invoke(app, listed, catch_exceptions=False)

    return run


@pytest.mark.slow
def test_text_on_standard_output(run, world):
    done = run("--lm", world / "lm.arpa")
    assert done.exit_code == 0
    assert done.stdout == "one low fall\ntwo rise mid low\nthree mid\n"
    assert run("--lm", world / "lm.arpa", inputs=[world / "list.tsv"]).stdout == done.stdout
    listing = (world / "list.tsv").read_bytes()
    for name, content in (("list", listing), ("list.gz", gzip.compress(listing))):
        (world / name).write_bytes(content)  # a list is one by its content, as elsewhere
        assert run("--lm", world / "lm.arpa", inputs=[world / name]).stdout == done.stdout
    assert run().stdout == done.stdout  # any word of the lexicon


NAMES = ("1234 a", "1234 a 2", "#%20;; \u00e9")


@pytest.mark.parametrize("name", ["found.txt", "found.ctm", "found.json"])
def test_what_is_written_of_names_with_spaces_is_scored(run, world, tmp_path, capsys, name):
    """Names that could be other utterances and their words: `score-transcripts` counts no error."""
    said = ["low fall", "rise mid low", "mid"]
    files = zip(NAMES, said, ("one", "two", "three"), strict=True)
    listed = world / "spaces.tsv"
    rows = [f"{id}\tana\t{file}.wav\t{text}\n" for id, text, file in files]
    listed.write_text("id\tspeaker\tpath\ttext\n" + "".join(rows), encoding="utf-8")
    run("--output", tmp_path / name, inputs=[listed])
    assert run_command(["score-transcripts", str(listed), str(tmp_path / name), "--json"]) == 0
    errors = json.loads(capsys.readouterr().out)
    assert (errors["word_error_rate"], errors["n_utterances"]) == (0.0, 3)
    assert errors["missing"] == []
    if name == "found.txt":
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        assert lines[:2] == ["1234%20a low fall", "1234%20a%202 rise mid low"]
        assert run(inputs=[listed]).stdout.splitlines() == lines


def test_help_is_read_as_it_was_written():
    """Square brackets would be taken for markup, and swallowed."""
    app = typer.Typer()
    add_command(app, decode.Decode)
    helps = [option.help for option in typer.main.get_command(app).params if option.help]
    assert len(helps) > 15
    assert not [text for text in helps if "[" in text or not text.endswith(".")]
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400"}).stdout
    assert " ." not in shown.replace(" .ctm", "").replace(" .json", "")
    for default in (
        "0.15 for words, 0.25 for phones",
        "all words of the lexicon",
        "standard output",
    ):
        assert f"(default: {default}" in shown


def test_words_of_a_file(run, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("low\n\nfall\r\n")
    assert run("--words", words).stdout.splitlines()[0] == "one low fall"
    assert "mid" not in run("--words", words).stdout
    words.write_text("low\nfall off\n")
    with pytest.raises(CorpusError, match=r"words.txt:2: 'fall off'"):
        run("--words", words)
    words.write_text("low\nfall\nlow\n")
    with pytest.raises(CorpusError, match=r"words.txt:3: .*\blow\b.* line 1"):
        run("--words", words)
    with pytest.raises(CorpusError, match="cannot be read"):
        run("--words", tmp_path / "none.txt")
    words.write_text("low\nelsewhere\n")
    with pytest.raises(InvalidInputError, match=": elsewhere"):
        run("--words", words)


def test_words_in_the_other_letter_case_are_hinted_at(run, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("LOW\nMID\nelse\n")
    for more in ([], ["--isolated"]):
        with pytest.raises(
            InvalidInputError, match="in lower case 2 would be known, such as 'LOW'"
        ):
            run("--words", words, *more)
    train_ngram([["LOW", "MID"], ["mid", "FALL"]], order=1).write_arpa(tmp_path / "lm.arpa")
    note = run("--lm", tmp_path / "lm.arpa").stderr
    assert "in lower case 3 would be known" in note
    assert "--case lower" in note
    train_ngram([["LOW", "MID"]], order=1).write_arpa(tmp_path / "lm.arpa")
    with pytest.raises(InvalidInputError, match=r"in lower case 2 would be known.*--case lower"):
        run("--lm", tmp_path / "lm.arpa")


@pytest.mark.slow
def test_files_of_three_kinds(run, world, tmp_path):
    out = tmp_path / "words.ctm"
    done = run("--lm", world / "lm.arpa", "--output", out, "--confidences")
    assert done.stdout == f"{out}: 3 utterances, 6 words\n"
    found = read_ctm(out)
    assert [item.label for item in found["one"]] == ["low", "fall"]
    starts = [item.start for item in found["one"]]
    np.testing.assert_allclose(starts, [0.2, 0.6], atol=0.03)
    assert all(0.5 < item.confidence <= 1 for item in found["one"])
    run("--lm", world / "lm.arpa", "--output", tmp_path / "text")
    assert (tmp_path / "text").read_text() == "one low fall\ntwo rise mid low\nthree mid\n"
    run("--lm", world / "lm.arpa", "--output", tmp_path / "all.json", "--nbest", 3)
    document = json.loads((tmp_path / "all.json").read_text())
    first = document["utterances"][0]["hypotheses"]
    assert first[0]["words"] == ["low", "fall"]
    assert [item["label"] for item in first[0]["phone_times"]] == [
        "SIL", "LO", "SIL", "HI", "LO", "SIL",
    ]  # fmt: skip
    assert document["skipped"] == []
    again = run("--lm", world / "lm.arpa", "--json", "--nbest", 3)
    assert json.loads(again.stdout) == document


def test_phones(run, world, tmp_path):
    expected = "one LO HI LO\ntwo LO HI MI LO\nthree MI\n"
    assert run("--phones", "--phone-lm", world / "phones.arpa").stdout == expected
    assert run("--phones").stdout == expected
    done = run("--phones", "--output", tmp_path / "phones.ctm")
    assert done.stdout.endswith("8 phones\n")
    assert [i.label for i in read_ctm(tmp_path / "phones.ctm")["two"]] == ["LO", "HI", "MI", "LO"]


def test_isolated_words(run, world):
    done = run("--isolated", "--json", "--nbest", 2, inputs=[world / "three.wav"])
    hypotheses = json.loads(done.stdout)["utterances"][0]["hypotheses"]
    assert hypotheses[0]["words"] == ["mid"]
    assert len(hypotheses) == 2
    assert hypotheses[0]["posterior"] > 0.9
    assert 0.15 < hypotheses[0]["word_times"][0]["start"] < 0.25


def test_lattices(run, world, tmp_path):
    run("--lm", world / "lm.arpa", "--lattice", tmp_path / "lattices", "--lattice-beam", 3)
    names = sorted(path.name for path in (tmp_path / "lattices").iterdir())
    assert names == ["one.lat", "three.lat", "two.lat"]
    lines = (tmp_path / "lattices" / "two.lat").read_text().splitlines()
    assert lines[0] == "two"
    said = [line.split()[3] for line in lines if len(line.split()) == 5]
    assert {"rise", "mid", "low"} <= set(said)


def test_segments_have_times_of_their_own_or_of_their_recording(run, world, tmp_path):
    listed = world / "segments.tsv"
    listed.write_text(
        "id\tspeaker\tpath\tstart\tend\n"
        "a\tana\ttwo.wav\t0.7\t1.6\nb\tbea\ttwo.wav\t0.05\t0.7\nc\tana\tone.wav\t\t\n"
    )
    out = tmp_path / "words.ctm"
    run("--output", out, inputs=[listed])
    own = read_ctm(out)
    assert {name: [i.label for i in items] for name, items in own.items()} == {
        "a": ["mid", "low"], "b": ["rise"], "c": ["low", "fall"],
    }  # fmt: skip
    starts = [own[name][0].start for name in "abc"]
    np.testing.assert_allclose(starts, [0.1, 0.15, 0.2], atol=0.03)
    run("--output", out, "--by", "recording", inputs=[listed])
    found = read_ctm(out)
    assert list(found) == ["one", "two"]
    assert [i.label for i in found["two"]] == ["rise", "mid", "low"]
    expected = [own["b"][0].start + 0.05, own["a"][0].start + 0.7, own["a"][1].start + 0.7]
    np.testing.assert_allclose([i.start for i in found["two"]], expected, atol=1e-6)
    assert [line.split()[0] for line in out.read_text().splitlines()] == ["one"] * 2 + ["two"] * 3
    # A Kaldi data directory has names of its own for recordings.
    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    for name, text in {
        "wav.scp": f"talk-1 {world / 'one.wav'}\ntalk-2 {world / 'two.wav'}\n",
        "segments": "a talk-2 0.7 1.6\nb talk-2 0.05 0.7\nc talk-1 0 -1\n",
        "utt2spk": "a ana\nb bea\nc ana\n",
    }.items():
        (kaldi / name).write_text(text)
    run("--output", out, "--by", "recording", inputs=[kaldi])
    assert read_ctm(out) == {"talk-1": found["one"], "talk-2": found["two"]}


def test_lattices_of_ids_that_are_no_file_names(run, world, tmp_path):
    listed = world / "ids.tsv"
    listed.write_text("id\tspeaker\tpath\na/b\tana\tone.wav\na%2Fb\tana\ttwo.wav\n")
    folder = tmp_path / "lattices"
    run("--lattice", folder, "--lattice-beam", 1, inputs=[listed])
    found = {path.name: path.read_text().splitlines()[0] for path in folder.iterdir()}
    assert found == {"a%2Fb.lat": "a/b", "a%252Fb.lat": "a%2Fb"}


def test_lattices_of_ids_that_differ_by_letter_case_or_are_long(run, world, tmp_path):
    listed = world / "ids.tsv"
    long = "x" * 300
    listed.write_text(
        f"id\tspeaker\tpath\nu 1\tana\tone.wav\nU 1\tana\ttwo.wav\n{long}\tana\tthree.wav\n"
    )
    folder = tmp_path / "lattices"
    run("--lattice", folder, "--lattice-beam", 1, inputs=[listed])
    names = [path.name for path in folder.iterdir()]
    assert len({name.casefold() for name in names}) == 3
    first = sorted(path.read_text().split("\n")[0] for path in folder.iterdir())
    assert first == ["U%201", "u%201", long]


def test_another_lexicon(run, world, tmp_path):
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("tief LO\nfallend HI LO\nmittel MI\nsteigend LO HI\n")
    assert run("--lexicon", lexicon).stdout.splitlines()[0] == "one tief fallend"
    lexicon.write_text("low LO\nmid MI\n")
    done = run("--lexicon", lexicon, "--lm", world / "lm.arpa")
    assert "2 words without a pronunciation" in done.stderr


def test_bad_recordings_are_said_and_left_out(run, world, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("rise\nfall\n")
    inputs = [world / "one.wav", world / "blip.wav", world / "none.wav"]
    done = run("--isolated", "--words", words, inputs=inputs)
    assert done.exit_code == 0
    assert done.stdout == "one fall\n"
    *notes, summary = done.stderr.splitlines()
    assert len(notes) == 2
    assert summary == "warning: 2 of 3 utterances not recognised: blip, none"
    assert all(note.startswith("not recognised: ") for note in notes)
    assert "none.wav" in notes[0]
    assert "2 frames, found 1" in notes[1]
    with pytest.raises(SpeakerGmmError, match=r"none\.wav"):
        run("--strict", inputs=inputs)
    done = run("--isolated", "--words", words, inputs=[world / "blip.wav"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert run(inputs=[world / "blip.wav"]).stdout == "blip\n"  # only silence: no words


@pytest.mark.parametrize("beam", [0.5, 13, 30, 60])
@pytest.mark.parametrize("more", [[], ["--nbest", 3], ["--lm"], ["--lattice"]])
def test_what_a_beam_could_lose_is_found_at_any(run, world, tmp_path, beam, more):
    """The recording ends where "rise" can't: its last tone has yet to come."""
    path = tmp_path / "cut.wav"
    rng = np.random.default_rng(1)
    soundfile.write(path, tone("LO", 0.5, rng), RATE)
    words = tmp_path / "words.txt"
    words.write_text("rise\n")
    if more == ["--lm"]:
        train_ngram([["rise"]], order=2).write_arpa(tmp_path / "lm.arpa")
        more = ["--lm", tmp_path / "lm.arpa"]
    elif more == ["--lattice"]:
        more = ["--lattice", tmp_path / "lattices"]
    done = run("--words", words, "--beam", beam, "--json", *more, inputs=[path])
    found = json.loads(done.stdout)
    assert (found["n_utterances"], found["n_recognised"]) == (1, 1)
    assert found["utterances"][0]["hypotheses"][0]["words"] == ["rise"]


def test_a_summary_counts_what_is_missing(run, world, tmp_path):
    inputs = [world / "one.wav", world / "none.wav", world / "three.wav"]
    done = run("--output", tmp_path / "a.json", inputs=inputs)
    assert done.exit_code == 0
    assert done.stdout == f"{tmp_path / 'a.json'}: 2 utterances, 3 words; 1 of 3 not recognised\n"
    assert done.stderr.splitlines()[-1] == "warning: 1 of 3 utterances not recognised: none"
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["not_recognised"] == ["none"]
    assert (document["n_utterances"], document["n_recognised"]) == (3, 2)
    words = tmp_path / "words.txt"
    words.write_text("rise\n")
    done = run("--isolated", "--words", words, "--json", inputs=[world / "blip.wav"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["not_recognised"] == ["blip"]
    assert "not recognised" not in run("--output", tmp_path / "b.json").stdout


def test_a_faulty_row_costs_only_its_utterance(run, world):
    listed = world / "faulty.tsv"
    listed.write_text(
        "id\tspeaker\tpath\tstart\tend\n"
        "a\tana\tone.wav\t\t\nb b\tana\ttwo.wav\t1\t0.5\nc\tana\tthree.wav\t\t\n"
    )
    done = run("--json", inputs=[listed])
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert [u["utterance"] for u in document["utterances"]] == ["a", "c"]
    assert (document["n_utterances"], document["not_recognised"]) == (3, ["b b"])
    first, *_, last = done.stderr.splitlines()
    assert f"not recognised: {listed}:3: " in first
    assert last == "warning: 1 of 3 utterances not recognised: 'b b'"
    with pytest.raises(CorpusError, match=r"faulty\.tsv:3"):
        run("--strict", inputs=[listed])


def test_recordings_of_one_name_are_told_apart(run, world, tmp_path):
    copy = tmp_path / "one.wav"
    copy.write_bytes((world / "three.wav").read_bytes())
    done = run(inputs=[world / "one.wav", copy])
    assert done.stdout == f"{world / 'one.wav'} low fall\n{copy} mid\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--phone-lm", "x.arpa"], "--phone-lm.*--phones.*--lm"),
        (["--phones", "--lm", "x.arpa"], "--phones.*--lm.*--isolated.*--phone-lm"),
        (["--phones", "--isolated"], "--phones.*--lm.*--isolated.*--phone-lm"),
        (["--isolated", "--lm", "x.arpa"], "--isolated.*--lm.*--lattice.*--words"),
        (["--isolated", "--lattice", "x"], "--isolated.*--lm.*--lattice.*--words"),
        (["--beam", "-1"], "--beam must be finite and > 0"),
        (["--lattice-beam", "0"], "--lattice-beam must be finite and > 0"),
        (["--acoustic-scale", "nan"], "--acoustic-scale must be finite"),
    ],
)
def test_options_that_do_not_go_together(run, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        run(*arguments)


@pytest.mark.slow
def test_outputs_that_would_be_written_over(run, world, tmp_path):
    for path in (world / "am.safetensors", world / "one.wav"):
        before = path.read_bytes()
        with pytest.raises(InvalidInputError, match="is an input of this command"):
            run("--output", path)
        assert path.read_bytes() == before
    for name, content, message in (
        ("other", b"\0" * 10, "exists, and may be other text"),
        ("text", b"one LOW FALL\n", "exists, and may be other text"),
        ("other.ctm", b"dear diary\n", "exists and is not what would be written"),
        ("other.json", b'{"model": "mine"}\n', "exists and is not a JSON file of decode"),
    ):
        foreign = tmp_path / name
        foreign.write_bytes(content)
        with pytest.raises(InvalidInputError, match=message):
            run("--output", foreign)
        assert foreign.read_bytes() == content
    with pytest.raises(InvalidInputError, match="--lattice must be a folder"):
        run("--lattice", tmp_path / "text")
    for name in ("mine.json", "mine.ctm"):
        assert run("--output", tmp_path / name).exit_code == 0
        assert run("--output", tmp_path / name).exit_code == 0
    with pytest.raises(InvalidInputError, match=r"list\.tsv: is a corpus"):
        run(inputs=[world / "one.wav", world / "list.tsv"])


def test_scales_and_penalties_reach_the_search(run, world):
    plain = json.loads(run("--json", inputs=[world / "one.wav"]).stdout)
    other = json.loads(
        run("--json", "--lm-scale", 2, "--word-penalty", -3, inputs=[world / "one.wav"]).stdout
    )
    a, b = (doc["utterances"][0]["hypotheses"][0] for doc in (plain, other))
    assert a["words"] == b["words"] == ["low", "fall"]
    assert a["language_log_probability"] == pytest.approx(3 * math.log(1 / 5))
    assert b["score"] - a["score"] == pytest.approx(3 * math.log(1 / 5) - 6, abs=1e-3)


def test_what_plain_text_cannot_hold_is_said(run, world, tmp_path):
    for more, expected in (
        ([], 2),
        (["--output", tmp_path / "text"], 2),
        (["--output", tmp_path / "a.json"], 0),
        (["--output", tmp_path / "a.ctm"], 1),
        (["--json"], 0),
    ):
        done = run("--confidences", "--nbest", 2, *more, inputs=[world / "three.wav"])
        assert done.stderr.count("note: ") == expected


def test_a_language_model_of_other_units_is_refused(run, world):
    with pytest.raises(InvalidInputError, match=r"lm\.arpa: 4 of its 4 words are not phones"):
        run("--phones", "--phone-lm", world / "lm.arpa")
    with pytest.raises(InvalidInputError, match=r"phones\.arpa: 3 of its 3 words are not in"):
        run("--lm", world / "phones.arpa")


def test_words_of_a_phone_model_that_are_no_phones_are_named(run, tmp_path):
    train_ngram([["LO", "HI", "MI", "uh"]], order=1).write_arpa(tmp_path / "some.arpa")
    done = run("--phones", "--phone-lm", tmp_path / "some.arpa")
    assert done.exit_code == 0
    assert "some.arpa: 1 word not among the phones" in done.stderr


def test_silence_is_said_to_hold_no_speech(run, world, tmp_path):
    soundfile.write(tmp_path / "quiet.wav", np.zeros(RATE), RATE)
    done = run("--isolated", inputs=[tmp_path / "quiet.wav", world / "three.wav"])
    assert done.exit_code == 0
    assert done.stderr.count("no speech") == 1
    assert "quiet.wav: no speech was found in 1.00 s" in done.stderr


def test_inputs_given_twice(run, world):
    with pytest.raises(InvalidInputError, match=r"one\.wav: .*twice"):
        run(inputs=[world / "one.wav", world / "one.wav"])
    with pytest.raises(InvalidInputError, match=r"second corpus"):
        run(inputs=[world / "list.tsv", world / "list.tsv"])


def test_words_without_a_pronunciation_are_named_with_their_file(run, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("low\nelsewhere\n")
    with pytest.raises(InvalidInputError, match=r"words\.txt: 1 word without a pronunciation"):
        run("--words", words)


def test_an_output_called_textgrid_is_refused(run, tmp_path):
    with pytest.raises(InvalidInputError, match=r"no TextGrids.*\.ctm"):
        run("--phones", "--output", tmp_path / "found.TextGrid")
