import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speakergmm.corpora import (
    Corpus,
    Utterance,
    check_speaker_name,
    comparison_key,
    escaped_name,
    read_corpus,
    read_protocol,
    unescaped_name,
    unlistable_character,
    write_corpus,
)
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.words import clean

LISTS = ("background.tsv", "dev_enroll.tsv", "dev_trials.tsv", "eval_enroll.tsv", "eval_trials.tsv")

any_text = st.text(st.characters(exclude_categories=()), max_size=12)


def names():
    def accepted(name):
        try:
            return check_speaker_name(name)
        except InvalidInputError:
            return None

    likely = st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\")
    return st.text(likely | st.just(" "), min_size=1, max_size=12).map(accepted).filter(bool)


@pytest.mark.slow
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("%25A0C2E80B3; \u00a0"))
        | st.sampled_from(["a b", "a%20b", "a%2520b", "%25", ";;", "%3B;"]),
        max_size=20,
    ).map(lambda found: list(dict.fromkeys(map(clean, found))))
)
def test_names_in_columns_come_back(given_names):
    written = [escaped_name(name) for name in given_names]
    assert [unescaped_name(column) for column in written] == given_names
    assert len(set(written)) == len(written)
    for name, column in zip(given_names, written, strict=True):
        assert len(f"a {column} b\u200b c".split()) == (4 if name else 3)
        assert not column.startswith(";;")


def file_names():
    listable = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="/")
    return st.text(listable, min_size=1, max_size=12).filter(lambda t: t not in (".", ".."))


@st.composite
def corpora(draw, root):
    """Draw a corpus below, and beside, a folder."""
    keys, speakers = set(), []
    for name in draw(st.lists(names(), min_size=1, max_size=4)):
        if comparison_key(name) not in keys:
            keys.add(comparison_key(name))
            speakers.append(name)
    named = draw(st.booleans())
    seconds = st.floats(0, 1e6, allow_nan=False)
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([root, root / "deep" / "er", Path("/elsewhere")]),
                file_names(),
                st.sampled_from(speakers),
                seconds,
                st.none() | st.floats(1e-6, 1e6),
            ),
            min_size=1,
            max_size=6,
            unique_by=lambda row: row[:2],
        )
    )
    identifiers = file_names().map(clean).filter(bool)  # of blanks alone nothing is left
    ids = draw(
        st.lists(identifiers, min_size=len(rows), max_size=len(rows), unique=True) | st.none()
    )
    utterances = []
    for place, (folder, name, speaker, start, length) in enumerate(rows):
        end = None if length is None else start + length
        assume(end is None or end > start)
        identifier = ids[place] if ids else (folder / name).as_posix()
        utterances.append(
            Utterance(identifier, folder / name, speaker if named else None, start, end)
        )
    return Corpus(tuple(utterances), source="drawn")


@pytest.mark.slow
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_written_corpora_read_back_as_they_were(data):
    with tempfile.TemporaryDirectory() as folder:
        corpus = data.draw(corpora(Path(folder)))
        write_corpus(Path(folder, "list.tsv"), corpus)
        assert read_corpus(Path(folder, "list.tsv")).utterances == corpus.utterances


@given(any_text)
def test_a_checked_name_is_checked_once_and_for_all(name):
    with contextlib.suppress(InvalidInputError):
        checked = check_speaker_name(name)
        assert check_speaker_name(checked) == checked
        assert comparison_key(checked) == comparison_key(name)
        assert comparison_key(checked.upper()) == comparison_key(checked.upper().casefold())
        assert unlistable_character(checked) is None
        assert Path("folder", checked).parent == Path("folder")


@given(any_text)
def test_only_the_errors_announced_are_raised_for_a_name(name):
    with contextlib.suppress(InvalidInputError):
        check_speaker_name(name)


# Bytes that look like a list reach further into the readers than any bytes do.
likely_cells = "a A é e\u0301 1.wav x/../1.wav ../1.wav /1.wav x.ark:1 0 1 -1 1e400 nan target . .."
odd_cells = ["", " ", '"', "|", "-", "nontarget", "\0", "\ufeff"]
cells = st.sampled_from([*likely_cells.split(), *odd_cells]) | st.text(max_size=4)
words = st.sampled_from(["path", "speaker", "start", "end", "id", "model", "label"]) | cells
separators = st.sampled_from(["\t", ",", ";", " "])
line_ends = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])


@st.composite
def listings(draw):
    separator, line_end = draw(separators), draw(line_ends)
    rows = [draw(st.lists(words, max_size=5))]
    rows += draw(st.lists(st.lists(cells, max_size=5), max_size=4))
    text = line_end.join(separator.join(row) for row in rows)
    return text.encode("utf-8", "surrogatepass")


contents = st.binary(max_size=60) | listings()


def read_or_refuse(read, folder):
    try:
        read(folder)
    except CorpusError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 1000


@pytest.mark.slow
@given(contents)
@settings(deadline=None, max_examples=150)
def test_any_bytes_as_a_list(content):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "list.tsv").write_bytes(content)
        read_or_refuse(read_corpus, Path(folder, "list.tsv"))


@pytest.mark.slow
@given(contents, contents, st.none() | contents)
@settings(deadline=None, max_examples=100)
def test_any_bytes_as_a_kaldi_directory(wav_scp, utt2spk, segments):
    with tempfile.TemporaryDirectory() as folder:
        files = {"wav.scp": wav_scp, "utt2spk": utt2spk, "segments": segments}
        for name, content in files.items():
            if content is not None:
                Path(folder, name).write_bytes(content)
        read_or_refuse(read_corpus, Path(folder))


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(LISTS), contents, min_size=1))
@settings(deadline=None, max_examples=100)
def test_any_bytes_as_a_protocol(files):
    with tempfile.TemporaryDirectory() as folder:
        good = {
            "eval_enroll.tsv": b"model\tpath\na\t1.wav\n",
            "eval_trials.tsv": b"model\tpath\tlabel\na\t2.wav\ttarget\n",
        }
        for name, content in (good | files).items():
            Path(folder, name).write_bytes(content)
        read_or_refuse(read_protocol, Path(folder))


@pytest.mark.slow
@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), max_size=5))
@settings(deadline=None)
def test_any_names_in_a_folder_of_speakers(found):
    with tempfile.TemporaryDirectory() as folder:
        for name in found:
            with contextlib.suppress(OSError, UnicodeEncodeError):
                Path(folder, name).mkdir(exist_ok=True)
                Path(folder, name, f"{name}.wav").touch()
        read_or_refuse(read_corpus, Path(folder))
