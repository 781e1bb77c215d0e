"""The configuration record."""

import json
import warnings

import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureConfig, FeatureExtractor


@pytest.mark.parametrize("name", ["speaker", "speaker-same-session", "kaldi", "htk", "librosa"])
def test_presets_survive_json(name):
    config = FeatureConfig.preset(name)
    copy = FeatureConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert copy == config
    assert copy.digest == config.digest
    assert FeatureConfig.load(name) == config


def test_digest_follows_the_numbers_and_not_the_name():
    config = FeatureConfig.preset("speaker")
    assert config.replace(name="other").digest == config.digest
    assert config.replace(low_frequency=20).digest == config.digest
    changed = {
        "n_filters": 27,
        "vad_hangover": 0.1,
        "normalisation": "mean",
        "rasta": True,
        "n_fft": 512,
    }
    digests = {config.replace(**{name: value}).digest for name, value in changed.items()}
    assert len(digests | {config.digest}) == 6


def test_digests_in_files_are_what_they_were():
    """Fields that came later change the digest only where they change numbers."""
    config = FeatureConfig.preset("speaker-same-session")
    assert config.digest == "6263e22cbb8bcccde490771226394b01c46f3b5d4d26d3b6bbb35f0e92aadf7f"
    assert config.replace(frequency_warp=1.1).digest != config.digest
    with pytest.raises(InvalidInputError, match=r"frequency_warp must be finite, >= 0.5 and <= 2"):
        config.replace(frequency_warp=0.1)


def test_configurations_are_read_from_files(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('preset = "kaldi"\ndeltas = 1\nlow_frequency = 100\n')
    config = FeatureConfig.load(path)
    assert (config.name, config.deltas, config.low_frequency) == ("mine", 1, 100.0)
    assert config.window == "povey"
    other = tmp_path / "mine.json"
    other.write_text(json.dumps(config.to_dict()))
    assert FeatureConfig.load(str(other)) == config
    assert FeatureExtractor(str(other)).config == config
    bare = tmp_path / "bare.toml"
    bare.write_text("n_ceps = 5\n")
    with pytest.warns(UserWarning, match='preset = "speaker"'):
        assert FeatureConfig.load(bare) == FeatureConfig(name="bare", n_ceps=5)
    complete = tmp_path / "complete.json"
    complete.write_text(json.dumps(FeatureConfig().to_dict()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FeatureConfig.load(complete)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("--num-ceps=20", "give 'n_ceps'"),
        ("--sample-frequency=8000", "give 'sample_rate'"),
        ("n_cepstra = 5", "'n_cepstra' is not a field .*; did you mean 'n_ceps'"),
        ("xyzzy = 5", "'xyzzy' is not a field .* the fields are name, kind"),
        ('preset = "htk3"', "preset must be one of speaker, .*, found 'htk3'"),
        ('n_ceps = "5"', "n_ceps must be a whole number in 0..999, found '5'"),
        ("n_ceps = ", "bad.toml: is not valid TOML"),
        ("preset = 3", "bad.toml: preset must be one of .*, found 3"),
        ("self = 1", "bad.toml: 'self' is not a field"),
        ("cls = 1", "bad.toml: 'cls' is not a field"),
    ],
)
def test_wrong_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match=message) as caught:
        FeatureConfig.load(path)
    assert "\n" not in str(caught.value)
    assert "bad.toml" in str(caught.value)


def test_files_that_hold_no_table_are_refused(tmp_path):
    path = tmp_path / "list.json"
    path.write_text("[1, 2]")
    with pytest.raises(InvalidInputError, match=r"list.json: must hold a table of fields, not li"):
        FeatureConfig.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="byte 0xff is not UTF-8"):
        FeatureConfig.load(path)


@pytest.mark.parametrize("name", ["speakr", "no/such.toml", "a\0b"])
def test_neither_preset_nor_file_is_refused(name):
    with pytest.raises(InvalidInputError, match=r"must be a preset|cannot be read") as error:
        FeatureConfig.load(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "plp"}, "kind must be one of mfcc, lfcc, found 'plp'"),
        ({"sample_rate": 16000.5}, "sample_rate must be a whole number .*, found 16000.5"),
        ({"sample_rate": True}, "sample_rate must be a whole number .*, found True"),
        ({"sample_rate": 0}, "sample_rate must be .* in 100..1000000, found 0"),
        ({"pre_emphasis": float("nan")}, "pre_emphasis must be finite, >= 0 and <= 1, found nan"),
        ({"remove_dc": 1}, "remove_dc must be true or false, found 1"),
        ({"deltas": 3}, "deltas must be a whole number in 0..2, found 3"),
        ({"frame_shift": 0.03}, "frame_shift, 0.03 s in samples, must be .* in 2..400, found 480"),
        ({"frame_shift": 5e-5}, "frame_shift, 5e-05 s in samples, must be .* in 2..400, found 1"),
        ({"n_fft": 256}, "n_fft, for frames of 400 samples, must be .* >= 400, found 256"),
        (
            {"high_frequency": 9000.0},
            "high_frequency, at 16000 Hz, must be .* > 20 and <= 8000, found 9000",
        ),
        (
            {"low_frequency": 5000.0, "high_frequency": 5000.0},
            "must be finite, > 5000 and <= 8000, found 5000",
        ),
        ({"n_ceps": 26}, "n_ceps, with 26 filters .* must be .* in 0..25, found 26"),
        (
            {"n_ceps": 0, "energy": "none"},
            "n_ceps, with .* energy 'none', must be .* in 1..25, found 0",
        ),
        ({"normalisation": None}, "normalisation must be one of none, mean"),
        ({"pre_emphasis": 10**400}, "pre_emphasis must be finite, .* found 10{79}"),
        (
            {"n_ceps": 10**5000},
            "n_ceps must be .* found a value of type int that is too long to show",
        ),
        ({"vad_proportion": "half"}, "vad_proportion must be finite, >= 0 and <= 1, found 'half'"),
    ],
)
def test_values_outside_what_is_allowed_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        FeatureConfig().replace(**changes)


def test_unknown_fields_are_refused_by_name():
    with pytest.raises(InvalidInputError, match="'ncep' is not a field"):
        FeatureConfig().replace(ncep=3)
    for name in ("ncep", "self", "cls", 3):
        with pytest.raises(InvalidInputError, match=f"'{name}' is not a field"):
            FeatureConfig.from_dict({name: 3})
    with pytest.raises(InvalidInputError, match=r"preset must be one of .*, found 'x'"):
        FeatureConfig.preset("x")


def test_lengths_in_samples():
    config = FeatureConfig.preset("librosa")
    assert (config.frame_samples, config.shift_samples, config.fft_points) == (2048, 512, 2048)
    assert FeatureConfig(sample_rate=8000).fft_points == 256
    assert FeatureConfig(frame_length=0.032).fft_points == 512
    assert FeatureConfig().top_frequency == 8000.0
