"""The recipe of mixtures runs on a little synthetic speech and says what it should."""

import dataclasses
import re
import sys

import numpy as np
import pytest

from speakergmm.corpora import make_synthetic_corpus

MODULES = ("settings", "speech", "fitting", "dirichlet", "anomalies", "figures", "page", "sections")


@pytest.fixture(scope="module")
def recipe(imported):
    with imported("mixtures", MODULES) as module:
        modules = {name: sys.modules[name] for name in MODULES}
        yield module, modules


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    return make_synthetic_corpus(
        tmp_path_factory.mktemp("corpus"),
        n_background=4,
        n_dev=2,
        n_eval=3,
        n_background_utterances=2,
        n_enrolment_utterances=2,
        n_trial_utterances=1,
    )


@pytest.fixture(scope="module")
def settings(recipe):
    return recipe[0].Settings(
        n_frames=600,
        n_flat_frames=300,
        n_drawn_components=3,
        kinds_path=(1, 2),
        path=(1, 2),
        n_folds=2,
        n_gibbs_frames=120,
        n_planted=3,
        n_most=6,
        concentrations=(1e-2, 1.0),
        n_sweeps=60,
        n_em_components=4,
        n_restarts=1,
        n_limit_components=4,
        deviations=(1.0, 0.1, 0.003),
        detector_path=(1, 2),
        n_training_frames=600,
        n_noises=2,
        noise_levels=(-10.0, -30.0),
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_all_pictures_are_on_one_page(recipe, settings, protocol, tmp_path):
    run, _ = recipe
    settings = dataclasses.replace(settings, n_sweeps=24)
    found = run.examine(protocol, settings, jobs=1)
    about = run.describe(protocol, "<synthetic>", settings, 1.0)
    run.write_results(tmp_path, found, title="Mixtures", about=about)
    names = ["kinds", "selection", "dirichlet", "convergence", "kmeans", "anomalies"]
    assert [section.name for section in found] == names
    page = (tmp_path / "mixtures.html").read_text()
    assert len(re.findall(r'<img src="data:image/png;base64,iVBOR[\w+/=]{1000,}"', page)) == 6
    assert re.search(r'(src|href)="(?!data:|#)', page) is None
    assert "&lt;synthetic&gt;" in page
    assert "4 background speakers, 2 dev speakers, 3 eval speakers" in page
    text = (tmp_path / "results.md").read_text()
    for section in found:
        assert (tmp_path / f"{section.name}.png").read_bytes().startswith(b"\x89PNG")
        assert section.table() in text
        assert all(len(row) == len(section.header) for row in section.rows)
    assert re.search(r"cepstra: K = [12] \(dev", text)
    rates = {(row[0], row[1]): float(row[4]) for row in found[-1].rows}
    by_level = {kind: rate for (name, kind), rate in rates.items() if name == "cepstra and level"}
    assert len(rates) == 2 * len(by_level)
    # What is 30 dB softer than speech is no loud speech.
    assert by_level["noise at -30 dB"] > 90
    assert by_level["pauses"] > 50 > by_level["loud speech"]
    # At the end of the limit all labels are those of k-means, at its start they are not.
    agreement = [float(row[1]) for row in found[4].rows]
    assert agreement[-1] == 100 > agreement[0]
    falls = [float(row[-1]) for row in found[3].rows]
    assert max(falls) < 1e-9


@pytest.mark.slow
def test_planted_clusters_are_found(recipe, settings):
    _, modules = recipe
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(300, 2)) * [30.0, 10.0]
    planted = modules["dirichlet"].plant(frames, settings)
    found = modules["dirichlet"].find_clusters(planted, settings, jobs=1)
    assert set(found.n_used.values()) == {3}
    weights = np.sort(found.gibbs.mixture_.weights)[::-1]
    assert weights[:3].sum() > 0.95
    assert weights[2] > 0.15


def test_groups_share_no_speaker_and_classes_no_frame(recipe, settings, protocol):
    _, modules = recipe
    groups = {
        name: modules["speech"].read_group(protocol, name, settings.features())
        for name in ("background", "dev", "eval")
    }
    names = [set(group.speakers) for group in groups.values()]
    assert sum(map(len, names)) == len(set.union(*names)) == 9
    for group in groups.values():
        assert not (group.is_speech & group.is_pause).any()
        assert group.is_speech.any()
        drawn = group.speech.draw(100, 0)
        counts = np.unique(drawn.speakers, return_counts=True)[1]
        assert counts.max() - counts.min() <= 0 or counts.min() < 100 / len(counts)
        # Far from speech is far: no frame of speech of the same recording stands within 80 ms.
        for at in np.flatnonzero(group.is_pause)[::7]:
            near = slice(max(0, at - 8), at + 9)
            same = group.recordings[near] == group.recordings[at]
            assert not group.is_speech[near][same].any()


@pytest.mark.slow
def test_features_are_compared_on_dev_alone(recipe, settings, protocol, capsys):
    run, _ = recipe
    run.choose_anomalies(
        dataclasses.replace(protocol, splits={"dev": protocol.split("dev")}), settings
    )
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    found = {(row[0], row[1]): float(row[3]) for row in rows}
    assert len(found) == 8
    assert found["cepstra and level", "-13"] > 50 > found["cepstra", "-13"]


def test_rates_and_their_intervals(recipe):
    _, modules = recipe
    flagged = np.repeat([True, False, False, False], 25)
    rate = modules["anomalies"].measure(flagged, np.repeat(list("abcd"), 25), seed=0)
    assert (rate.n_frames, rate.n_sources, rate.rate) == (100, 4, 0.25)
    # One speaker of four has all the alarms: between none and three of four draws.
    assert (rate.low, rate.high) == (0.0, 0.75)


def test_one_source_of_speech_is_asked_for(recipe, tmp_path):
    from typer.testing import CliRunner

    run, _ = recipe
    found = CliRunner().invoke(run.app, ["--output", str(tmp_path)])
    assert found.exit_code == 2
    assert "--data DIR or --synthetic FOLDER" in found.output
