"""Stores under kills, concurrent writers, full disks and damage."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.errors import (
    ModelFormatError,
    StoreError,
    UnknownSpeakerError,
)
from speakergmm.records import pack
from speakergmm.speakers import (
    SpeakerStore,
    SpeakerSystem,
    collect_sessions,
    enroll_into,
    is_store,
)

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


@pytest.mark.faults
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
        for number in range(15):
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
    assert kills_while_enrolling >= 9
    with SpeakerStore.open(path) as store:
        assert np.isfinite(store.identify(voices(1, 0)).ranking[0][1])


@pytest.mark.slow
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


@pytest.mark.slow
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
        with contextlib.closing(sqlite3.connect(path)) as other:
            rows = other.execute(
                "SELECT statistics.packed, audio_sha256 FROM sessions JOIN speakers ON speakers.id"
                " = speaker_id JOIN statistics ON statistics.id = sessions.id WHERE name = ?"
                " UNION ALL SELECT packed, name FROM models JOIN speakers USING (id)"
                " WHERE name = ?",
                (secret, secret),
            ).fetchall()
        needles = [secret.encode(), b"zanzibarina-tape"]
        for blob, digest in rows:
            # 24 bytes from the middle of the statistics and the model, at many places.
            parts = [blob[place : place + 24] for place in range(5000, len(blob) - 24, 197)]
            needles += [part for part in parts if len(set(part)) > 12]
            needles.append(digest.encode())
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


@pytest.mark.slow
def test_rows_that_moved_leave_no_copies_behind(tmp_path, background, voices):
    # SQLite zeroes what it deletes, but not what it left where a row was before it moved: with
    # these names and in this order two removed ones would still be found.
    path, wav = tmp_path / "many.db", voices(1, 0)
    (session,) = collect_sessions(background, [wav])
    generator = random.Random(0)
    alive, gone = set(), set()
    with SpeakerStore.create(path, background) as store:
        for _ in range(220):
            if alive and generator.random() < 0.33:
                name = generator.choice(sorted(alive))
                store.remove(name)
                alive.discard(name)
                gone.add(name)
                continue
            name = (
                f"Zanzibarina {generator.randrange(10**6):06d} {'q' * generator.randrange(1, 180)}"
            )
            audio = f"{generator.randrange(16**64):064x}"
            named = replace(session, audio_sha256=audio, path=Path(f"{name[:18]}.wav"))
            store.enroll_collected(name, [named])
            alive.add(name)
        store.check()
    content = path.read_bytes()
    assert all(name[:18].encode() in content for name in alive)
    assert not any(name[:18].encode() in content for name in gone)
    assert len(gone) > 60


def start_reading(path):
    """Another program that reads an old state until it is told to end."""
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM speakers").fetchone()
    return reader


@pytest.mark.slow
def test_a_reader_delays_erasure_until_it_has_gone(filled, voices):
    # A name that no hexadecimal digest can hold by chance.
    secret = "Zanzibarina"
    with SpeakerStore.open(filled) as store:
        store.enroll(secret, voices(3, 0))
    reader = start_reading(filled)
    with (
        SpeakerStore.open(filled, busy_timeout=0.1) as store,
        pytest.raises(
            StoreError, match=r"is removed, but another program.*bytes are still on disk"
        ),
    ):
        store.remove(secret)
    size = sum(map(len, files_of(filled).values()))
    assert secret.encode() in b"".join(files_of(filled).values())
    # Meanwhile reading waits for nothing and rewrites nothing.
    for _ in range(5):
        with SpeakerStore.open(filled, busy_timeout=30) as store:
            start = time.monotonic()
            assert [speaker.name for speaker in store.speakers()] == ["ana", "bea"]
            store.verify("ana", voices(1, 5))
        assert time.monotonic() - start < 5
    assert sum(map(len, files_of(filled).values())) == size
    reader.rollback()
    reader.close()
    assert secret.encode() not in b"".join(files_of(filled).values())
    assert list(files_of(filled)) == ["filled.db"]


def test_the_next_change_erases_what_had_to_wait(filled, voices):
    reader = start_reading(filled)
    with SpeakerStore.open(filled, busy_timeout=0.1) as store:
        store.enroll("Zanzibarina", voices(3, 0))
        with pytest.raises(StoreError, match="bytes are still on disk"):
            store.remove("Zanzibarina")
        with pytest.raises(UnknownSpeakerError):
            store.remove("Zanzibarina")
        # The reader goes on to a newer state, and keeps the store open.
        reader.execute("ROLLBACK")
        store.enroll("ana", voices(1, 5))
        assert b"Zanzibarina" not in b"".join(files_of(filled).values())
        assert files_of(filled)["filled.db-wal"] == b""
    reader.close()


def test_a_program_that_only_reads_empties_the_log_when_it_goes(filled, voices):
    with SpeakerStore.open(filled) as store:
        store.enroll("Zanzibarina", voices(3, 0))
    with SpeakerStore.open(filled) as watching, watching._file.reading() as connection:
        connection.execute("SELECT COUNT(*) FROM speakers").fetchone()
        with (
            SpeakerStore.open(filled, busy_timeout=0.1) as store,
            pytest.raises(StoreError, match="still on disk"),
        ):
            store.remove("Zanzibarina")
    assert list(files_of(filled)) == ["filled.db"]
    assert b"Zanzibarina" not in filled.read_bytes()


def test_the_log_does_not_grow_with_the_number_of_changes(filled, voices):
    with SpeakerStore.open(filled) as store:
        for number in range(6):
            store.enroll("ana", voices(1, 20 + number))
            assert files_of(filled)["filled.db-wal"] == b""
        with SpeakerStore.open(filled) as other:
            other.speakers()
            store.remove("ana")
            assert files_of(filled)["filled.db-wal"] == b""


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_writer_that_is_stuck_does_not_delay_readers(filled, voices, lock):
    writer = sqlite3.connect(filled, isolation_level=None)
    writer.execute(f"BEGIN {lock}")
    start = time.monotonic()
    with SpeakerStore.open(filled, busy_timeout=30) as store:
        assert len(store.speakers()) == 2
        assert store.identify(voices(1, 5)).n_speakers == 2
        assert store.info()["n_sessions"] == 3
    assert time.monotonic() - start < 10
    writer.close()


def test_a_locked_store_says_so(filled, voices):
    other = sqlite3.connect(filled, isolation_level=None)
    with SpeakerStore.open(filled, busy_timeout=0.05) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.enroll("ana", voices(1, 5))
        # Reading goes on meanwhile.
        assert store.verify("ana", voices(1, 5)).n_frames > 0
        other.execute("ROLLBACK")
        store.enroll("ana", voices(1, 5))
    other.close()


def test_a_killed_creation_leaves_nothing_and_a_failed_one_neither(
    tmp_path, background, monkeypatch
):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StoreError, match="cannot be made"):
        SpeakerStore.create(tmp_path / "x.db", background)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_a_store_one_is_refused(tmp_path, background, monkeypatch):
    # The step at which another program may be faster has no public name.
    step = "speakergmm.speakers.database._put_in_place"
    whole = resolve_name(step)

    def late(temporary, path):
        monkeypatch.setattr(step, whole)
        SpeakerStore.create(path, background).close()
        whole(temporary, path)

    monkeypatch.setattr(step, late)
    with pytest.raises(StoreError, match="another program"):
        SpeakerStore.create(tmp_path / "x.db", background)
    SpeakerStore.open(tmp_path / "x.db").close()


def test_only_its_owner_reads_a_store(tmp_path, background, voices):
    path = tmp_path / "voices.db"
    before = os.umask(0)
    try:
        seen = set()
        with SpeakerStore.create(path, background) as store:
            store.enroll("ana", voices(1, 0))
            seen.update(file.name for file in tmp_path.iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        enroll_into(tmp_path / "new.db", "ana", voices(1, 0), background=background)
        modes["new.db"] = stat.S_IMODE((tmp_path / "new.db").stat().st_mode)
    finally:
        os.umask(before)
    assert seen >= {"voices.db", "voices.db-wal", "voices.db-shm"}
    assert set(modes.values()) == {0o600}


@pytest.mark.slow
def test_a_creation_that_is_killed_leaves_no_store_and_is_in_nobodys_way(
    tmp_path, background, voices
):
    background.save(tmp_path / "ubm")
    program = """
import os, signal, sys
from speakergmm.speakers import BackgroundModel, database, enroll_into
path, ubm, wav, when = sys.argv[1:]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if when == "linking":
    database.os.link = die
else:
    database.Ledger.write = die
enroll_into(path, "Zanzibarina", wav, background=BackgroundModel.load(ubm))
"""
    for when in ("filling", "linking"):
        folder = tmp_path / when
        folder.mkdir()
        path = folder / "voices.db"
        arguments = [str(path), str(tmp_path / "ubm"), str(voices(1, 0)), when]
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], env=ENVIRONMENT, check=False, umask=0
        )
        assert done.returncode == -signal.SIGKILL
        left = list(folder.iterdir())
        assert [file.suffix for file in left] == [".tmp"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
        assert not is_store(left[0])
        with pytest.raises(ModelFormatError, match="not a speaker store"):
            SpeakerStore.open(left[0])
        with pytest.raises(StoreError, match="no such store"):
            SpeakerStore.open(path)
        enroll_into(path, "ana", voices(1, 1), background=background)
        # Whoever makes a store of that name next also tidies up.
        assert [file.name for file in folder.iterdir()] == ["voices.db"]
        with SpeakerStore.open(path) as store:
            assert [speaker.name for speaker in store.speakers()] == ["ana"]
    with pytest.raises(StoreError, match="give another"):
        SpeakerStore.create(left[0].with_name(".x.db.0123456789ab.tmp"), background)


def test_file_systems_without_links_hold_stores_too(tmp_path, background, monkeypatch):
    def no_links(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
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


@pytest.mark.slow
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


def test_read_only_media_are_read(tmp_path, filled, voices):
    with mounted(tmp_path / "disk", "size=2m") as disk:
        shutil.copy(filled, disk / "voices.db")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with SpeakerStore.open(disk / "voices.db") as store, SpeakerStore.open(filled) as same:
            assert store.speakers() == same.speakers()
            assert store.identify(voices(1, 5)) == same.identify(voices(1, 5))
            for change in (lambda: store.enroll("ana", voices(1, 5)), lambda: store.remove("ana")):
                with pytest.raises(StoreError, match="writable") as caught:
                    change()
                assert "\n" not in str(caught.value)
        assert [file.name for file in disk.iterdir()] == ["voices.db"]


def test_read_only_media_with_changes_that_wait_are_named(tmp_path, filled, voices):
    with mounted(tmp_path / "disk", "size=2m") as disk:
        reader = start_reading(filled)
        with SpeakerStore.open(filled) as store:
            store.enroll("cid", voices(3, 0))
            for suffix in ("", "-wal"):
                shutil.copy(f"{filled}{suffix}", disk / f"voices.db{suffix}")
        reader.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StoreError, match=r"changes wait in voices\.db-wal; open it once where"):
            SpeakerStore.open(disk / "voices.db")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with SpeakerStore.open(disk / "voices.db") as store:
            assert len(store.speakers()) == 3
        assert [file.name for file in disk.iterdir()] == ["voices.db"]


def test_what_is_read_without_locks_and_changes_meanwhile_is_read_anew(tmp_path, filled, voices):
    with mounted(tmp_path / "disk", "size=2m") as disk:
        path = disk / "voices.db"
        shutil.copy(filled, path)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with SpeakerStore.open(path) as store:
            assert len(store.speakers()) == 2
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            with SpeakerStore.open(path) as other:
                other.enroll("cid", voices(3, 0))
            assert len(store.speakers()) == 3
            assert store.identify(voices(3, 1)).speaker == "cid"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("writable", [True, False])
def test_a_folder_that_cannot_be_written_is_read(tmp_path, filled, writable):
    # Somebody else's folder: what the file's own permissions allow doesn't matter.
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "voices.db"
    shutil.copy(filled, path)
    path.chmod(0o666 if writable else 0o444)
    folder.chmod(0o555)
    for parent in folder.parents[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setuid(65534)
            with SpeakerStore.open(path) as store:
                found = [speaker.name for speaker in store.speakers()]
                with contextlib.suppress(StoreError):
                    store.remove("ana")
                    found = []
                code = found != ["ana", "bea"]
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [file.name for file in folder.iterdir()] == ["voices.db"]


def fill_up(disk):
    """Fill the disk with a file."""
    with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))


@pytest.fixture
def with_a_secret(tmp_path, background, voices):
    """A store with a speaker whose name no hexadecimal digest can hold by chance."""
    path = tmp_path / "secret.db"
    with SpeakerStore.create(path, background) as store:
        store.enroll("ana", [voices(1, 0), voices(1, 1)])
        store.enroll("Zanzibarina", [voices(2, 0)])
    return path


def test_removal_on_a_full_disk_says_what_happened(tmp_path, with_a_secret, voices):
    with mounted(tmp_path / "disk", "size=600k") as disk:
        path = disk / "voices.db"
        shutil.copy(with_a_secret, path)
        fill_up(disk)
        for _ in range(2):
            with SpeakerStore.open(path) as store:
                assert [speaker.name for speaker in store.speakers()] == ["Zanzibarina", "ana"]
                assert store.verify("Zanzibarina", voices(2, 5)).n_frames > 0
                with pytest.raises(StoreError) as caught:
                    store.remove("Zanzibarina")
                assert "nothing was" not in str(caught.value) or "changed" in str(caught.value)
                assert "is removed" not in str(caught.value)
        (disk / "ballast").unlink()
        with SpeakerStore.open(path) as store:
            store.remove("Zanzibarina")
            store.check()
            assert [speaker.name for speaker in store.speakers()] == ["ana"]
        assert b"Zanzibarina" not in path.read_bytes()


@pytest.mark.parametrize("room", [50, 70, 90, 110, 130, 150, 200, 300])
def test_with_little_room_a_removal_is_done_or_not_and_said_so(
    tmp_path, with_a_secret, voices, room
):
    size = with_a_secret.stat().st_size // 1024
    with mounted(tmp_path / "disk", f"size={4 * (size // 4 + room // 4)}k") as disk:
        path = disk / "voices.db"
        shutil.copy(with_a_secret, path)
        said = ""
        with SpeakerStore.open(path) as store:
            try:
                store.remove("Zanzibarina")
            except StoreError as error:
                said = str(error)
        with SpeakerStore.open(path) as store:
            names = [speaker.name for speaker in store.speakers()]
            assert store.verify("ana", voices(1, 5)).n_frames > 0
        assert names == (["Zanzibarina", "ana"] if "nothing was changed" in said else ["ana"]), said
        if names == ["ana"]:
            assert b"Zanzibarina" not in path.read_bytes()


@pytest.mark.slow
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
        connection.execute("PRAGMA user_version = 5")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def older(path, filled, version):
    whole = filled.read_bytes()
    path.write_bytes(whole[:60] + version.to_bytes(4, "big") + whole[64:])


def truncated(path, filled):
    path.write_bytes(filled.read_bytes()[:5000])


def without_table(path, filled):
    shutil.copy(filled, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE sessions")
        connection.commit()


def without_digest(path, filled):
    shutil.copy(filled, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'system_sha256'")
        connection.commit()


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda path, filled: None, StoreError, "no such store"),
        (lambda path, filled: path.mkdir(), StoreError, "folder"),
        (lambda path, filled: path.write_text("text"), ModelFormatError, "is text"),
        (lambda path, filled: path.write_bytes(b""), ModelFormatError, "empty"),
        (lambda path, filled: path.write_bytes(b"RIFF\x24\0\0\0WAVEfmt "), ModelFormatError, "WAV"),
        (lambda path, filled: foreign(path), ModelFormatError, "not a speaker store"),
        (newer, ModelFormatError, "version 5; .* a newer one may read it"),
        *(
            (
                lambda path, filled, version=version: older(path, filled, version),
                ModelFormatError,
                rf"version {version}, of an earlier.*enrol the recordings again into a new store",
            )
            for version in (1, 2, 3)
        ),
        (truncated, ModelFormatError, "damaged"),
        (without_table, ModelFormatError, "damaged"),
        (without_digest, ModelFormatError, "own hash"),
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


def test_swapped_recordings_are_noticed(filled):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute("UPDATE sessions SET speaker_id = 2 WHERE id = 2")
        connection.commit()
    with SpeakerStore.open(filled) as store, pytest.raises(ModelFormatError, match="own digest"):
        store.model("bea")


def test_a_swapped_background_or_setting_is_noticed(filled, other_background):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        before = dict(connection.execute("SELECT key, value FROM meta"))
        for key, value, words in (
            ("system", pack(SpeakerSystem(other_background)), "match its digest"),
            ("system_sha256", before["system_sha256"][::-1], "own hash"),
            ("created", "2026-01-31T12:00:00+00:00", "own hash"),
            ("system", "text", "blob"),
        ):
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
            connection.commit()
            with pytest.raises(ModelFormatError, match=words):
                SpeakerStore.open(filled)
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (before[key], key))
            connection.commit()
    SpeakerStore.open(filled).close()
