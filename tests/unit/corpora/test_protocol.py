import time
from pathlib import Path, PurePath

import pytest

from speakergmm.corpora import (
    Corpus,
    Protocol,
    Split,
    Trial,
    Utterance,
    read_protocol,
    write_protocol,
)
from speakergmm.errors import CorpusError, InvalidInputError

LISTS = {
    "background.tsv": "speaker\tpath\nx\tx/1.wav\ny\ty/1.wav\n",
    "eval_enroll.tsv": "model\tpath\na\ta/1.wav\na\ta/2.wav\nb\tb/1.wav\n",
    "eval_trials.tsv": "model\tpath\tlabel\na\ta/3.wav\ttarget\nb\ta/3.wav\tnontarget\n",
}

# Models and trials, background speakers and recordings, as the lists' own README counts them.
SIZES = {
    "librispeech": ((251, 251), None, (10, 600, 60)),
    "dspspeech20": ((12, 480), (8, 1280, 160), (14, 3920, 280)),
    "arabic_speech_commands": ((10, 800), (8, 3840, 480), (12, 8640, 720)),
}


@pytest.fixture
def directory(tmp_path):
    def directory(changes=None, without=()):
        for name, text in (LISTS | (changes or {})).items():
            if name not in without:
                (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return directory


def test_a_protocol_is_read_as_listed(directory):
    where = directory()
    protocol = read_protocol(where)
    assert protocol.background.speakers == ("x", "y")
    assert list(protocol.splits) == ["eval"]
    split = protocol.split("eval")
    assert split.enrolment == {
        "a": (where / "a/1.wav", where / "a/2.wav"),
        "b": (where / "b/1.wav",),
    }
    assert split.trials == (
        Trial("a", where / "a/3.wav", "target", "a/3.wav"),
        Trial("b", where / "a/3.wav", "nontarget", "a/3.wav"),
    )
    assert split.models == ("a", "b")
    assert split.labelled
    assert split.n_targets == 1
    assert split.test_paths() == (where / "a/3.wav",)
    assert "2 models, 2 trials" in repr(protocol)


def test_relative_paths_begin_in_the_data_folder(directory, tmp_path):
    (tmp_path / "data").mkdir()
    protocol = read_protocol(directory(), data_dir=tmp_path / "data")
    split = protocol.split("eval")
    assert split.trials[0].path == tmp_path / "data/a/3.wav"
    assert split.trials[0].name == "a/3.wav"
    assert split.enrolment["b"] == (tmp_path / "data/b/1.wav",)
    assert protocol.background.utterances[0].path == tmp_path / "data/x/1.wav"


def test_the_truth_may_be_withheld(directory):
    protocol = read_protocol(directory({"eval_trials.tsv": "model\tpath\na\ta/3.wav\n"}))
    assert protocol.split("eval").trials[0].label is None
    assert not protocol.split("eval").labelled
    assert protocol.split("eval").n_targets == 0


def test_blanks_around_names_and_labels_mean_nothing(directory):
    changes = {
        "eval_enroll.tsv": "model\tpath\na \ta/1.wav\na\ta/2.wav\nb\tb/1.wav\n",
        "eval_trials.tsv": "model\tpath\tlabel\na\ta/3.wav\ttarget \n b\ta/3.wav\tnontarget\n",
    }
    plain = read_protocol(directory()).split("eval")
    assert read_protocol(directory(changes)).split("eval") == plain


def test_trials_may_spell_a_model_in_the_other_normal_form(directory):
    names = {
        "eval_enroll.tsv": ("Zo\u00eb", "Zoe\u0308"),
        "eval_trials.tsv": ("Zoe\u0308", "Zo\u00eb"),
    }
    for place in (0, 1):
        changes = {f: LISTS[f].replace("\na\t", f"\n{n[place]}\t") for f, n in names.items()}
        split = read_protocol(directory(changes)).split("eval")
        assert {"Zo\u00eb"} == {trial.model for trial in split.trials} - {"b"}


def test_the_background_may_be_missing(directory):
    protocol = read_protocol(directory(without=["background.tsv"]))
    assert protocol.background is None
    protocol.check_disjoint()


def test_a_missing_split_is_named_with_those_there_are(directory):
    with pytest.raises(CorpusError, match=r"has no split 'dev'; it has 'eval'"):
        read_protocol(directory()).split("dev")


def test_missing_files_are_found(directory):
    where = directory()
    for name in ("x/1.wav", "a/1.wav", "a/2.wav", "b/1.wav"):
        (where / name).parent.mkdir(exist_ok=True)
        (where / name).touch()
    (where / "y").mkdir()
    assert read_protocol(where).missing_files() == (where / "a/3.wav", where / "y/1.wav")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("eval_enroll.tsv", "model\na\n", "eval_enroll.tsv:1: no column 'path'"),
        ("eval_enroll.tsv", "speaker\tpath\na\t1\n", "eval_enroll.tsv:1: no column 'model'"),
        ("eval_enroll.tsv", "model\tpath\n\t1\n", "eval_enroll.tsv:2: speaker name '' is empty"),
        ("eval_enroll.tsv", "model\tpath\na\t../1\n", "eval_enroll.tsv:2: path '../1' leaves"),
        ("eval_enroll.tsv", "model\tpath\na\t1\na\t1\n", "eval_enroll.tsv:3: repeats line 2"),
        ("eval_enroll.tsv", "model\tpath\na\t1\nA\t2\n", "eval_enroll.tsv:3: model 'A' differs"),
        ("eval_trials.tsv", "model\tlabel\na\ttarget\n", "eval_trials.tsv:1: no column 'path'"),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\nc\t1\ttarget\n",
            "eval_trials.tsv:2: model 'c' is not enrolled",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\na\t1\timpostor\n",
            "eval_trials.tsv:2: trial label must be one of target, nontarget, found 'impostor'",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\na\t1\ttarget\na\t1\tnontarget\n",
            "eval_trials.tsv:3: model 'a' is tried twice on '1'",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\na\ta/2.wav\ttarget\n",
            "eval_trials.tsv:2: model 'a' is tried on 'a/2.wav', which enrols it",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\tScore\na\t1\ttarget\t3\n",
            "eval_trials.tsv:1: condition 'Score' is named like another column",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\tsex\tSex\na\t1\ttarget\tf\tf\n",
            "eval_trials.tsv:1: column 'sex' is named twice",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\t\na\t1\ttarget\tf\n",
            "eval_trials.tsv:1: column 4 has no name",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\tsex\na\t1\ttarget\tf\nb\t1\tnontarget\t \n",
            "eval_trials.tsv:3: 'sex' is empty; write 'unknown'",
        ),
        (
            "eval_trials.tsv",
            'model\tpath\tlabel\tsex\na\t1\ttarget\t"f\tm"\n',
            "eval_trials.tsv:2: 'sex' is 'f\\tm', which contains U+0009",
        ),
        (
            "eval_trials.tsv",
            'model\tpath\tlabel\tsex\na\t1\ttarget\t"f\nm"\n',
            "eval_trials.tsv:3: a cell holds several lines",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlable\tsex\na\t1\ttarget\tf\n",
            "eval_trials.tsv:1: column 'lable' looks like 'label', which is missing",
        ),
        (
            "eval_trials.tsv",
            "model\tpath\tlabel\tsex\na\t1\ttarget\n",
            "eval_trials.tsv:2: 3 cells where the header has 4",
        ),
        ("eval_trials.tsv", "model\tpath\tlabel\n", "eval_trials.tsv has a header and no rows"),
        ("background.tsv", "speaker\tpath\nx\t1\nx\t1\n", "background.tsv:3: "),
    ],
)
def test_wrong_lists_are_refused_with_their_place(directory, name, text, reason):
    with pytest.raises(CorpusError) as caught:
        read_protocol(directory({name: text}))
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (["eval_enroll.tsv"], "has no eval_enroll.tsv"),
        (["eval_trials.tsv"], "has no eval_trials.tsv"),
        (list(LISTS), "has neither eval_enroll.tsv with eval_trials.tsv nor dev_enroll.tsv"),
    ],
)
def test_incomplete_protocols_are_refused(directory, without, reason):
    with pytest.raises(CorpusError, match=reason):
        read_protocol(directory(without=without))


def test_a_protocol_is_a_folder(directory, tmp_path):
    for path in (directory() / "eval_trials.tsv", tmp_path / "nowhere", tmp_path / "\0"):
        with pytest.raises(CorpusError, match="is not a folder; a protocol is a folder of lists"):
            read_protocol(path)
    with pytest.raises(CorpusError, match=r"data folder .* is not a folder"):
        read_protocol(directory(), data_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"background.tsv": "speaker\tpath\nA\tx/1.wav\n"}, "speaker 'A' is in both 'eval' and"),
        (
            {"background.tsv": "speaker\tpath\nx\ta/1.wav\n"},
            "is in both 'eval' and 'background'",
        ),
        (
            {
                "dev_enroll.tsv": "model\tpath\na\tq/1.wav\nb\tq/2.wav\n",
                "dev_trials.tsv": "model\tpath\tlabel\na\tq/3.wav\ttarget\n",
            },
            "speaker 'a' is in both 'dev' and 'eval' (and 1 more)",
        ),
        (
            {
                "dev_enroll.tsv": "model\tpath\nd\tq/1.wav\n",
                "dev_trials.tsv": "model\tpath\tlabel\nd\ta/3.wav\ttarget\n",
            },
            "a/3.wav is in both 'dev' and 'eval'",
        ),
        (
            {"eval_trials.tsv": "model\tpath\tlabel\na\tb/1.wav\tnontarget\n"},
            "b/1.wav is both enrolled and tried in 'eval'",
        ),
    ],
)
def test_shared_speakers_and_recordings_are_found(directory, changes, reason):
    protocol = read_protocol(directory(changes))
    with pytest.raises(CorpusError) as caught:
        protocol.check_disjoint()
    assert reason in str(caught.value)


def test_a_protocol_that_shares_nothing_passes(directory):
    assert read_protocol(directory()).check_disjoint() is None


def test_splits_made_in_python_are_checked_too(tmp_path):
    one, two = tmp_path / "1.wav", tmp_path / "2.wav"
    with pytest.raises(CorpusError, match="trial 1: model 'b' is not enrolled"):
        Split({"a": (one,)}, (Trial("b", two),))
    with pytest.raises(CorpusError, match="trial 2: some trials have a label and some have none"):
        Split({"a": (one,)}, (Trial("a", two, "target"), Trial("a", tmp_path / "3.wav")))
    for enrolment, trials in (({}, (Trial("a", two),)), ({"a": ()}, ()), ({"a": (one,)}, ())):
        with pytest.raises(CorpusError, match="a split needs models"):
            Split(enrolment, trials)
    with pytest.raises(
        InvalidInputError, match="trial label must be one of target, nontarget, found 'yes'"
    ):
        Trial("a", one, "yes")


def test_a_protocol_can_be_made_in_python(tmp_path):
    background = Corpus((Utterance("1", tmp_path / "x.wav", "x"),), source="test")
    split = Split({"a": (tmp_path / "1.wav",)}, (Trial("a", tmp_path / "2.wav"),))
    protocol = Protocol(background, {"eval": split})
    protocol.check_disjoint()
    assert len(protocol.missing_files()) == 3


@pytest.mark.parametrize("name", SIZES)
def test_real_protocols(data_dir, name):
    started = time.perf_counter()
    protocol = read_protocol(data_dir / "protocols" / name, data_dir=data_dir)
    assert time.perf_counter() - started < 5  # a second at most on an idle machine
    protocol.check_disjoint()
    assert protocol.missing_files() == ()
    background, dev, evaluation = SIZES[name]
    assert (len(protocol.background.speakers), len(protocol.background)) == background
    for split_name, sizes in (("dev", dev), ("eval", evaluation)):
        if sizes is None:
            assert split_name not in protocol.splits
            continue
        split = protocol.split(split_name)
        assert (len(split.models), len(split.trials), split.n_targets) == sizes


def test_equal_paths_are_one_recording_whichever_objects_hold_them():
    def trial(model, text):
        return Trial(model, Path(text), "target")

    enrolment = {"a": [Path("a/1.wav")], "b": [Path("b/1.wav")]}
    trials = [trial("a", "a/3.wav"), trial("b", "a/./3.wav"), trial("b", "a/4.wav")]
    assert Split(enrolment, trials).test_paths() == (Path("a/3.wav"), Path("a/4.wav"))
    with pytest.raises(CorpusError, match="trial 4: model 'b' is tried twice on"):
        Split(enrolment, [*trials, trial("b", "a/4.wav")])
    with pytest.raises(CorpusError, match="trial 4: model 'a' is tried on 'a/1"):
        Split(enrolment, [*trials, trial("a", "a/1.wav")])


def test_reading_a_list_hashes_each_path_a_few_times(directory, monkeypatch):
    n_models, n_recordings = 40, 50
    enrol = "".join(f"m{n}\te{n}.wav\n" for n in range(n_models))
    rows = "".join(
        f"m{model}\tt{test}.wav\ttarget\n"
        for model in range(n_models)
        for test in range(n_recordings)
    )
    changes = {"eval_enroll.tsv": "model\tpath\n" + enrol}
    where = directory(changes | {"eval_trials.tsv": "model\tpath\tlabel\n" + rows})
    hashed, known = [], PurePath.__hash__

    def counted(path):
        hashed.append(path)
        return known(path)

    monkeypatch.setattr(PurePath, "__hash__", counted)
    split = read_protocol(where).split("eval")
    assert len(split.trials) == n_models * n_recordings
    assert len(split.test_paths()) == n_recordings
    assert len(hashed) < 20 * (n_models + n_recordings)


CONDITIONED = (
    "device\tmodel\tpath\tlabel\t Sex \nphone\ta\ta/3.wav\ttarget\tf\n"
    "room 2\tb\ta/3.wav\tnontarget\tf\n"
)


def test_further_columns_of_trials_are_kept_by_name(directory, tmp_path):
    where = directory({"eval_trials.tsv": CONDITIONED})
    split = read_protocol(where).split("eval")
    assert split.conditions == {"device": ("phone", "room 2"), "Sex": ("f", "f")}
    assert read_protocol(where).notes == ()
    plain = read_protocol(directory()).split("eval")
    assert (split.trials, plain.conditions) == (plain.trials, {})


def test_conditions_are_written_and_read_back(directory, tmp_path):
    protocol = read_protocol(directory({"eval_trials.tsv": CONDITIONED}))
    write_protocol(tmp_path / "copy", protocol, relative_to=tmp_path)
    assert read_protocol(tmp_path / "copy", data_dir=tmp_path).splits == protocol.splits


def test_conditions_without_labels(directory):
    text = "model\tpath\tsex\na\ta/3.wav\tf\n"
    split = read_protocol(directory({"eval_trials.tsv": text})).split("eval")
    assert (split.labelled, split.conditions) == (False, {"sex": ("f",)})


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({"sex": ("f",)}, "condition 'sex' has 1 values for 2 trials"),
        ({"sex": ("f", "")}, "trial 2: 'sex' is empty"),
        ({"sex": ("f\nm", "f")}, r"trial 1: 'sex' is .* which contains U\+000A"),
        ({"Label": ("f", "f")}, "condition 'Label' is named like another column"),
        ({"sex": ("f", "f"), "SEX": ("f", "f")}, "condition 'SEX' is named like the condition"),
        ({" ": ("f", "f")}, "condition ' ' needs a name"),
        ({"a\tb": ("f", "f")}, "needs a name that a list can contain"),
    ],
)
def test_conditions_made_in_python_are_checked(tmp_path, conditions, reason):
    one, two, three = (tmp_path / f"{n}.wav" for n in range(3))
    with pytest.raises(CorpusError, match=reason):
        Split({"a": (one,)}, (Trial("a", two), Trial("a", three)), conditions)


def test_values_of_conditions_are_shared(directory):
    rows = "".join(f"a\tt{n}.wav\tsession {n % 2}\n" for n in range(50))
    where = directory({"eval_trials.tsv": "model\tpath\tsession\n" + rows})
    values = read_protocol(where).split("eval").conditions["session"]
    assert len(set(map(id, values))) == 2
