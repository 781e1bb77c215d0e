import json
import warnings

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import Corpus, Utterance, read_corpus, validate_corpus
from speakergmm.errors import InvalidInputError

RATE = 8000


@pytest.fixture
def record(tmp_path):
    """Write a recording of its own noise, or of given samples."""
    count = iter(range(10_000))

    def record(name, samples=None, *, rate=RATE, seconds=0.3, **options):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if samples is None:
            rng = np.random.default_rng(next(count))
            samples = 0.1 * rng.standard_normal(round(seconds * rate))
        soundfile.write(path, samples, rate, **options)
        return path

    return record


@pytest.fixture
def problems(record, tmp_path):
    """Validate a folder of two sound speakers and whatever else was written."""

    def problems(**options):
        for name in ("ana/1.wav", "ana/2.wav", "bea/1.wav", "bea/2.wav"):
            record(name)
        found = validate_corpus(read_corpus(tmp_path / "corpus"), **options)
        named = {}
        for p in found:
            folder_and_name = "/".join(p.path.parts[-2:]) if p.path else None
            named[p.severity, p.kind, p.utterance or folder_and_name] = p
        assert len(named) == len(found)
        return named

    return problems


def test_a_sound_corpus_has_no_problem(problems):
    assert problems() == {}


def test_every_problem_is_found_at_once(record, problems, tmp_path):
    noise = 0.1 * np.random.default_rng(99).standard_normal(RATE)
    record("ana/a-short.wav", seconds=0.005)
    record("ana/b-silent.wav", np.zeros(RATE))
    record("ana/c-clipped.wav", np.clip(20 * noise, -1, 1))
    record("ana/d-rate.wav", rate=16000)
    record("ana/e-nan.wav", np.where(np.arange(RATE) == 500, np.nan, noise), subtype="FLOAT")
    # As integers: libsndfile rounds floats to WAV and to FLAC differently.
    noise = (32768 * noise).astype(np.int16)
    record("ana/f-original.wav", noise)
    record("ana/g-copy.flac", noise)
    record("bea/h-copy.wav", noise)
    folder = tmp_path / "corpus" / "ana"
    (folder / "i-empty.wav").touch()
    record("ana/j-nothing.wav", np.zeros(0))
    (folder / "k-text.wav").write_text("this is no recording\n" * 50)
    whole = record("ana/l-cut.wav").read_bytes()
    (folder / "l-cut.wav").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(record("ana/m-damaged.flac", seconds=2).read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 500] = bytes(500)
    (folder / "m-damaged.flac").write_bytes(damaged)
    (folder / "n-gone.wav").symlink_to(folder / "nowhere.wav")

    found = problems()
    assert set(found) == {
        ("error", "too_short", "ana/a-short.wav"),
        ("error", "silent", "ana/b-silent.wav"),
        ("warning", "clipped", "ana/c-clipped.wav"),
        ("warning", "wrong_rate", "ana/d-rate.wav"),
        ("error", "not_finite", "ana/e-nan.wav"),
        ("warning", "duplicate", "ana/g-copy.flac"),
        ("error", "duplicate", "bea/h-copy.wav"),
        ("error", "empty", "ana/i-empty.wav"),
        ("error", "empty", "ana/j-nothing.wav"),
        ("error", "unreadable", "ana/k-text.wav"),
        ("error", "truncated", "ana/l-cut.wav"),
        ("error", "unreadable", "ana/m-damaged.flac"),
        ("error", "missing", "ana/n-gone.wav"),
    }
    messages = {kind: p.message for (_, kind, _), p in found.items()}
    assert messages["too_short"] == "it lasts 0.005 s; at least 0.1 s are needed"
    assert messages["silent"] == "all samples are equal; at least -70 dB are needed"
    assert messages["wrong_rate"].startswith("its rate is 16000 Hz; ")
    assert (
        found["error", "duplicate", "bea/h-copy.wav"].message
        == "it has the same audio as 'ana/f-original.wav' of another speaker, 'ana'"
    )
    assert (
        found["warning", "duplicate", "ana/g-copy.flac"].message
        == "it has the same audio as 'ana/f-original.wav'"
    )
    for problem in found.values():
        assert problem.message.isprintable()
        assert str(tmp_path) not in problem.message.replace("nowhere", "")
    order = [(p.severity, str(p.path)) for p in found.values()]
    assert order == sorted(order)
    json.dumps([p.to_dict() for p in found.values()], allow_nan=False)


def test_a_wanted_rate_makes_others_errors(record, problems):
    record("ana/low.wav", rate=4000)
    found = problems(sample_rate=RATE)
    assert set(found) == {("error", "wrong_rate", "ana/low.wav")}
    (problem,) = found.values()
    assert problem.message == "its rate is 4000 Hz; 8000 Hz is required"


def test_a_wanted_rate_that_no_recording_has(problems):
    assert len(problems(sample_rate=44100)) == 4


def test_several_channels_are_said_once_and_warn_nobody(record, problems):
    for name in ("ana/stereo.wav", "bea/stereo.wav"):
        record(name, 0.1 * np.random.default_rng(len(name)).standard_normal((4000, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = problems()
    assert set(found) == {("warning", "channels", None), ("error", "duplicate", "bea/stereo.wav")}
    assert found["warning", "channels", None].message.startswith("2 of 6 recordings have several")


def test_few_recordings_are_noted(record, tmp_path):
    record("ana/1.wav")
    (tmp_path / "corpus" / "bea").mkdir()
    found = validate_corpus(read_corpus(tmp_path / "corpus"))
    assert [(p.severity, p.kind, p.path) for p in found] == [
        ("warning", "one_speaker", None),
        ("warning", "single_recording", None),
        ("warning", "skipped", None),
    ]
    assert "of one speaker, 'ana'" in found[0].message
    assert found[1].message == "1 of 1 speakers have a single recording: 'ana'"
    assert found[2].message == (
        "folders without recordings that can be read are skipped (1): 'bea'"
    )


def test_a_copy_is_laid_to_another_speaker_where_there_is_one(record):
    noise = (3000 * np.random.default_rng(1).standard_normal(4000)).astype(np.int16)
    rows = (("a1", "ana"), ("b1", "bea"), ("a2", "ana"))
    utterances = tuple(Utterance(i, record(f"{i}.wav", noise), speaker) for i, speaker in rows)
    found = validate_corpus(Corpus(utterances, source="test"))
    messages = {p.utterance: p.message for p in found if p.kind == "duplicate"}
    assert messages == {
        "b1": "it has the same audio as 'a1' of another speaker, 'ana'",
        "a2": "it has the same audio as 'b1' of another speaker, 'bea'",
    }


def test_of_two_rates_as_frequent_the_higher_is_taken_for_right(record):
    utterances = tuple(
        Utterance(str(rate), record(f"{rate}.wav", rate=rate), None) for rate in (16000, 8000)
    )
    for order in (utterances, utterances[::-1]):
        (problem,) = validate_corpus(Corpus(order, source="test"))
        assert (problem.kind, problem.path.name) == ("wrong_rate", "8000.wav")


def test_a_corpus_without_speakers(record):
    noise = 0.1 * np.random.default_rng(1).standard_normal(4000)
    paths = [record("1.wav", noise), record("2.wav", noise)]
    corpus = Corpus(tuple(Utterance(p.name, p, None) for p in paths), source="test")
    (problem,) = validate_corpus(corpus)
    assert (problem.severity, problem.kind) == ("warning", "duplicate")


def test_stretches_are_looked_at_one_by_one(record):
    sound = 0.1 * np.random.default_rng(1).standard_normal(RATE)
    path = record("1.wav", np.concatenate((sound, np.zeros(RATE), sound)))
    cuts = {
        "good": (0, 1),
        "silent": (1.1, 1.9),
        "again": (2, 3),
        "short": (0, 0.05),
        "late": (3, 9),
    }
    corpus = Corpus(
        tuple(Utterance(name, path, "ana", *cut) for name, cut in cuts.items()), source="test"
    )
    found = {(p.kind, p.utterance) for p in validate_corpus(corpus) if p.path is not None}
    assert found == {
        ("silent", "silent"),
        ("duplicate", "again"),
        ("too_short", "short"),
        ("unreadable", "late"),
    }


def test_a_missing_recording_is_one_problem_however_many_stretches_it_has(tmp_path):
    path = tmp_path / "gone.wav"
    corpus = Corpus(tuple(Utterance(str(n), path, None, n, n + 1) for n in range(5)), source="test")
    (problem,) = validate_corpus(corpus)
    assert (problem.kind, problem.utterance, problem.message) == ("missing", None, "no such file")


def test_silent_recordings_are_not_duplicates(record, problems):
    record("ana/s.wav", np.zeros(RATE))
    record("bea/s.wav", np.zeros(RATE))
    assert {kind for _, kind, _ in problems()} == {"silent"}


def test_quiet_speech_is_not_silence(record, problems):
    tone = np.sin(np.arange(RATE) / 4)
    record("ana/quiet.wav", 10 ** (-60 / 20) * tone)
    record("ana/hum.wav", 10 ** (-80 / 20) * tone)
    found = problems()
    assert set(found) == {("error", "silent", "ana/hum.wav")}
    (problem,) = found.values()
    assert (
        problem.message == "its loudest tenth of a second is at -83 dB; at least -70 dB are needed"
    )


def test_the_number_of_processes_changes_nothing(record, problems, tmp_path):
    record("ana/s.wav", np.zeros(RATE))
    record("bea/x.wav", rate=16000)
    found = tuple(problems().values())
    assert validate_corpus(read_corpus(tmp_path / "corpus"), engine=2) == found


def test_limits_can_be_set(record, problems):
    noise = np.random.default_rng(3).standard_normal(RATE)
    record("ana/short.wav", seconds=0.05)
    record("ana/loud.wav", np.clip(noise, -1, 1))
    assert problems(min_duration=0.04, max_clipped_share=0.9) == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sample_rate": 0}, "sample_rate must be a whole number >= 1, found 0"),
        ({"min_duration": -1.0}, "min_duration must be finite and >= 0, found -1"),
        ({"min_duration": float("nan")}, "min_duration must be finite and >= 0, found nan"),
        ({"max_clipped_share": 1.5}, "max_clipped_share must be .* <= 1, found 1.5"),
        ({"silence_level": 3.0}, "silence_level must be finite and <= 0, found 3"),
    ],
)
def test_impossible_options_are_refused(options, reason):
    with pytest.raises(InvalidInputError, match=reason):
        validate_corpus(Corpus((), source="test"), **options)


@pytest.mark.slow
def test_one_bad_recording_among_hundreds(record, tmp_path):
    samples = (0.1 * np.random.default_rng(0).standard_normal((300, 900))).clip(-1, 1)
    for n in range(300):
        record(f"s{n % 10}/{n:03}.wav", samples[n])
    (tmp_path / "corpus/s3/203.wav").write_bytes(b"not audio at all")
    found = validate_corpus(read_corpus(tmp_path / "corpus"))
    assert [(p.kind, p.path.name) for p in found] == [("unreadable", "203.wav")]


def test_real_speech(data_dir):
    background = data_dir / "protocols" / "dspspeech20" / "background.tsv"
    assert validate_corpus(read_corpus(background, data_dir=data_dir)) == ()


@pytest.mark.parametrize(("end", "severity"), [(1.005, None), (1.4, "warning"), (1.6, "error")])
def test_segments_that_end_beyond_their_recording(tmp_path, end, severity):
    samples = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    (tmp_path / "utt2spk").write_text("one ana\n")
    (tmp_path / "segments").write_text(f"one a 0.2 {end}\n")
    found = [p for p in validate_corpus(read_corpus(tmp_path)) if p.utterance == "one"]
    assert [p.severity for p in found] == ([] if severity is None else [severity])
    if severity == "warning":
        assert (found[0].kind, found[0].message) == (
            "beyond_end",
            "it ends at 1.4 s, but the recording lasts 1.00 s; it is cut there",
        )
