"""One flipped bit, wherever it hurts most: what a store then answers is right, or refused.

A sample of the flips runs in the suite; ``SPEAKERGMM_FLIPS=5000`` in the environment runs so many.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.errors import ModelFormatError, SpeakerGmmError
from speakergmm.speakers import SpeakerStore

from .conftest import RATE, speak

N_FLIPS = int(os.environ.get("SPEAKERGMM_FLIPS", "100"))
N_SPEAKERS, N_SESSIONS = 6, 3


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")

    def path_of(voice, utterance):
        path = folder / f"v{voice}-u{utterance}.wav"
        if not path.exists():
            write_audio(path, speak(voice, utterance, seconds=0.5), RATE)
        return path

    return path_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory, background, wavs):
    """A store whose tables and indexes have several pages, and one removal behind it."""
    path = tmp_path_factory.mktemp("whole") / "voices.db"
    with SpeakerStore.create(path, background) as store:
        for voice in range(N_SPEAKERS + 1):
            for number in range(N_SESSIONS):
                store.enroll(f"speaker {voice}", wavs(voice, number))
        store.remove(f"speaker {N_SPEAKERS}")
    return path


def pages_of(content):
    """The b-tree pages of a store: by number, the name of the table or index."""
    with closing(sqlite3.connect(":memory:")) as connection:
        # Deserialising wants a file without a write-ahead log.
        connection.deserialize(content[:18] + b"\1\1" + content[20:])
        roots = connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall()
    found = {}
    waiting = [("sqlite_master", 1), *((name, root) for name, root in roots if root)]
    while waiting:
        name, number = waiting.pop()
        found[number] = name
        start = 4096 * (number - 1)
        page = content[start : start + 4096]
        head = page[100:] if number == 1 else page
        if head[0] in (2, 5):
            waiting.append((name, int.from_bytes(head[8:12], "big")))
            for place in range(int.from_bytes(head[3:5], "big")):
                cell = int.from_bytes(head[12 + 2 * place : 14 + 2 * place], "big")
                waiting.append((name, int.from_bytes(page[cell : cell + 4], "big")))
    return found


def aimed_bytes(content):
    """Places of all bytes that lead to others: headers, pointers, cells of indexes and rows."""
    places = {"header": list(range(100))}
    for number, name in pages_of(content).items():
        start, skip = 4096 * (number - 1), 100 if number == 1 else 0
        head = content[start + skip : start + 4096]
        interior = head[0] in (2, 5)
        n_cells = int.from_bytes(head[3:5], "big")
        end = skip + (12 if interior else 8) + 2 * n_cells
        used = list(range(start + skip, start + end))
        large = name in ("statistics", "models") and not interior
        for place in range(n_cells):
            offset = skip + (12 if interior else 8) + 2 * place
            cell = int.from_bytes(content[start + offset : start + offset + 2], "big")
            if large:
                used += range(start + cell, start + cell + 12)
        if not large:
            used += range(start + int.from_bytes(head[5:7], "big"), start + 4096)
        places.setdefault(name, []).extend(used)
    return places


def state_of(store, wav):
    """Return everything that a store returns, for comparison."""
    return (
        store.speakers(),
        store.log(),
        store.info(),
        store.identify(wav, top=99).ranking,
        tuple(store.verify(f"speaker {n}", wav).score for n in range(N_SPEAKERS)),
        tuple(store.model(f"speaker {n}").mixture.means.tobytes() for n in range(N_SPEAKERS)),
    )


def remains(state, without=None):
    """Return the data that must not change when a speaker is removed or enrolled again."""
    listed, _, _, ranking, _, _ = state
    return (
        [speaker for speaker in listed if speaker.name != without],
        [pair for pair in ranking if pair[0] != without],
    )


def read_again(path):
    """The speakers as a sound store lists them, after checking all of it."""
    with SpeakerStore(path) as store:
        store.check()
        return store.speakers(), store.log()


def needles_of(path, speaker):
    """Return bytes that only the rows of this speaker contain."""
    with closing(sqlite3.connect(path)) as connection:
        blobs = connection.execute(
            "SELECT packed FROM statistics WHERE id IN (SELECT sessions.id FROM sessions JOIN"
            " speakers ON speakers.id = speaker_id WHERE name = ?)",
            (speaker,),
        ).fetchall()
    return [speaker.encode(), *(blob[-1000:-900] for (blob,) in blobs)]


def try_all(path, damaged, expected, wavs, needles):
    """Return the refusals among five uses of a damaged store, each of which is right or refused."""
    refused = []
    kept, _ = remains(expected, "speaker 2")
    others, _ = remains(expected, "speaker 1")

    def look(store):
        assert state_of(store, wavs(1, 9)) == expected

    def listed(store):
        assert (store.speakers(), store.log()) == expected[:2]

    def verified(store):
        assert store.verify("speaker 4", wavs(1, 9)).score == expected[4][4]

    def removed(store):
        store.remove("speaker 2")
        store.close()
        found, log = read_again(path)
        assert list(found) == kept
        assert len(log) == len(expected[1]) - N_SESSIONS + 1
        content = path.read_bytes()
        assert not any(needle in content for needle in needles)

    def enrolled(store):
        report = store.enroll("speaker 1", wavs(1, 7))
        assert (report.new_speaker, report.n_sessions) == (False, N_SESSIONS + 1)
        assert store.enroll("newcomer", wavs(1, 8)).new_speaker
        store.close()
        found, log = read_again(path)
        assert [s for s in found if s.name not in ("speaker 1", "newcomer")] == others
        assert len(log) == len(expected[1]) + 2

    for use in (look, listed, verified, removed, enrolled):
        path.write_bytes(damaged)
        try:
            with SpeakerStore(path) as store:
                use(store)
        except SpeakerGmmError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert str(path) in str(error)  # noqa: PT017
            refused.append(use.__name__)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
    return refused


@pytest.mark.slow
def test_flipped_bits_give_right_answers_or_refusals(whole, wavs, tmp_path):
    content = whole.read_bytes()
    with SpeakerStore(whole) as store:
        expected = state_of(store, wavs(1, 9))
    needles = needles_of(whole, "speaker 2")
    assert all(needle in content for needle in needles)
    path = tmp_path / "damaged.db"
    # The ways the uses go on a sound store.
    assert try_all(path, content, expected, wavs, needles) == []
    places = aimed_bytes(content)
    assert {"speakers", "sessions_by_audio", "speakers_by_folded", "log", "models"} <= set(places)
    rng = np.random.default_rng(7)
    kinds = sorted(places)
    refusals = 0
    for number in range(N_FLIPS):
        # All tables, indexes and headers in turn, whatever their size.
        among = places[kinds[number % len(kinds)]]
        place = among[int(rng.integers(len(among)))]
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            refusals += bool(try_all(path, bytes(damaged), expected, wavs, needles))
        except AssertionError as error:
            raise AssertionError(f"byte {place} of {kinds[number % len(kinds)]}") from error
    # Some flips hit what nothing depends on.
    assert refusals > 0.7 * N_FLIPS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("DELETE FROM sessions WHERE id = 4", "rows of sessions"),
        ("DELETE FROM log WHERE id = 4", "rows of log"),
        ("DELETE FROM speakers WHERE id = 2", "rows of speakers"),
        ("UPDATE sessions SET digest = x'00' WHERE id = 1", "rows of sessions"),
        (
            "INSERT INTO log SELECT 999, at, action, speaker, detail, digest FROM log WHERE id = 2",
            "of log",
        ),
        ("DROP INDEX sessions_by_audio", "other tables"),
        ("UPDATE meta SET value = value || ' ' WHERE key = 'rows'", "own hash"),
        ("DELETE FROM meta WHERE key = 'system'", "system is not a blob"),
    ],
)
def test_rows_that_are_missing_or_doubled_are_noticed_on_opening(whole, tmp_path, change, words):
    path = tmp_path / "changed.db"
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(change)
    with pytest.raises(ModelFormatError, match=words):
        SpeakerStore(path)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET file_name = 'other.wav' WHERE id = 1",
        "UPDATE sessions SET speaker_id = 2 WHERE id = 1",
        "UPDATE speakers SET created = '2026-01-31T12:00:00+00:00' WHERE id = 1",
        "UPDATE models SET packed = (SELECT packed FROM models WHERE id = 2) WHERE id = 1",
        "UPDATE statistics SET packed = (SELECT packed FROM statistics WHERE id = 9) WHERE id = 1",
        "DELETE FROM statistics WHERE id = 1",
        "DELETE FROM models WHERE id = 1",
    ],
)
def test_rows_that_were_changed_are_refused_by_whatever_reads_them(whole, wavs, tmp_path, change):
    path = tmp_path / "changed.db"
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(change)
    with SpeakerStore(path) as store:
        for use in (lambda: store.remove("speaker 0"), store.check):
            with pytest.raises(ModelFormatError, match="damaged"):
                use()
        # Another speaker's answer doesn't depend on it.
        assert np.isfinite(store.verify("speaker 3", wavs(1, 9)).score)


@pytest.mark.parametrize("rows", ["[]", "3", '{"log": 3}', '{"log": [1, 2]}', "null", "{"])
def test_forged_sums_with_a_right_hash_are_refused(whole, tmp_path, rows):
    path = tmp_path / "forged.db"
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        found = connection.execute(
            "SELECT key, value FROM meta WHERE key NOT IN ('system', 'seal')"
        )
        values = dict(found.fetchall()) | {"rows": rows}
        packed = json.dumps(sorted(values.items(), key=str), default=repr)
        values["seal"] = hashlib.sha256(packed.encode()).hexdigest()
        connection.executemany(
            "UPDATE meta SET value = ? WHERE key = ?", [(v, k) for k, v in values.items()]
        )
    with pytest.raises(ModelFormatError, match="the sums of its rows are missing"):
        SpeakerStore(path)
