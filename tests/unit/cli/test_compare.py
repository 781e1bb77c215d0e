"""``speakergmm compare``, and the model that ships where none is given."""

import pytest

from speakergmm.speakers import SHIPPED_SYSTEM, SpeakerStore, describe_shipped, shipped_system


@pytest.fixture
def pair(world):
    one, other = sorted(world.protocol.split("eval").enrolment)[:2]
    return world.test(one), world.enrolment(one)[0], world.test(other)


def test_a_ratio_is_printed_and_the_model_named(speakergmm, pair):
    done = speakergmm("compare", *pair[:2])
    assert done.code == 0, done.err
    assert done.out.startswith("LLR ")
    assert "support for" in done.out
    assert describe_shipped(shipped_system()) in " ".join(done.err.split())


def test_one_voice_has_a_higher_ratio_than_two(speakergmm, pair):
    same = speakergmm("compare", *pair[:2], "--json").json
    different = speakergmm("compare", pair[0], pair[2], "--json").json
    assert same["llr"] > different["llr"]
    assert same["decision"] is None
    assert same["model"]["shipped"] is True
    assert same["model"]["digest"] == shipped_system().digest
    assert same["model"]["measured"] == shipped_system().provenance["measured"]
    assert same["recordings"] == [str(path) for path in pair[:2]]


def test_a_decision_has_the_exit_codes_of_grep(speakergmm, pair):
    for threshold, word, code in ((-50, "yes", 0), (50, "no", 1)):
        done = speakergmm("compare", *pair[:2], "--threshold", threshold, "--force")
        assert done.code == code, done.err
        assert f"\n{word} (threshold" in done.out


def test_a_model_of_ones_own_is_used_without_the_note(speakergmm, pair, world):
    done = speakergmm("compare", *pair[:2], "--ubm", world.ubm)
    assert done.code == 0
    assert "not calibrated" in done.err
    assert "ships" not in done.err


def test_bad_recordings_are_refused_in_one_line(speakergmm, pair, tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    for arguments, reason in (
        ((pair[0], pair[0]), "the same audio"),
        ((pair[0], tmp_path / "none.wav"), "none.wav"),
        ((pair[0], tmp_path / "text.wav"), "text.wav"),
    ):
        done = speakergmm("compare", *arguments)
        assert done.code == 2
        assert done.out == ""
        assert reason in done.err
        assert len(done.err.strip().splitlines()) == 1


def test_two_recordings_are_needed(speakergmm, pair):
    assert speakergmm("compare", pair[0]).code == 2
    assert speakergmm("compare", *pair).code == 2


def test_a_new_store_needs_no_model(speakergmm, pair, tmp_path):
    store = tmp_path / "voices.db"
    done = speakergmm("enroll", store, "ana", pair[1])
    assert done.code == 0, done.err
    assert "ships with speakergmm" in done.err
    with SpeakerStore.open(store) as opened:
        assert opened.system.digest == shipped_system().digest
        assert opened.system.calibration is not None
    assert speakergmm("verify", store, "ana", pair[0]).out.startswith("LLR ")
    again = speakergmm("enroll", store, "ana", pair[0])
    assert again.code == 0
    assert "ships" not in again.err


@pytest.mark.slow
def test_it_works_in_an_empty_folder_and_a_process_of_its_own(speakergmm_process, pair, tmp_path):
    done = speakergmm_process("compare", *pair[:2], cwd=tmp_path)
    assert done.code == 0, done.err
    assert not list(tmp_path.iterdir())
    assert SHIPPED_SYSTEM not in done.out
