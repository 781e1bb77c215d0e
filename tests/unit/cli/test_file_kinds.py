"""A whole file of another kind is called what it is, and `info` knows all that are ours."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm import (
    DirichletProcessMixture,
    GaussianMixture,
    GaussianMixtureHMM,
    HMMClassifier,
)
from speakergmm.cli import run_command
from speakergmm.errors import SpeakerGmmError
from speakergmm.file_kinds import describe_file
from speakergmm.mixtures import accumulate
from speakergmm.speakers import BackgroundModel, SpeakerStore

ONE_OF = {
    "background model": "a background model",
    "store": "a speaker store",
    "recording": "a WAV recording",
    "mixture": "a Gaussian mixture",
    "text": "text",
}


@pytest.fixture
def files(tmp_path, world):
    store = tmp_path / "voices.db"
    with SpeakerStore.create(store, BackgroundModel.load(world.ubm)) as opened:
        opened.enroll("e001", world.enrolment("e001"))
    mixture = tmp_path / "mixture"
    GaussianMixture(1).fit(np.random.default_rng(0).normal(size=(20, 2))).save(mixture)
    text = tmp_path / "text"
    text.write_text("hello world\n")
    return {
        "background model": world.ubm,
        "store": store,
        "recording": world.test("e001"),
        "mixture": mixture,
        "text": text,
    }


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (["verify", "FILE", "ana", "WAV"], "store"),
        (["identify", "FILE", "WAV"], "store"),
        (["speakers", "FILE"], "store"),
        (["remove", "FILE", "ana"], "store"),
        (["enroll", "FILE", "ana", "WAV"], "store"),
        (["enroll", "NEW", "ana", "WAV", "--ubm", "FILE"], "background model"),
        (["enroll", "NEW", "ana", "FILE", "--ubm", "UBM"], "recording"),
        (["verify", "STORE", "e001", "FILE"], "recording"),
        (["identify", "STORE", "FILE"], "recording"),
        (["decode", "FILE", "WAV", "--phones"], "acoustic model"),
        (["align", "FILE", "WAV", "--text", "A", "-o", "NEW"], "acoustic model"),
        (["train-lm", "FILE", "-o", "NEW"], "text"),
        (["evaluate", "FILE"], "scores"),
    ],
)
def test_another_kind_is_named_and_not_called_damaged(command, wanted, files, tmp_path, capsys):
    places = {
        "WAV": files["recording"],
        "UBM": files["background model"],
        "STORE": files["store"],
        "NEW": tmp_path / "new",
    }
    for kind, file in files.items():
        if kind == wanted or (kind == "text" and wanted == "scores"):
            continue
        words = [str(file if word == "FILE" else places.get(word, word)) for word in command]
        assert run_command(words) == 2, (kind, capsys.readouterr())
        err = capsys.readouterr().err
        assert "damaged" not in err, err
        assert re.search(re.escape(str(file)) + "(:1)?: ", err), err
        assert f"is {ONE_OF[kind]}" in err, err
        assert err.count("\n") == 1
        assert not (tmp_path / "new").exists()


def test_what_is_needed_is_said_with_what_makes_it(files, capsys):
    assert run_command(["speakers", str(files["background model"])]) == 2
    assert "is a background model, not a speaker store (enroll makes one)" in (
        capsys.readouterr().err
    )
    assert run_command(["decode", str(files["background model"]), str(files["recording"])]) == 2
    assert "not an acoustic model (train-hmm makes one" in capsys.readouterr().err
    with pytest.raises(SpeakerGmmError, match="is a speaker store"):
        BackgroundModel.load(files["store"])
    with pytest.raises(SpeakerGmmError, match="is a Gaussian mixture, not a background model"):
        BackgroundModel.load(files["mixture"])


def checkpoint(path, X):
    class Stop(Exception):
        pass

    def stop(iteration):
        raise Stop

    with pytest.raises(Stop):
        GaussianMixture(
            3, checkpoint=path, checkpoint_seconds=0, callback=stop, max_iter=5, random_state=0
        ).fit(X)


WRITERS = {
    "Gaussian mixture": lambda path, X: GaussianMixture(2, random_state=0).fit(X).save(path),
    "Gaussian mixture HMM": lambda path, X: (
        GaussianMixtureHMM(n_components=2, n_iter=2, random_state=0).fit(X).save(path)
    ),
    "HMM classifier": lambda path, X: (
        HMMClassifier(GaussianMixtureHMM(n_components=2, n_iter=2, random_state=0))
        .fit(X, [0, 1] * 3, lengths=[10] * 6)
        .save(path)
    ),
    "Dirichlet process": lambda path, X: (
        DirichletProcessMixture(random_state=0, n_sweeps=3).fit(X).save(path)
    ),
    "mixture statistics": lambda path, X: accumulate(
        GaussianMixture(2, random_state=0).fit(X).mixture_, X
    ).save(path),
    "training checkpoint": checkpoint,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_info_shows_whatever_we_write(kind, tmp_path, capsys):
    import json

    path = tmp_path / "file"
    X = np.random.default_rng(0).normal(size=(60, 2))
    WRITERS[kind](path, X)
    assert run_command(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert kind.lower() in out.lower()
    assert "digest" in out
    assert run_command(["info", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert kind.lower() in document["kind"].lower()
    assert document["arrays"]
    # A flipped byte is damage for `info` too.
    content = bytearray(path.read_bytes())
    content[-3] ^= 0xFF
    path.write_bytes(content)
    assert run_command(["info", str(path)]) == 2
    assert "damaged" in capsys.readouterr().err


def test_describe_file(tmp_path):
    (tmp_path / "x").write_text("ä" * 4095)
    assert describe_file(tmp_path / "x") == "text"
    (tmp_path / "z").write_text("RIFF\tR IH F\n")
    assert describe_file(tmp_path / "z") == "text"
    (tmp_path / "y").write_text("a" + "ä" * 4095)
    assert describe_file(Path(tmp_path / "y")) == "text"


@pytest.mark.parametrize(
    ("format", "words"),
    [
        ("WAV", "a WAV"),
        ("RF64", "a WAV"),
        ("W64", "a W64"),
        ("AIFF", "an AIFF"),
        ("AU", "an AU"),
        ("NIST", "a NIST SPHERE"),
        ("CAF", "a CAF"),
        ("FLAC", "a FLAC"),
        ("OGG", "an OGG"),
        ("MP3", "an MP3"),
    ],
)
def test_every_recording_is_known_as_one(format, words, tmp_path, capsys):
    noise = 0.1 * np.random.default_rng(0).normal(size=16_000)
    soundfile.write(tmp_path / "a", noise, 16_000, format=format)
    assert describe_file(tmp_path / "a") == f"{words} recording"
    assert run_command(["speakers", str(tmp_path / "a")]) == 2
    assert f"is {words} recording, not a speaker store" in capsys.readouterr().err


def test_statistics_are_named_in_english(tmp_path, capsys):
    X = np.random.default_rng(0).normal(size=(20, 2))
    accumulate(GaussianMixture(1).fit(X), X).save(tmp_path / "a")
    assert run_command(["speakers", str(tmp_path / "a")]) == 2
    assert "is a file of mixture statistics, not a speaker store" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_model_can_be_read_whatever_its_corpus_is_called(world, tmp_path, capsys):
    corpus = tmp_path / os.fsdecode(b"M\xfcller.tsv")
    files = {voice: world.enrolment(voice)[0] for voice in ("e001", "e002")}
    rows = [f"{voice}\t{file}\n" for voice, file in files.items()]
    corpus.write_text("speaker\tpath\n" + "".join(rows))
    model = tmp_path / "ubm.safetensors"
    arguments = [
        "train-ubm",
        str(corpus),
        "--components",
        "2",
        "--augment",
        "none",
        "-o",
        str(model),
    ]
    assert run_command([*arguments, "--seed", "9" * 26]) == 2
    assert "--seed" in capsys.readouterr().err
    assert run_command(arguments) == 0
    capsys.readouterr()
    assert run_command(["info", str(model), "--json"]) == 0
    assert "ller.tsv" in json.loads(capsys.readouterr().out)["provenance"]["corpus"]


@pytest.mark.slow
def test_a_store_in_the_making_is_called_so_by_any_name(files, tmp_path, capsys):
    left = tmp_path / ".voices.db.0123456789ab.tmp"
    left.write_bytes(files["store"].read_bytes())
    (tmp_path / "link.db").symlink_to(left)
    for path in (left, tmp_path / "link.db"):
        for command in (["info"], ["speakers"], ["remove", "e001"]):
            assert run_command([command[0], str(path), *command[1:]]) == 2
            assert "delete it" in capsys.readouterr().err


def test_the_table_of_kinds_names_the_class_that_reads_each():
    from speakergmm.file_kinds import KINDS, reader_of

    for kind, row in KINDS.items():
        if kind == "feature store":  # a folder, of which a file is the index
            assert callable(reader_of(kind).open)
        elif row.reader and kind != "speaker store":
            assert reader_of(kind).file_kind == kind
            assert callable(reader_of(kind).load)
        if row.has_info:
            assert callable(reader_of(kind).info)


def test_whatever_has_a_kind_stands_in_the_table():
    """Files of a kind that the table lacks would be shown by nobody."""
    import importlib
    import inspect
    import pkgutil

    import speakergmm
    from speakergmm.file_kinds import KINDS

    found = set()
    for module in pkgutil.walk_packages(speakergmm.__path__, "speakergmm."):
        if ".cli" in module.name or module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and isinstance(vars(value).get("file_kind"), str):
                found.add(value.file_kind)
    # Statistics of a recording are no file: they lie in a store.
    assert found - {"speaker statistics"} == KINDS.keys() - {"speaker store", "training checkpoint"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mixture statistics", "background model"])
def test_info_imports_one_room(files, kind, tmp_path):
    import subprocess
    import sys

    path = files.get(kind)
    if path is None:
        path = tmp_path / "statistics"
        WRITERS[kind](path, np.random.default_rng(0).normal(size=(60, 3)))
    program = (
        "import sys\nimport speakergmm.cli.app\nfrom speakergmm.cli import run_command\n"
        "before = set(sys.modules)\n"
        "code = run_command(['info', sys.argv[1]])\n"
        "rooms = ('estimators', 'recognition', 'hmm', 'reports')\n"
        "inside = tuple(f'speakergmm.{room}.' for room in rooms)\n"
        # A room itself is a list of names; what takes time are its modules.
        "loaded = [name for name in set(sys.modules) - before if name.startswith(inside)]\n"
        "assert (code, loaded) == (0, []), (code, loaded)\n"
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
