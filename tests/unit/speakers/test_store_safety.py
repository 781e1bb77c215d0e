"""What kills, crowds, full disks and damage do to a store."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.errors import ModelFormatError, SpeakerGmmError, StoreError
from speakergmm.speakers import SpeakerStore

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def filled(tmp_path, background, voices):
    """The path of a store with two speakers, closed."""
    path = tmp_path / "filled.db"
    with SpeakerStore.create(path, background) as store:
        store.enroll("ana", [voices(1, 0), voices(1, 1)])
        store.enroll("bea", [voices(2, 0)])
    return path


def _longer(path, size):
    return path.exists() and path.stat().st_size > size


def test_kills_at_random_moments_leave_the_store_whole(tmp_path, background, voices):
    path = tmp_path / "killed.db"
    SpeakerStore.create(path, background).close()
    generator = random.Random(5)
    program = Path(__file__).parent / "enrolling_forks.py"
    wavs = [str(tmp_path / f"{number}.wav") for number in range(60)]
    for wav in wavs:
        envelope = np.repeat([generator.uniform(0.01, 0.3) for _ in range(8)], 600)
        noise = np.random.default_rng(generator.randrange(10**6)).normal(size=4800)
        write_audio(wav, (envelope * noise).clip(-1, 1), 16_000)
    acknowledged = {}
    kills_while_enrolling = 0
    with subprocess.Popen(
        [sys.executable, str(program), *wavs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as parent:
        for number in range(25):
            notes = tmp_path / f"acknowledged-{number}"
            parent.stdin.write(f"{path}\t{number}\t{notes}\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            deadline = time.monotonic() + 30
            # Now and then at the very start, mostly when one call or more has come through.
            least = -1 if number % 5 == 0 else 0
            while not _longer(notes, least) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(generator.uniform(0, 0.08))
            os.kill(child, signal.SIGKILL)
            assert parent.stdout.readline() == "ended\n"
            lines = notes.read_text().splitlines()
            kills_while_enrolling += bool(lines)
            for line in lines:
                speaker, n_sessions = line.split("\t")
                acknowledged[speaker] = int(n_sessions)
            with SpeakerStore.open(path) as store:
                store.check()
                found = {speaker.name: speaker.n_sessions for speaker in store.speakers()}
                entries = store.log()
            # Each call stores two recordings, or nothing; the last call may have been killed
            # between the commit and the acknowledgement.
            assert all(n_sessions % 2 == 0 for n_sessions in found.values())
            assert all(found.get(name, 0) >= count for name, count in acknowledged.items())
            assert sum(found.values()) - sum(acknowledged.values()) <= 2 * (number + 1)
            assert 2 * len(entries) == sum(found.values())
        parent.stdin.close()
    assert kills_while_enrolling >= 15
    with SpeakerStore.open(path) as store:
        assert np.isfinite(store.identify(voices(1, 0)).ranking[0][1])


def test_writers_at_once_all_get_through(tmp_path, background, voices):
    path = tmp_path / "crowd.db"
    SpeakerStore.create(path, background).close()
    wavs = [str(voices(1, number)) for number in range(3)]
    program = """
import sys
from speakergmm.speakers import SpeakerStore
path, name, *wavs = sys.argv[1:]
with SpeakerStore.open(path) as store:
    for wav in wavs:
        store.enroll(name, wav)
        store.enroll("everybody " + name, wav)
"""
    names = [f"speaker {number}" for number in range(4)]
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), name, *wavs], env=ENVIRONMENT)
        for name in names
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    with SpeakerStore.open(path) as store:
        store.check()
        found = {speaker.name: speaker.n_sessions for speaker in store.speakers()}
        assert found == {prefix + name: 3 for name in names for prefix in ("", "everybody ")}
        assert len(store.log()) == 24
        models = [store.model(name).mixture.means for name in names]
    for model in models[1:]:
        np.testing.assert_array_equal(model, models[0])


def files_of(path):
    return {file.name: file.read_bytes() for file in path.parent.glob(path.name + "*")}


def test_removed_data_are_in_no_file(tmp_path, background, voices):
    path = tmp_path / "erased.db"
    secret = "Zanzibarina Quux"
    recording = tmp_path / "zanzibarina-tape.wav"
    shutil.copy(voices(3, 0), recording)
    with SpeakerStore.create(path, background) as store:
        store.enroll("ana", voices(1, 0))
        store.enroll(secret, [recording, voices(3, 1)])
        for voice in range(4, 12):
            store.enroll(f"speaker {voice}", [voices(voice, n) for n in range(2)])
        rows = store._connection.execute(
            "SELECT statistics, audio_sha256 FROM sessions JOIN speakers ON speakers.id ="
            " speaker_id WHERE name = ?",
            (secret,),
        ).fetchall()
        needles = [secret.encode(), b"zanzibarina-tape"]
        for blob, digest in rows:
            # 24 bytes from the middle of her statistics, at many places.
            needles += [blob[place : place + 24] for place in range(0, len(blob) - 24, 997)]
            needles.append(digest.encode())
        needles = [needle for needle in needles if len(set(needle)) > 8 or needle.isascii()]
        before = b"".join(files_of(path).values())
        assert all(needle in before for needle in needles)
        assert len(needles) > 10
        store.remove(secret)
        for name, content in files_of(path).items():
            assert not any(needle in content for needle in needles), name
        store.check()
    for name, content in files_of(path).items():
        assert not any(needle in content for needle in needles), name
    with SpeakerStore.open(path) as store:
        assert len(store.speakers()) == 9


def test_a_reader_delays_erasure_until_the_store_is_opened_again(filled, voices):
    # A name that no hexadecimal digest can hold by chance.
    secret = "Zanzibarina"
    with SpeakerStore.open(filled) as store:
        store.enroll(secret, voices(3, 0))
    reader = sqlite3.connect(filled)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM speakers").fetchone()
    with (
        SpeakerStore.open(filled, busy_timeout=0.1) as store,
        pytest.raises(StoreError, match="deleted bytes are still on disk"),
    ):
        store.remove(secret)
    assert secret.encode() in b"".join(files_of(filled).values())
    reader.rollback()
    reader.close()
    with SpeakerStore.open(filled) as store:
        assert [speaker.name for speaker in store.speakers()] == ["ana", "bea"]
    assert secret.encode() not in b"".join(files_of(filled).values())


def test_a_locked_store_says_so(filled, voices):
    other = sqlite3.connect(filled, isolation_level=None)
    with SpeakerStore.open(filled, busy_timeout=0.05) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked; try again"):
            store.enroll("ana", voices(1, 5))
        # Reading goes on meanwhile.
        assert store.verify("ana", voices(1, 5)).n_frames > 0
        other.execute("ROLLBACK")
        store.enroll("ana", voices(1, 5))
    other.close()


def test_a_killed_creation_leaves_nothing_and_a_failed_one_neither(
    tmp_path, background, monkeypatch
):
    from speakergmm.speakers import database

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database.os, "link", fail)
    monkeypatch.setattr(database.Path, "rename", fail)
    with pytest.raises(StoreError, match="can't be made"):
        SpeakerStore.create(tmp_path / "x.db", background)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_a_store_one_is_refused(tmp_path, background, monkeypatch):
    from speakergmm.speakers import database

    whole = database._put_in_place

    def late(temporary, path):
        monkeypatch.setattr(database, "_put_in_place", whole)
        SpeakerStore.create(path, background).close()
        whole(temporary, path)

    monkeypatch.setattr(database, "_put_in_place", late)
    with pytest.raises(StoreError, match="another program"):
        SpeakerStore.create(tmp_path / "x.db", background)
    SpeakerStore.open(tmp_path / "x.db").close()


def test_file_systems_without_links_hold_stores_too(tmp_path, background, monkeypatch):
    from speakergmm.speakers import database

    def no_links(*_):
        raise PermissionError

    monkeypatch.setattr(database.os, "link", no_links)
    SpeakerStore.create(tmp_path / "x.db", background).close()
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]


@contextlib.contextmanager
def mounted(folder, options):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        done = False
    if not done:
        pytest.skip("no right to mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stores_nothing_and_loses_nothing(tmp_path, filled, voices):
    with mounted(tmp_path / "disk", "size=300k") as disk:
        path = disk / "voices.db"
        shutil.copy(filled, path)
        with SpeakerStore.open(path) as store:
            before, model = store.info(), store.model("ana").mixture.means
            with pytest.raises(StoreError, match="disk") as caught:
                store.enroll("ana", [voices(1, number) for number in range(10, 60)])
            assert "\n" not in str(caught.value)
        with SpeakerStore.open(path) as store:
            store.check()
            assert store.info() == before
            np.testing.assert_array_equal(store.model("ana").mixture.means, model)


def test_no_store_is_made_on_a_full_disk(tmp_path, background):
    with mounted(tmp_path / "disk", "size=16k") as disk:
        with pytest.raises(StoreError, match="disk"):
            SpeakerStore.create(disk / "voices.db", background)
        assert list(disk.iterdir()) == []


def test_read_only_media_are_named(tmp_path, filled):
    with mounted(tmp_path / "disk", "size=2m") as disk:
        shutil.copy(filled, disk / "voices.db")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StoreError, match="writable") as caught:
            SpeakerStore.open(disk / "voices.db")
        assert "\n" not in str(caught.value)


def test_a_limit_on_file_sizes_stores_nothing(filled, voices):
    program = """
import sys
from speakergmm.errors import SpeakerGmmError
from speakergmm.speakers import SpeakerStore
with SpeakerStore.open(sys.argv[1]) as store:
    try:
        store.enroll("ana", sys.argv[2:])
    except SpeakerGmmError as error:
        print(error)
"""
    wavs = [str(voices(1, number)) for number in range(10, 40)]

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", program, str(filled), *wavs],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    )
    assert "filled.db" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    with SpeakerStore.open(filled) as store:
        store.check()
        assert [(s.name, s.n_sessions) for s in store.speakers()] == [("ana", 2), ("bea", 1)]


def foreign(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.commit()


def newer(path, filled):
    shutil.copy(filled, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def truncated(path, filled):
    path.write_bytes(filled.read_bytes()[:5000])


def without_table(path, filled):
    shutil.copy(filled, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE sessions")
        connection.commit()


def without_settings(path, filled):
    shutil.copy(filled, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'settings'")
        connection.commit()


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda path, filled: None, StoreError, "no such store"),
        (lambda path, filled: path.mkdir(), StoreError, "folder"),
        (lambda path, filled: path.write_text("text"), ModelFormatError, "it is text"),
        (lambda path, filled: path.write_bytes(b""), ModelFormatError, "empty"),
        (lambda path, filled: path.write_bytes(b"RIFF...."), ModelFormatError, "WAV"),
        (lambda path, filled: foreign(path), ModelFormatError, "not a speaker store"),
        (newer, ModelFormatError, "version 2"),
        (truncated, ModelFormatError, "damaged"),
        (without_table, ModelFormatError, "damaged"),
        (without_settings, ModelFormatError, "settings"),
    ],
)
def test_what_is_no_whole_store_is_refused(tmp_path, filled, make, kind, words):
    path = tmp_path / "other.db"
    make(path, filled)

    def use():
        with SpeakerStore.open(path) as store:
            store.speakers()

    with pytest.raises(kind, match=words) as caught:
        use()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_swapped_statistics_are_noticed(filled):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("UPDATE sessions SET speaker_id = 2 WHERE id = 2")
        connection.commit()
    with SpeakerStore.open(filled) as store, pytest.raises(ModelFormatError, match="elsewhere"):
        store.model("bea")


def test_a_swapped_background_or_setting_is_noticed(filled, other_background):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        before = dict(connection.execute("SELECT key, value FROM meta"))
        for key, value, words in (
            ("background", other_background.to_bytes(), "match its digest"),
            ("settings", before["settings"].replace("3.0", "90.0"), "own hash"),
            ("background", "text", "no blob"),
        ):
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
            connection.commit()
            with pytest.raises(ModelFormatError, match=words):
                SpeakerStore.open(filled)
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (before[key], key))
            connection.commit()
    SpeakerStore.open(filled).close()


@pytest.mark.parametrize("seed", range(3))
def test_damaged_bytes_never_give_another_error_or_another_model(filled, voices, tmp_path, seed):
    with SpeakerStore.open(filled) as store:
        expected = {name: store.model(name).mixture.means for name in ("ana", "bea")}
        wanted = store.info()["n_sessions"]
    content = filled.read_bytes()
    rng = np.random.default_rng(seed)
    path = tmp_path / "damaged.db"
    # Half of the flips hit the first pages, where headers and the schema are.
    places = [*rng.integers(0, 4096, 25), *rng.integers(0, len(content), 25)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            with SpeakerStore.open(path) as store:
                store.check()
                for name, means in expected.items():
                    np.testing.assert_array_equal(store.model(name).mixture.means, means)
                store.identify(voices(1, 5))
                assert store.info()["n_sessions"] == wanted
        except SpeakerGmmError as error:
            assert "\n" not in str(error)  # noqa: PT017
        for file in tmp_path.glob("damaged.db*"):
            file.unlink()
