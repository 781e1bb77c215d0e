"""Small valid files of every format that is read, made by the package where it writes them."""

from __future__ import annotations

import gzip
import io
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from oracles.kaldi_files import TEXT_MODEL, TEXT_TREE, array, binary_model, binary_tree, mfa_zip

from speakergmm.audio import write_audio
from speakergmm.corpora import Corpus, Utterance, write_corpus
from speakergmm.hmm import train_ngram
from speakergmm.metrics import Scores, TimedLabel, write_scores
from speakergmm.recognition import write_ctm, write_textgrid

_RATE = 8000
_SENTENCES = (("yes", "no"), ("no", "maybe", "yes"), ("yes",))
_LABELS = (
    TimedLabel(0.0, 0.25, "yes", 0.5),
    TimedLabel(0.25, 0.5, 'a "no"'),
    TimedLabel(0.5, 1, ""),
)


def written(write: Callable[[Path], object], name: str = "file") -> bytes:
    """Return the bytes that a function writes to a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write(path)
        return path.read_bytes()


@cache
def samples(seconds: float = 0.1, n_channels: int = 1) -> np.ndarray:
    """Return a rising tone in noise."""
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * _RATE))[:, None] / _RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 900 * time) * time)
    return (tone + rng.normal(0, 0.02, (len(time), n_channels))).astype(np.float32)


def sound(file_format: str, subtype: str, *, seconds: float = 0.1, n_channels: int = 1) -> bytes:
    """Return a recording in a format of libsndfile."""
    import soundfile

    packed = io.BytesIO()
    content = samples(seconds, n_channels)
    soundfile.write(packed, content, _RATE, format=file_format, subtype=subtype)
    return packed.getvalue()


def sounds(*kinds: tuple[str, str]) -> Callable[[], list[bytes]]:
    """Return a maker of recordings of some formats and subtypes."""
    n_channels = 1 if kinds[0][0] == "SDS" else 2
    return lambda: [
        *(sound(*kind) for kind in kinds),
        sound(*kinds[0], seconds=0.02, n_channels=n_channels),
    ]


def waves() -> list[bytes]:
    """Return WAV files of this package and of libsndfile, one with its length left open."""
    ours = written(lambda path: write_audio(path, samples()[:, 0], _RATE), "a.wav")
    opened = ours[:40] + b"\0\0\0\0" + ours[44:] + b"LIST\x04\0\0\0INFO"
    others = sounds(("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("RF64", "PCM_16"), ("W64", "PCM_16"))
    return [ours, opened, *others()]


def textgrids() -> list[bytes]:
    """Return TextGrids: long, short, and in UTF-16."""
    tiers = {"words": _LABELS, "phones": _LABELS[:1]}
    long = written(lambda path: write_textgrid(path, tiers, duration=1.0))
    short = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n2\n'
        '"IntervalTier"\n"words"\n0\n1\n2\n0\n0.5\n"yes"\n0.5\n1\n"a ""no"""\n'
        '"TextTier"\n"points"\n0\n1\n1\n0.5\n"x"\n'
    )
    return [long, short.encode(), long.decode().encode("utf-16")]


def ctms() -> list[bytes]:
    """Return CTM files, with and without confidences."""
    ours = written(lambda path: write_ctm(path, {"u 1": _LABELS[:2], "u2": _LABELS[:1]}))
    return [ours, b";; comment\nrec A 0.5 1.25 caf\xc3\xa9\n", gzip.compress(ours, mtime=0)]


def arpas() -> list[bytes]:
    """Return language models of three orders, plain and compressed, with a checksum and without."""
    model = train_ngram(_SENTENCES, order=3)
    sealed = written(model.write_arpa, "lm.arpa")
    plain = sealed.partition(b"\n")[2]
    packed = written(model.write_arpa, "lm.arpa.gz")
    return [plain, b"comment\n" + plain.replace(b"\t", b" "), sealed, packed]


def lexicons() -> list[bytes]:
    """Return lexicons as CMUdict, Kaldi and forced aligners have them."""
    return [
        b";;; comment\nYES  Y EH1 S\nYES(2)  Y AH0 S # also\nNO  N OW1\n",
        b"yes 1.0 Y EH S\nno 0.5 N OW\nno 1e-1 N O\n",
        b"\xef\xbb\xbfcaf\xc3\xa9\t0.9\t0.1\t0.2\t0.3\tk a f e\n",
        gzip.compress(b"a A\nb B\n", mtime=0),
    ]


def listings() -> list[bytes]:
    """Return lists of recordings with all columns, as this package and others write them."""
    utterances = tuple(
        Utterance(f"u{n}", Path(f"/data/{n}.wav"), f"s{n % 2}", n / 2, n + 1.5) for n in range(3)
    )
    corpus = Corpus(utterances, source="seeds")
    return [
        written(lambda path: write_corpus(path, corpus), "list.tsv"),
        b'path,speaker,start,duration,text\n"a, b.wav",ana,0.5,1,YES NO\nc.wav,bea,,,"N, ""NO"""\n',
        b"client_id\tpath\tsentence\tvotes\nana\ta.mp3\tYes.\t2\nbea\tb.mp3\t\"No\" he said\t1\n",
        b"\xef\xbb\xbfid;path;speaker;word\r\nx;x.wav;ana;stop\r\ny;y.wav;bea;go\r\n",
    ]  # fmt: skip


def score_files() -> list[bytes]:
    """Return score files with and without labels."""
    scores = Scores(["a", "b"], ["1.wav", "2.wav"], [0.25, -1e-300], ["target", "nontarget"])
    return [
        written(lambda path: write_scores(path, scores)),
        b"model\tpath\tscore\na\t1.wav\t-inf\n\na\t2.wav\t3\n",
    ]


def configurations() -> list[bytes]:
    """Return configurations of features in TOML."""
    return [
        b'preset = "speaker"\nnormalisation = "mean"\n',
        b'# comment\npreset = "kaldi"\nsample_rate = 8000\nn_ceps = 13\nframe_shift = 0.01\n',
        b"n_filters = 40\nhigh_frequency = 3800.0\ndeltas = 1\npre_emphasis = 0.97\n",
    ]


def json_configurations() -> list[bytes]:
    """Return configurations of features in JSON."""
    return [b'{"preset": "hmm", "sample_rate": 8000, "deltas": 1}', b'{"n_ceps": 12, "lifter": 0}']


def matrices() -> list[bytes]:
    """Return matrices and vectors of Kaldi's archives, plain and compressed."""
    import kaldiio

    rng = np.random.default_rng(0)
    plain = rng.normal(size=(5, 3)).astype(np.float32)

    def saved(values: np.ndarray, compression: int = 0) -> bytes:
        how = {"compression_method": compression} if compression else {}
        packed = written(lambda path: kaldiio.save_ark(str(path), {"u": values}, **how))
        return packed.removeprefix(b"u ")

    return [
        saved(plain), saved(plain[0]), saved(plain.astype(np.float64)),
        *(saved(plain, method) for method in (2, 3, 5)),
    ]  # fmt: skip


def vectors() -> list[bytes]:
    """Return archives of two vectors, in binary and in text form."""
    import kaldiio

    found = {"u1": np.array([0.5, -1.0, 2.0]), "u2": np.array([1.0, 0.0, 3.0])}
    return [
        written(lambda path, how=how, of=of: kaldiio.save_ark(
            str(path), {name: value.astype(of) for name, value in found.items()}, text=how
        ))
        for how, of in ((False, np.float32), (False, np.float64), (True, np.float64))
    ]  # fmt: skip


def arrays() -> list[bytes]:
    """Return matrices of two embeddings in NumPy files."""
    values = np.arange(6.0).reshape(2, 3)

    def saved(array: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    return [saved(values), saved(values.astype(np.float32)), saved(np.asfortranarray(values))]


def kaldi_plda() -> list[bytes]:
    """Return PLDA of two dimensions in Kaldi's binary and text form."""

    def part(values: list[float], *sizes: int) -> bytes:
        head = b"DV " if len(sizes) == 1 else b"DM "
        shape = b"".join(b"\4" + size.to_bytes(4, "little") for size in sizes)
        return head + shape + np.array(values).tobytes()

    parts = part([0.5, 1.0], 2) + part([1.0, 0.5, 0.0, 2.0], 2, 2) + part([3.0, 1.0], 2)
    return [
        b"\0B<Plda> " + parts + b"</Plda> ",
        b"<Plda>  [ 0.5 1 ]\n [\n  1 0.5\n  0 2 ]\n [ 3 1 ]\n</Plda> ",
    ]


def kaldi_models() -> list[bytes]:
    """Return models of two phones in Kaldi's binary forms and in its text form."""
    return [binary_model(), binary_model("Tuples"), TEXT_MODEL]


def mfa_zips() -> list[bytes]:
    """Return models of the Montreal Forced Aligner of two versions, one without its lexicon."""
    return [mfa_zip(), mfa_zip(yaml=True)]


def kaldi_trees() -> list[bytes]:
    """Return a tree in Kaldi's binary and text form."""
    return [binary_tree(), TEXT_TREE]


def kaldi_matrices() -> list[bytes]:
    """Return a matrix of its own in Kaldi's binary and text form."""
    return [b"\0B" + array([[1, 2.5], [0, -1]]), b" [\n  1 2.5\n  0 -1 ]\n"]


def decoded() -> list[bytes]:
    """Return what `decode` writes as JSON."""
    return [
        b'{"utterances": [{"utterance": "u1", "hypotheses": [{"words": ["yes", "no"], "score": '
        b'-1.5}, {"words": []}]}, {"utterance": "u2", "hypotheses": []}]}'
    ]


def quiet(make: Callable[[], list[bytes]]) -> Callable[[], list[bytes]]:
    """Return a maker of seeds whose warnings are not shown."""

    def made() -> list[bytes]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make()

    return made
