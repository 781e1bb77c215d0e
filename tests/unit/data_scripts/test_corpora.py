"""Every script finds the recordings of its corpus, in small copies and in the real data."""

import importlib
import tarfile

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from data_scripts import _command
from data_scripts._common import Archive, Size, compare_sizes, find_recordings
from speakergmm.corpora import read_corpus
from speakergmm.errors import CorpusError, InvalidInputError, SpeakerGmmError

# Paths as they stand in the real archives, and what else lies there.
LAYOUTS = {
    "librispeech": {
        "recordings": {
            "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac": "84",
            "LibriSpeech/dev-clean/84/121550/84-121550-0001.flac": "84",
            "LibriSpeech/train-clean-100/19/198/19-198-0000.flac": "19",
        },
        "others": ["LibriSpeech/dev-clean/84/121123/84-121123.trans.txt", "LibriSpeech/README.TXT"],
        "odd": [],
    },
    "fsdd": {
        "recordings": {
            "free-spoken-digit-dataset-1.0.10/recordings/7_jackson_32.wav": "jackson",
            "free-spoken-digit-dataset-1.0.10/recordings/0_theo_0.wav": "theo",
        },
        "others": ["free-spoken-digit-dataset-1.0.10/metadata.py"],
        "odd": [],
    },
    "arabic_speech_commands": {
        "recordings": {
            "arabic-speech-commands-dataset-1.0/dataset/zoom_in/00000014_NO_01.wav": "00000014",
            "arabic-speech-commands-dataset-1.0/dataset/yes/00000002_NO_10.wav": "00000002",
        },
        "others": ["arabic-speech-commands-dataset-1.0/train.csv"],
        "odd": ["arabic-speech-commands-dataset-1.0/background_noise/rain.wav"],
    },
    "dspspeech20": {
        "recordings": {
            "DSPSpeech-20-master/speech_data/16307130194/16307130194-12-16.wav": "16307130194",
            "DSPSpeech-20-master/speech_data/16307110258/16307110258-00-01.wav": "16307110258",
        },
        "others": ["DSPSpeech-20-master/README.md"],
        "odd": ["DSPSpeech-20-master/speech_data/16307110258/16307130194-00-01.wav"],
    },
    "audiomnist": {
        "recordings": {
            "AudioMNIST-master/data/01/0_01_1.wav": "01",
            "AudioMNIST-master/data/60/9_60_49.wav": "60",
        },
        "others": [
            "AudioMNIST-master/data/audioMNIST_meta.txt",
            "AudioMNIST-master/data/36/notes.txt",
        ],
        "odd": [],
    },
    "voxceleb1": {
        "recordings": {
            "wav/id10001/1zcIwhmdeo4/00001.wav": "id10001",
            "wav/id11251/7w0IBEWc9Qw/00003.wav": "id11251",
        },
        "others": ["vox1_meta.csv"],
        "odd": ["noise/00001.wav"],
    },
}


def script(name):
    return importlib.import_module(f"data_scripts.{name}")


def sound(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal(8000)
    soundfile.write(path, noise, 16000, subtype="PCM_16")


def copy_of(name, folder):
    layout = LAYOUTS[name]
    for seed, path in enumerate([*layout["recordings"], *layout["odd"]]):
        sound(folder / path, seed)
    for path in layout["others"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("words")
    return layout


@pytest.mark.parametrize("name", LAYOUTS)
def test_recordings_and_speakers_are_found_as_the_archive_has_them(name, tmp_path):
    layout = copy_of(name, tmp_path)
    found = find_recordings(tmp_path, script(name).DESCRIPTION)
    assert {u.id: u.speaker for u in found.corpus} == layout["recordings"]
    assert list(found.skipped) == layout["odd"]
    assert all(u.path.is_file() for u in found.corpus)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_list_reads_back_as_the_same_corpus(name, tmp_path):
    copy_of(name, tmp_path)
    result = CliRunner().invoke(script(name).app, ["list", str(tmp_path)])
    assert result.exit_code == 0, result.output
    listed = read_corpus(tmp_path / "corpus.tsv")
    assert (
        listed.utterances == find_recordings(tmp_path, script(name).DESCRIPTION).corpus.utterances
    )
    header = (tmp_path / "corpus.tsv").read_text().splitlines()[0]
    assert header == "speaker\tpath"
    if LAYOUTS[name]["odd"]:
        assert "1 audio files have other names" in result.output


@pytest.mark.parametrize("name", LAYOUTS)
def test_about_tells_terms_and_checksums(name):
    text = _command.about(script(name).DESCRIPTION)
    for word in ("licence", "citation", "homepage https://", "size"):
        assert word in " ".join(text.split())
    if name == "librispeech":
        assert "md5:" in text
    elif name == "voxceleb1":
        assert "obtain" in text
        assert "archive" not in text.split("obtain")[0]
    else:
        assert "none published" in text


@pytest.mark.parametrize("name", LAYOUTS)
def test_archives_are_named_by_secure_addresses_and_whole_checksums(name):
    for archive in script(name).DESCRIPTION.archives:
        assert archive.url.startswith("https://")
        assert archive.checksum is None or len(archive.checksum) == len("md5:") + 32


@pytest.mark.parametrize("name", LAYOUTS)
def test_validate_reads_every_recording(name, tmp_path):
    layout = copy_of(name, tmp_path)
    (tmp_path / next(iter(layout["recordings"]))).write_bytes(b"no sound")
    result = CliRunner().invoke(script(name).app, ["validate", str(tmp_path)])
    assert result.exit_code == 1
    assert next(iter(layout["recordings"])) in result.output.replace("\n", "")
    assert "1 errors" in result.output


def test_parts_can_be_chosen(tmp_path):
    copy_of("librispeech", tmp_path)
    description = script("librispeech").DESCRIPTION
    found = find_recordings(tmp_path, description, parts=("dev-clean",))
    assert {u.speaker for u in found.corpus} == {"84"}
    assert found.sizes == {"dev-clean": Size(1, 2)}
    with pytest.raises(CorpusError, match="contains no recording of test-other"):
        find_recordings(tmp_path, description, parts=("test-other",))
    with pytest.raises(InvalidInputError, match="has no part 'dev-dirty'; it has dev-clean"):
        find_recordings(tmp_path, description, parts=("dev-dirty",))
    with pytest.raises(InvalidInputError, match="it has no parts"):
        find_recordings(tmp_path, script("fsdd").DESCRIPTION, parts=("x",))


def test_an_incomplete_copy_is_told(tmp_path):
    copy_of("fsdd", tmp_path)
    description = script("fsdd").DESCRIPTION
    lines = compare_sizes(find_recordings(tmp_path, description), description)
    assert lines == ["2 recordings of 2 speakers, of 3000 recordings of 6 speakers in all"]


def test_a_folder_of_something_else_is_refused(tmp_path):
    sound(tmp_path / "ana" / "hello.wav", 0)
    with pytest.raises(CorpusError, match=r"with a name of FSDD \(1 audio files found\)"):
        find_recordings(tmp_path, script("fsdd").DESCRIPTION)
    with pytest.raises(CorpusError, match="is not a folder"):
        find_recordings(tmp_path / "nowhere", script("fsdd").DESCRIPTION)


def test_a_refusal_is_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["fsdd", "list", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as caught:
        _command.run(script("fsdd").app)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_download_checks_unpacks_and_lists(tmp_path, monkeypatch):
    copy_of("librispeech", tmp_path / "source")
    tar = tmp_path / "published.tar.gz"
    with tarfile.open(tar, "w:gz") as file:
        file.add(tmp_path / "source" / "LibriSpeech", "LibriSpeech")

    def served(archive, folder):
        assert archive == Archive(
            "dev-clean",
            "https://www.openslr.org/resources/12/dev-clean.tar.gz",
            "md5:42e2234ba48799c1f50f24a7926300a1",
        )
        assert folder == tmp_path / "corpora"
        folder.mkdir()
        return tar

    monkeypatch.setattr(_command, "fetch", served)
    app = script("librispeech").app
    result = CliRunner().invoke(app, ["download", str(tmp_path / "corpora"), "--part", "dev-clean"])
    assert result.exit_code == 0, result.output
    assert "CC BY 4.0" in result.output
    listed = read_corpus(tmp_path / "corpora" / "corpus.tsv")
    assert listed.speakers == ("19", "84")
    assert all(u.path.is_file() for u in listed)


def test_download_of_a_corpus_in_parts_wants_a_part(tmp_path):
    result = CliRunner().invoke(script("librispeech").app, ["download", str(tmp_path / "corpora")])
    assert result.exit_code == 2
    result = CliRunner().invoke(
        script("librispeech").app, ["download", str(tmp_path / "corpora"), "--part", "dev"]
    )
    assert isinstance(result.exception, SpeakerGmmError)


def test_voxceleb_is_not_downloaded(tmp_path):
    result = CliRunner().invoke(script("voxceleb1").app, ["download", str(tmp_path)])
    assert result.exit_code == 2


REAL = {
    # Folder of the data, what it holds.
    "librispeech": (
        "librispeech",
        {"train-clean-100": Size(251, 251), "test-other": Size(10, 100)},
    ),
    "fsdd": ("fsdd", {"": Size(6, 3000)}),
    "arabic_speech_commands": ("arabic_speech_commands", {"": Size(30, 2400)}),
    "dspspeech20": ("dspspeech20", {"": Size(34, 1360)}),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_recordings_are_found(name, data_dir, tmp_path):
    folder, sizes = REAL[name]
    output = tmp_path / "corpus.tsv"
    result = CliRunner().invoke(
        script(name).app, ["list", str(data_dir / folder), "--output", str(output)]
    )
    assert result.exit_code == 0, result.output
    found = find_recordings(data_dir / folder, script(name).DESCRIPTION)
    assert found.sizes == sizes
    assert found.skipped == ()
    listed = read_corpus(output, data_dir=data_dir / folder)
    assert listed.utterances == found.corpus.utterances


@pytest.mark.parametrize("name", ["arabic_speech_commands", "dspspeech20", "librispeech"])
def test_real_speakers_are_those_of_the_protocols(name, data_dir):
    found = find_recordings(data_dir / REAL[name][0], script(name).DESCRIPTION)
    speaker_of = {u.path: u.speaker for u in found.corpus}
    background = read_corpus(data_dir / "protocols" / name / "background.tsv", data_dir=data_dir)
    assert len(background) > 100
    assert all(speaker_of[u.path] == u.speaker for u in background)


def test_real_recordings_read_well(data_dir):
    # The first of each speaker: reading all takes minutes.
    found = find_recordings(data_dir / "fsdd", script("fsdd").DESCRIPTION)
    for utterances in found.corpus.by_speaker().values():
        samples, rate = soundfile.read(utterances[0].path)
        assert rate == 8000
        assert np.abs(samples).max() > 0.01
