"""``speakergmm align`` as a user runs it."""

import csv
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from oracles.spoken import spoken_world

from speakergmm.cli import run_command
from speakergmm.hmm import Lexicon, PhoneModels, Topology
from speakergmm.recognition import SilenceModel, read_ctm, read_textgrid


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture
def run(capsys):
    """Run the command in this process, with the errors and exit codes of the real one."""

    def call(*arguments):
        code = run_command(["align", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def few(spoken, tmp_path_factory):
    """A list of ten recordings with their texts, one of them wrong and one unusable."""
    path = tmp_path_factory.mktemp("few") / "list.tsv"
    rows = []
    for utterance in spoken.corpus.utterances[:10]:
        words = list(spoken.transcripts[utterance.id])
        rows.append([utterance.path, utterance.id, utterance.speaker, words])
    others = sorted(set(spoken.lexicon) - set(rows[3][3]))
    rows[3][3] = others[: len(rows[3][3])]
    rows[7][3] = ["unheard-of"]
    with path.open("w", encoding="utf-8") as file:
        file.write("path\tid\tspeaker\ttext\n")
        for audio, name, speaker, words in rows:
            file.write(f"{audio}\t{name}\t{speaker}\t{' '.join(words)}\n")
    return path, [row[1] for row in rows]


@pytest.mark.slow
def test_a_corpus_is_aligned_and_its_wrong_transcript_named(run, spoken, few, tmp_path):
    path, ids = few
    folder = tmp_path / "out"
    code, out, err = run(
        spoken.model_path, path, "--output", folder, "--write-states", "--picture", ids[0]
    )
    assert code == 0, err
    assert f"left out: {spoken.corpus.utterances[7].path}" in err
    assert "words not in the lexicon" in err
    assert "unheard-of (1)" in err
    assert "9 utterances aligned" in out
    assert "1 utterance left out" in out
    assert ids[3] in out.split("reason")[1].split("\n")[2]
    good = [name for name in ids if name != ids[7]]
    for name in ("words.ctm", "phones.ctm", "states.ctm"):
        assert list(read_ctm(folder / name)) == good
    assert sorted(p.stem for p in (folder / "textgrids").iterdir()) == sorted(good)
    words, phones = (read_ctm(folder / f"{name}.ctm") for name in ("words", "phones"))
    assert np.median([word.confidence for word in words[ids[3]]]) < 0.3
    right = [word.confidence for name in good if name != ids[3] for word in words[name]]
    assert np.median(right) > 0.9
    # How sure the places of phones are is no confidence in what was said.
    assert all(math.isnan(phone.confidence) for labels in phones.values() for phone in labels)
    lines = (folder / "alignments.jsonl").read_text(encoding="utf-8").splitlines()
    told = {item["utterance"]: item for item in map(json.loads, lines)}
    for name in good:
        for word, label in zip(told[name]["words"], words[name], strict=True):
            assert word["confidence"] == pytest.approx(label.confidence, abs=1e-4)
            assert 0.0 <= word["posterior"] <= 1.0
        assert all(0.0 <= phone["posterior"] <= 1.0 for phone in told[name]["phones"])
    assert min(word["posterior"] for word in told[ids[3]]["words"]) > 0.5
    grid = read_textgrid(folder / "textgrids" / f"{ids[0]}.TextGrid")
    assert tuple(label.label for label in grid["words"] if label.label) == tuple(
        spoken.transcripts[ids[0]]
    )
    with (folder / "diagnostics.tsv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file, delimiter="\t"))["utterance"] == ids[3]
    assert (folder / "pictures" / f"{ids[0]}.png").stat().st_size > 10_000
    assert (folder / "pictures" / f"{ids[0]}.svg").stat().st_size > 10_000
    # And again over its own files, with the path's edges.
    code, out, err = run(
        spoken.model_path,
        path,
        "-o",
        folder,
        "--format",
        "json",
        "--edges",
        "path",
        "--json",
        "--speaker-transforms",
        "offset",
    )
    assert code == 0, err
    document = json.loads(out)
    assert document["n_aligned"] == 9
    assert [skip["affected"] for skip in document["left_out"]] == [[ids[7]]]
    assert document["suspicious"][0]["utterance"] == ids[3]
    first = json.loads((folder / "alignments.jsonl").read_text(encoding="utf-8").split("\n")[0])
    # Between two frames always: 7.5 ms beyond a multiple of 10.
    inner = [phone["start"] for phone in first["phones"][1:]]
    assert {round(1000 * time) % 10 for time in inner} <= {7, 8}


def test_strict_refuses_what_would_be_left_out(run, spoken, few, tmp_path):
    code, out, err = run(spoken.model_path, few[0], "--output", tmp_path / "out", "--strict")
    assert code == 2
    assert "not in the lexicon" in err
    assert "unheard-of (1)" in err
    assert "unheard-of (1); give --lexicon FILE" in err
    assert err.count("\n") == 1
    assert out == ""
    assert not list((tmp_path / "out").glob("*.ctm"))


def test_a_model_that_maps_unknown_words_aligns_them_strictly(run, spoken, few, tmp_path):
    word = next(iter(spoken.lexicon))
    model = replace(spoken.model, unknown=word)
    path = tmp_path / "mapping.safetensors"
    model.save(path)
    code, out, err = run(path, few[0], "-o", tmp_path / "out", "--strict", "--format", "json")
    assert code == 0, err
    assert "10 utterances aligned" in out
    assert f"mapped to {word}: unheard-of (1)" in err
    assert "--lexicon" not in err


@pytest.mark.parametrize("way", ["option", "file", "beside", "upper"])
def test_one_recording_with_its_text(run, spoken, tmp_path, way):
    utterance = spoken.corpus.utterances[0]
    words = spoken.transcripts[utterance.id].words
    audio = tmp_path / "one.wav"
    audio.write_bytes(utterance.path.read_bytes())
    text = " ".join(words)
    arguments = ["--text", text]
    if way == "file":
        (tmp_path / "said").write_text(text + "\n", encoding="utf-8")
        arguments = ["--text", tmp_path / "said"]
    elif way == "beside":
        (tmp_path / "one.txt").write_text(text, encoding="utf-8")
        arguments = []
    elif way == "upper":
        arguments = ["--text", text.upper(), "--case", "lower"]
    folder = tmp_path / "out"
    code, _, err = run(spoken.model_path, audio, "--output", folder, *arguments)
    assert code == 0, err
    assert tuple(label.label for label in read_ctm(folder / "words.ctm")["one"]) == words


def test_words_of_another_lexicon(run, spoken, tmp_path):
    utterance = spoken.corpus.utterances[0]
    first, *others = spoken.transcripts[utterance.id].words
    text = " ".join(["Neu", *others, "Ende", "Neu"])
    start = (spoken.model_path, utterance.path, "-o", tmp_path / "out", "--text")
    code, _, err = run(*start, text)
    assert code == 2
    assert "Neu (2), Ende (1)" in err
    assert "Neu (2), Ende (1); give --lexicon FILE" in err
    lines = [f"{word}  {' '.join(spoken.lexicon[word][0].phones)}" for word in {first, *others}]
    lines += [f"Neu  {' '.join(spoken.lexicon[first][0].phones)}", "Other  XX YY"]
    (tmp_path / "more.dict").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = text.removesuffix(" Ende Neu")
    more = ("--lexicon", tmp_path / "more.dict", "--beam", "inf")
    code, _, err = run(*start, text, *more)
    assert code == 0, err
    (found,) = read_ctm(tmp_path / "out" / "words.ctm").values()
    assert [label.label for label in found] == ["Neu", *others]


def test_new_words_of_a_model_of_letters_are_spelled(run, spoken, tmp_path):
    letters = Lexicon.graphemes(["ab"])
    flat = PhoneModels.flat(
        dict.fromkeys([*letters.phones, "SIL"], Topology.left_right(3)),
        mean=np.zeros(39),
        variance=np.ones(39),
    )
    model = tmp_path / "letters.safetensors"
    replace(spoken.model, models=flat, lexicon=letters, silence=SilenceModel("SIL")).save(model)
    audio = spoken.corpus.utterances[0].path
    start = (model, audio, "-o", tmp_path / "out", "--text")
    assert run(*start, "ba")[0] == 2
    code, _, err = run(*start, "ba", "--unknown", "graphemes")
    assert code == 0, err
    (found,) = read_ctm(tmp_path / "out" / "phones.ctm").values()
    assert [label.label for label in found if label.label != "SIL"] == ["b", "a"]
    code, _, err = run(*start, "bac", "--unknown", "graphemes")
    assert code == 2
    assert "bac (1)" in err


def test_textgrids_of_an_earlier_run_are_mentioned(run, spoken, tmp_path):
    for place, expected in ((0, 0), (1, 1)):
        utterance = spoken.corpus.utterances[place]
        text = " ".join(spoken.transcripts[utterance.id])
        _, _, err = run(spoken.model_path, utterance.path, "-o", tmp_path / "o", "--text", text)
        assert err.count("1 TextGrid") == expected


def test_a_recording_that_cannot_be_read_is_named(run, spoken, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF\0\0")
    listed = tmp_path / "list.tsv"
    word = next(iter(spoken.lexicon))
    listed.write_text(f"path\ttext\n{broken}\t{word}\n{tmp_path / 'none.wav'}\t{word}\n")
    for path in (broken, tmp_path / "none.wav"):
        code, _, err = run(spoken.model_path, path, "-o", tmp_path / "out", "--text", word)
        assert code == 2
        assert err.startswith(f"speakergmm: no utterance could be aligned: {path}: ")
        assert err.count("\n") == 1
    code, _, err = run(spoken.model_path, listed, "-o", tmp_path / "out")
    assert code == 2
    assert "broken.wav" in err
    assert "(and 1 more)" in err
    assert not (tmp_path / "out").exists()


def test_transcripts_may_lie_elsewhere(run, spoken, tmp_path):
    utterances = spoken.corpus.utterances[:2]
    plain = tmp_path / "list.tsv"
    plain.write_text("path\tid\n" + "".join(f"{u.path}\t{u.id}\n" for u in utterances))
    said = {u.id: list(spoken.transcripts[u.id]) for u in utterances}
    (tmp_path / "said").write_text("".join(f"{n} {' '.join(w)}\n" for n, w in said.items()))
    folder = tmp_path / "out"
    code, _, err = run(spoken.model_path, plain, "-o", folder, "--transcripts", tmp_path / "said")
    assert code == 0, err
    found = read_ctm(folder / "words.ctm")
    assert {name: [label.label for label in labels] for name, labels in found.items()} == said


@pytest.mark.slow
def test_what_is_wrong_is_said_in_one_line(run, spoken, few, tmp_path):
    audio = spoken.corpus.utterances[0].path
    out = tmp_path / "out"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "words.ctm").write_text("a diary\n")
    cases = [
        ((spoken.model_path, audio, "-o", out), "has no transcripts"),
        ((spoken.model_path, audio, "-o", out, "--text", "unheard-of"), "not in the lexicon"),
        ((spoken.model_path, audio, "-o", out, "--text", " "), "empty transcript"),
        ((audio, audio, "-o", out, "--text", "a"), "not"),
        ((spoken.model_path, few[0], "-o", out, "--format", "praat"), "formats must be one of"),
        ((spoken.model_path, few[0], "-o", out, "--picture", "nobody"), "no such utterance"),
        (
            (spoken.model_path, few[0], "-o", out, "--beam", "0"),
            "--beam must be finite and > 0, found 0",
        ),
        ((spoken.model_path, few[0], "-o", tmp_path / "mine"), "words.ctm: exists and is not"),
        ((spoken.model_path, few[0], "-o", spoken.model_path), "is a file; give a folder"),
        ((spoken.model_path, tmp_path / "none", "-o", out), "none"),
        ((spoken.model_path, few[0], "-o", out, "--text", "a"), "give --transcripts FILE"),
        ((spoken.model_path, audio, "-o", out, "--transcripts", few[0]), "give --text"),
    ]
    for arguments, message in cases:
        code, printed, err = run(*arguments)
        assert code == 2, (arguments, err)
        assert message in err
        assert err.strip().count("\n") == 0, err
        assert printed == ""
    assert (tmp_path / "mine" / "words.ctm").read_text() == "a diary\n"
    assert not out.exists()


@pytest.mark.slow
def test_all_that_is_missing_is_counted(run, spoken, few, tmp_path):
    """What can't be read of the list, what has no text, and what can't be aligned."""
    path, ids = few
    listed = tmp_path / "list.tsv"
    audio = spoken.corpus.utterances[0].path
    first, *rows = path.read_text(encoding="utf-8").splitlines()
    rows = [f"{row}\t\t" for row in rows]
    rows.append(f"{audio}\tback\tb001\tword\t2\t1")
    listed.write_text("\n".join([f"{first}\tstart\tend", *rows]) + "\n", encoding="utf-8")
    code, out, err = run(spoken.model_path, listed, "-o", tmp_path / "out")
    assert code == 0, err
    assert "9 utterances aligned" in out
    assert "2 utterances left out" in out
    assert err.splitlines()[-1] == f"warning: 2 of 11 utterances not aligned: {ids[7]}, back"
    code, out, _ = run(spoken.model_path, listed, "-o", tmp_path / "out", "--json")
    document = json.loads(out)
    assert (document["n_utterances"], document["n_aligned"]) == (11, 9)
    assert document["not_aligned"] == [ids[7], "back"]
    assert run(spoken.model_path, listed, "-o", tmp_path / "out", "--strict")[0] == 2


@pytest.mark.slow
def test_a_lexicon_in_the_other_letter_case_is_hinted_at(run, spoken, few, tmp_path):
    lexicon = tmp_path / "upper.txt"
    lexicon.write_text(
        "".join(
            f"{word.upper()} {way}\n" for word in spoken.lexicon for way in spoken.lexicon[word]
        )
    )
    arguments = (spoken.model_path, few[0], "--lexicon", lexicon, "-o", tmp_path / "out")
    code, _, err = run(*arguments)
    assert code == 2
    (hint,) = re.findall(r"in upper case \d+ would be known, such as '\w+': .*", err)
    assert hint.endswith(": --case upper converts all words")
    code, out, err = run(*arguments, "--case", "upper")
    assert code == 0
    assert "9 utterances aligned" in out
    assert "would be known" not in err
    # The words of an option, against the model's own lexicon.
    audio, text = spoken.corpus.utterances[0].path, next(iter(spoken.lexicon)).upper()
    code, _, err = run(spoken.model_path, audio, "--text", text, "-o", tmp_path / "one")
    assert code == 2
    assert err.strip().endswith(": --case lower converts all words")


@pytest.fixture(scope="module")
def meeting(spoken, tmp_path_factory):
    """Four utterances of two speakers in one recording, one of which is listed twice: wider."""
    folder = tmp_path_factory.mktemp("meeting")
    by_speaker = {}
    for utterance in spoken.corpus.utterances:
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    (ana, first), (bea, second) = list(by_speaker.items())[:2]
    pieces, rows, at = [], [], 0.5
    rate = 16000
    pieces.append(np.zeros(rate // 2))
    for speaker, utterance in (
        (ana, first[0]),
        (bea, second[0]),
        (ana, first[1]),
        (bea, second[1]),
    ):
        samples, rate = soundfile.read(utterance.path)
        end = at + len(samples) / rate
        rows.append([at, end, f"take {len(rows)}", speaker, str(spoken.transcripts[utterance.id])])
        pieces.append(samples)
        at = end
    soundfile.write(folder / "meeting.wav", np.concatenate(pieces), rate)
    rows.append([rows[1][0] - 0.05, rows[1][1] + 0.05, "take 1 again", *rows[1][3:]])
    lines = [f"meeting.wav\t{s!r}\t{e!r}\t{n}\t{w}\t{t}\n" for s, e, n, w, t in rows]
    (folder / "list.tsv").write_text(
        "path\tstart\tend\tid\tspeaker\ttext\n" + "".join(lines), encoding="utf-8"
    )
    return folder / "list.tsv", rows


def aligned_words(folder):
    lines = (folder / "alignments.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    return {
        d["utterance"]: [(w["start"], w["end"], w["label"]) for w in d["words"]] for d in documents
    }


def test_a_ctm_pairs_utterances_with_their_own_times(run, spoken, meeting, tmp_path):
    path, rows = meeting
    code, _, err = run(spoken.model_path, path, "--output", tmp_path / "out")
    assert code == 0, err
    documents = aligned_words(tmp_path / "out")
    found = read_ctm(tmp_path / "out" / "words.ctm")
    assert list(found) == [row[2] for row in rows]
    for start, end, name, *_ in rows:
        times = [time for label in found[name] for time in label[:2]]
        assert 0 <= min(times) < 0.3
        assert max(times) <= end - start + 1e-6
        expected = [(s - start, e - start, w) for s, e, w in documents[name]]
        for label, (begin, stop, word) in zip(found[name], expected, strict=True):
            assert label[:3] == (
                pytest.approx(begin, abs=1e-6),
                pytest.approx(stop, abs=1e-6),
                word,
            )
    assert sorted(p.stem for p in (tmp_path / "out" / "textgrids").iterdir()) == sorted(
        row[2] for row in rows
    )


@pytest.mark.slow
def test_by_recording_a_ctm_has_its_name_and_a_textgrid_its_speakers(
    run, spoken, meeting, tmp_path
):
    path, rows = meeting
    code, _, err = run(
        spoken.model_path, path, "--by", "recording", "--write-states", "--output", tmp_path / "out"
    )
    assert code == 0, err
    assert "TextGrid" not in err
    documents = aligned_words(tmp_path / "out")
    (found,) = read_ctm(tmp_path / "out" / "words.ctm").items()
    assert found[0] == "meeting"
    everything = sorted(word for words in documents.values() for word in words)
    assert [label[:3] for label in found[1]] == [
        (pytest.approx(s, abs=1e-6), pytest.approx(e, abs=1e-6), w) for s, e, w in everything
    ]
    lines = (tmp_path / "out" / "phones.ctm").read_text().splitlines()
    starts = [float(line.split()[2]) for line in lines]
    assert starts == sorted(starts)
    (grid,) = (tmp_path / "out" / "textgrids").iterdir()
    assert grid.name == "meeting.TextGrid"
    tiers = read_textgrid(grid)
    ana, bea = rows[0][3], rows[1][3]
    assert list(tiers) == [
        *(f"{ana} - {name}" for name in ("words", "phones", "states")),
        *(f"{bea} - {name}" for name in ("words", "phones", "states")),
        *(f"{bea} - {name} (2)" for name in ("words", "phones", "states")),
    ]
    said = [label.label for label in tiers[f"{ana} - words"] if label.label]
    assert said == f"{rows[0][4]} {rows[2][4]}".split()
    # Of two that overlap, the earlier one is in the first tier.
    again = [label.label for label in tiers[f"{bea} - words (2)"] if label.label]
    assert again == rows[1][4].split()
    assert "SIL" not in {label.label for label in tiers[f"{ana} - phones"]}
    # A second run finds its own files, and writes over them.
    assert run(spoken.model_path, path, "--by", "recording", "--output", tmp_path / "out")[0] == 0
