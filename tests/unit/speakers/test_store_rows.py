"""Rows that no enrolment can write: wrong types and values out of range."""

import contextlib
import shutil
import sqlite3

import numpy as np
import pytest

from speakergmm.errors import ModelFormatError, SpeakerGmmError
from speakergmm.speakers import SpeakerStore


@pytest.fixture(scope="module")
def filled(tmp_path_factory, background, voices):
    path = tmp_path_factory.mktemp("rows") / "filled.db"
    with SpeakerStore.create(path, background) as store:
        store.enroll("ana", [voices(1, 0), voices(1, 1)])
        store.enroll("bea", [voices(2, 0)])
    return path


def altered(filled, tmp_path, *statements):
    """Return a copy of the store that was changed by another program."""
    path = tmp_path / "altered.db"
    shutil.copy(filled, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement, *values in statements:
            connection.execute(statement, values)
        connection.commit()
    return path


def use_everything(path, wav):
    with SpeakerStore.open(path) as store:
        store.info()
        store.speakers()
        store.log()
        store.verify("ana", wav)
        store.identify(wav)
        store.check()
        store.enroll("ana", wav)
        store.remove("bea")


def test_a_whole_store_passes(filled, tmp_path, voices):
    use_everything(altered(filled, tmp_path), voices(1, 5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sessions SET speech_seconds = 'abc'", "'abc' for speech_seconds"),
        ("sessions SET speech_seconds = -5", "-5.0 for speech_seconds"),
        ("sessions SET speech_seconds = 9e999", "inf for speech_seconds"),
        ("sessions SET speech_seconds = 4000", "4000.0 for speech_seconds"),
        ("sessions SET seconds = 0", "0.0 for seconds"),
        ("sessions SET n_frames = 'x'", "'x' for n_frames"),
        ("sessions SET n_frames = 1.5", "1.5 for n_frames"),
        ("sessions SET n_frames = 0", "0 for n_frames"),
        ("sessions SET enrolled = 5", "'5' for enrolled"),
        ("sessions SET enrolled = x'00'", "for enrolled"),
        ("sessions SET enrolled = '2026-01-31T12:00:00'", "for enrolled"),
        ("sessions SET file_name = x'00'", "for file_name"),
        ("sessions SET audio_sha256 = 'abc' WHERE id = 1", "for audio_sha256"),
        ("sessions SET software = ''", "for software"),
        ("speakers SET name = x'41' WHERE id = 1", "for a speaker's name"),
        ("sessions SET speaker_id = 1 WHERE id = 3", "no recordings of 'bea'|own digest"),
        ("sessions SET speaker_id = 77 WHERE id = 3", "has no speaker"),
        ("meta SET value = -7 WHERE key = 'generation'", "-7 for the count of changes"),
        ("meta SET value = 'x' WHERE key = 'generation'", "for the count of changes"),
        ("meta SET key = 'old' WHERE key = 'generation'", "nothing for the count of changes"),
        ("meta SET value = 7 WHERE key = 'created'", "7 for created"),
        ("meta SET value = '[' WHERE key = 'software'", "for software"),
    ],
)
def test_wrong_values_are_refused_at_once(filled, tmp_path, change, words):
    path = altered(filled, tmp_path, (f"UPDATE {change}",))

    def look():
        with SpeakerStore.open(path) as store:
            store.info()

    with pytest.raises(ModelFormatError, match=words) as caught:
        look()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("sessions SET n_frames = n_frames + 1", "own digest"),
        ("sessions SET speech_seconds = speech_seconds / 2", "own digest"),
        ("log SET detail = '{}' WHERE id = 1", "own digest"),
        ("log SET at = 'now'", "'now' for at"),
        ("log SET action = 'sing'", "'sing' for action"),
        ("log SET speaker = x'00'", "for speaker"),
        ("log SET detail = '['", "for detail"),
    ],
)
def test_checking_finds_what_opening_does_not(filled, tmp_path, change, words):
    path = altered(filled, tmp_path, (f"UPDATE {change}",))
    with SpeakerStore.open(path) as store, pytest.raises(ModelFormatError, match=words):
        store.check()


def test_a_page_refuses_its_damaged_rows_and_no_others(filled, tmp_path, voices):
    change = ("UPDATE sessions SET file_name = 'other.wav' WHERE id = 3",)
    with SpeakerStore.open(altered(filled, tmp_path, change)) as store:
        assert [each.name for each in store.speakers(limit=1)] == ["ana"]
        for page in ({"after": "ana"}, {"limit": 2}, {}):
            with pytest.raises(ModelFormatError, match="own digest"):
                store.speakers(**page)
    change = ("UPDATE speakers SET folded = 'x' WHERE name = 'bea'",)
    with SpeakerStore.open(altered(filled, tmp_path, change)) as store:
        assert [each.name for each in store.speakers(limit=1)] == ["ana"]
        with pytest.raises(ModelFormatError, match="own digest"):
            store.identify(voices(1, 5))


VALUES = (
    -7, 0, 1, 99_999, 2**62, -2.5, 1e300, float("inf"), "", "abc", "5", "[" * 3000, "{}", "a\nb",
    b"", b"\xff\x00", "ana", "caf\u00e9", "2026-01-31T12:00:00+00:00", "0" * 64,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_random_values_give_nothing_but_errors_of_ours(filled, tmp_path, voices, seed):
    rng = np.random.default_rng(seed)
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        columns = [
            (table, row[1])
            for table in ("meta", "speakers", "sessions", "log")
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]
    table, column = columns[seed % len(columns)]
    path = altered(filled, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        keys = [row[0] for row in connection.execute(f"SELECT {column} FROM {table}")]
        chosen = keys[rng.integers(len(keys))]
        with contextlib.suppress(sqlite3.IntegrityError, sqlite3.OperationalError):
            connection.execute(
                f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = ?",
                (VALUES[rng.integers(len(VALUES))], chosen),
            )
            connection.commit()
    try:
        use_everything(path, voices(1, 5))
    except SpeakerGmmError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_connections_are_set_for_safety(filled, tmp_path, voices, monkeypatch):
    # Some builds of SQLite do part of it by themselves, so that a pragma's value wouldn't tell.
    statements = []
    whole = sqlite3.connect

    def traced(*arguments, **options):
        connection = whole(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    path = altered(filled, tmp_path)
    monkeypatch.setattr(sqlite3, "connect", traced)
    with SpeakerStore.open(path) as store:
        store.verify("ana", voices(1, 5))
        for pragma in (
            "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY",
            "trusted_schema = OFF", "cell_size_check = ON", "query_only = ON",
        ):  # fmt: skip
            assert f"PRAGMA {pragma}" in statements
        # Reading asks for no lock of writers, and maintains nothing.
        assert not [s for s in statements if s.startswith(("BEGIN I", "VACUUM", "PRAGMA wal"))]
        store.enroll("ana", voices(1, 5))
        assert "BEGIN IMMEDIATE" in statements
