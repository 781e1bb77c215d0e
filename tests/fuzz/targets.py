"""The table of readers that are given any bytes: what reads them, their seeds, and their memory.

A target writes bytes to a file, with valid files beside it where its format has several, and reads
it as a user would. The only exceptions are those of `speakergmm.errors`, with one line of message.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oracles.kaldi_files import META_JSON, META_YAML, PHONE_NAMES

from speakergmm.audio import probe, read_audio
from speakergmm.cli.transcript_inputs import read_sentences, read_word_sequences
from speakergmm.corpora import (
    Corpus,
    Utterance,
    read_corpus,
    read_protocol,
    read_speaker_sexes,
    read_transcripts,
)
from speakergmm.errors import SpeakerGmmError
from speakergmm.features import ArchivePlace, FeatureConfig, read_matrix, read_scp
from speakergmm.hmm import BackoffLanguageModel, Lexicon
from speakergmm.metrics import read_phone_mapping, read_scores
from speakergmm.recognition import (
    cut_words,
    import_model,
    read_ctm,
    read_textgrid,
    read_words,
)
from speakergmm.recognition.imported import (
    MfaMeta,
    kaldi_features,
    parse_options,
    read_kaldi_matrix,
    read_kaldi_model,
    read_kaldi_tree,
    read_symbols,
)
from speakergmm.speakers import read_embeddings, read_kaldi_plda

from . import records, seeds

LONGEST_MESSAGE = 8000
"""Characters of a message: ten faults of 600, and their paths."""

FIXED_BYTES = 1 << 20
"""Memory that reading may take whatever the length of the file is: buffers and modules."""

Reader = Callable[[Path], object]


@dataclass(frozen=True)
class Target:
    """A reader and what it is fed.

    Parameters
    ----------
    name : str
        Name for the command line and for the names of tests.
    read : callable
        Reads the file, whose path it is given.
    seeds : callable
        Returns small valid files.
    file : str
        Name of the file, whose suffix may matter.
    beside : mapping of str to bytes
        Further files of the folder.
    tokens : sequence of bytes
        Words of the format, for changes.
    row : callable, optional
        Returns a valid line for a number, by which a file is made as long as is wanted; `before`
        and `after` are the rest of such a file.
    memory : int
        Bytes of memory, at the peak, per byte of the file beyond `FIXED_BYTES`.
    """

    name: str
    read: Reader
    seeds: Callable[[], list[bytes]]
    file: str = "file"
    beside: Mapping[str, bytes] = field(default_factory=dict)
    tokens: Sequence[bytes] = ()
    row: Callable[[int], str] | None = None
    before: str = ""
    after: str = ""
    memory: int = 150

    def prepare(self, folder: Path) -> Path:
        """Write the files beside, and return the path of the file."""
        for name, content in self.beside.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / self.file).parent.mkdir(parents=True, exist_ok=True)
        return folder / self.file

    def try_bytes(self, path: Path, content: bytes) -> SpeakerGmmError | None:
        """Read bytes; return the refusal, or raise any other exception."""
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.read(path)
        except SpeakerGmmError as error:
            message = str(error)
            assert message.isprintable(), f"no line of text: {message[:300]!r}"
            assert len(message) < LONGEST_MESSAGE, f"{len(message)} characters: {message[:300]!r}"
            return error
        return None

    def long(self, n_bytes: int) -> bytes:
        """Return a valid file of about so many bytes."""
        assert self.row is not None
        rows, length, number = [], 0, 0
        while length < n_bytes:
            rows.append(self.row(number))
            length, number = length + len(rows[-1]), number + 1
        return (self.before.format(number) + "".join(rows) + self.after).encode()


def _both(*readers: Reader) -> Reader:
    """Return a reader that calls several, and raises what the first of them refuses."""

    def read(path: Path) -> None:
        refusals = []
        for reader in readers:
            try:
                reader(path)
            except SpeakerGmmError as error:
                refusals.append(error)
        if refusals:
            raise refusals[0]

    return read


def _listed(path: Path) -> object:
    strict, loose = (lambda p, s=s: read_corpus(p, strict=s) for s in (True, False))
    return _both(strict, loose, read_transcripts, read_words)(path)


def _kaldi(path: Path) -> object:
    strict, loose = (lambda p, s=s: read_corpus(p.parent, strict=s) for s in (True, False))
    return _both(strict, loose, lambda p: read_transcripts(p.parent))(path)


def _beside(path: Path) -> object:
    corpus = Corpus((Utterance("u1", path.parent / "a.wav", "ana"),), source=str(path.parent))
    return read_transcripts(corpus)


def _cut(path: Path) -> object:
    corpus = Corpus((Utterance("u1", path.parent / "a.wav", "ana"),), source=str(path.parent))
    return cut_words(corpus, path)


def _sound(path: Path) -> object:
    probe(path)
    return read_audio(path)


def _options(path: Path) -> object:
    return kaldi_features(parse_options(path.read_bytes().decode("utf-8", "replace")))


def _unigram(number: int) -> str:
    return f"-1 {('<s>', '</s>')[number] if number < 2 else number} -1\n"


KALDI = {
    "wav.scp": b"r1 /data/1.wav\nr2 2.wav\n",
    "utt2spk": b"u1 ana\nu2 ana\nu3 bea\n",
    "segments": b"u1 r1 0 1.5\nu2 r1 1.5 2\nu3 r2 0 -1\n",
    "text": b"u1 YES NO\nu2 NO\nu3 caf\xc3\xa9\n",
}
PROTOCOL = {
    "background.tsv": b"speaker\tpath\nana\t1.wav\nbea\t2.wav\n",
    "eval_enroll.tsv": b"model\tpath\ncis\t3.wav\n",
    "eval_trials.tsv": b"model\tpath\tlabel\ncis\t4.wav\ttarget\ncis\t5.wav\tnontarget\n",
}
KALDI_ROWS = {
    "wav.scp": "r{0} /data/{0}.wav\n",
    "utt2spk": "u{0} s{0}\n",
    "segments": "u{0} r1 {0} {0}.5\n",
    "text": "u{0} w{0} w{0}\n",
}
PROTOCOL_ROWS = {
    "background.tsv": ("speaker\tpath\n", "s{0}\t{0}.wav\n"),
    "eval_enroll.tsv": ("model\tpath\ncis\tx.wav\n", "m{0}\t{0}.wav\n"),
    "eval_trials.tsv": ("model\tpath\tlabel\n", "cis\tx{0}.wav\tnontarget\n"),
}
_COLUMNS = (b"path", b"speaker", b"start", b"end", b"duration", b"id", b"text", b"word", b"model",
            b"label", b"sentence", b"client_id")  # fmt: skip
_CHUNKS = (b"RIFF", b"RIFX", b"RF64", b"data", b"fmt ", b"ds64", b"LIST", b"fact", b"FORM", b"SSND",
           b"COMM", b"AIFC", b"fLaC", b"OggS", b"\xff\xf8", b"\xff\xfb\x90\x64", b"ID3\4\0\0",
           b"Xing", b"VBRI", b"TAG", b"APETAGEX", b".snd", b"caff", b"NIST_1A", b"id3 ",
           b"\x55\0")  # fmt: skip
_SOUND_MEMORY = 32_000  # float32, twice, of at most 4000 samples per byte: digital silence


def _audio(name: str, make: Callable[[], list[bytes]]) -> Target:
    return Target(
        name, _sound, seeds.quiet(make), f"a.{name.split('-')[1]}",
        tokens=_CHUNKS, memory=_SOUND_MEMORY,
    )  # fmt: skip


def _of_kaldi(file: str) -> Target:
    return Target(
        f"kaldi-{file.replace('.', '-')}", _kaldi, lambda: [KALDI[file]], file,
        {name: content for name, content in KALDI.items() if name != file},
        tokens=(b"r1", b"u1", b"ana", b"-1", b"a.ark:5", b"cat a |"), row=KALDI_ROWS[file].format,
    )  # fmt: skip


def _of_protocol(file: str) -> Target:
    before, row = PROTOCOL_ROWS[file]
    return Target(
        f"protocol-{file.split('.')[0].replace('_', '-')}", lambda path: read_protocol(path.parent),
        lambda: [PROTOCOL[file]], file,
        {name: content for name, content in PROTOCOL.items() if name != file},
        tokens=(*_COLUMNS, b"target", b"nontarget", b"cis"), row=row.format, before=before,
    )  # fmt: skip


def _of_record(kind: str) -> Target:
    return Target(
        f"record-{kind.replace(' ', '-')}", lambda path: records.use(kind, path),
        lambda: [records.kept(kind)[1]],
        tokens=(b"null", b"true", b"[]", b"{}", b'\\"', b'"F64"', b'"shape":[0]', b"1e300"),
    )  # fmt: skip


RECORDS = (
    "background model", "statistics archive", "speaker system", "cohort", "mixture statistics",
    "acoustic model", "gaussian mixture", "score calibration", "i-vector extractor",
    "joint factor analysis", "trained i-vectors", "trained session variability",
    "trained joint factors", "trained supervectors", "embedding transformer",
    "affine transform", "nuisance projection", "length normalisation", "PLDA model",
    "embedding scorer", "checkpoint of PLDA", "supervector SVM",
    "stepwise mixture", "bayesian mixture", "dirichlet process", "mixture regressor",
    "outlier detector", "mixture HMM", "HMM classifier", "speaker store", "feature store index",
    "checkpoint of a mixture", "checkpoint of an estimator", "checkpoint of an extractor",
    "checkpoint of phone models",
)  # fmt: skip

TARGETS = {
    target.name: target
    for target in (
        _audio("audio-wav", seeds.waves),
        _audio("audio-flac", seeds.sounds(("FLAC", "PCM_16"), ("FLAC", "PCM_24"))),
        _audio("audio-ogg", seeds.sounds(("OGG", "VORBIS"), ("OGG", "OPUS"))),
        _audio("audio-mp3", seeds.sounds(("MP3", "MPEG_LAYER_III"))),
        _audio("audio-aiff", seeds.sounds(("AIFF", "PCM_16"), ("AIFF", "FLOAT"),
                                          ("SVX", "PCM_16"))),
        _audio("audio-au", seeds.sounds(("AU", "PCM_16"), ("CAF", "ALAC_16"), ("CAF", "PCM_16"))),
        _audio("audio-sph", seeds.sounds(("NIST", "PCM_16"), ("VOC", "PCM_16"), ("PAF", "PCM_16"),
                                         ("IRCAM", "PCM_16"), ("AVR", "PCM_16"))),
        _audio("audio-sds", seeds.sounds(("SDS", "PCM_16"), ("PVF", "PCM_16"), ("HTK", "PCM_16"))),
        Target("textgrid", read_textgrid, seeds.textgrids,
               tokens=(b'"IntervalTier"', b"intervals [1]:", b"xmin = 0", b"text =", b"item [1]:"),
               before='File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n9999999\n'
                      '<exists>\n1\n"IntervalTier"\n"words"\n0\n9999999\n{0}\n',
               row='{0}\n{0}.5\n"w"\n'.format),
        Target("ctm", read_ctm, seeds.ctms, row="u{0} 1 0.1 0.2 w 0.5\n".format),
        Target("arpa", BackoffLanguageModel.read_arpa, seeds.arpas,
               tokens=(b"\\data\\", b"\\1-grams:", b"\\2-grams:", b"\\end\\", b"ngram 1=", b"<s>",
                       b"</s>"),
               before="\\data\\\nngram 1={0}\n\\1-grams:\n", row=_unigram,
               after="\\end\\\n"),
        Target("lexicon", Lexicon.read, seeds.lexicons, tokens=(b"(2)", b"0.5", b"AH0", b";;;"),
               row="w{0} A B\n".format),
        Target("phone-mapping", read_phone_mapping, lambda: [b"AX AH\nQ\nsil sil\n"],
               row="p{0} q\n".format),
        Target("list", _listed, seeds.listings, "list.tsv", tokens=_COLUMNS,
               before="path\tspeaker\ttext\n", row="{0}.wav\ts{0}\tw\n".format),
        Target("list-csv", _listed, seeds.listings, "list.csv", tokens=_COLUMNS,
               before="path,speaker,text\n", row='"{0}.wav",s{0},"a ""b"""\n'.format),
        Target("word-table", _cut, lambda: [b"utterance\tstart\tduration\tword\nu1\t0\t0.5\tyes\n"],
               "words.tsv", tokens=_COLUMNS, before="utterance\tstart\tduration\tword\n",
               row="u1\t{0}\t0.5\tw{0}\n".format),
        *map(_of_protocol, PROTOCOL),
        Target("scores", read_scores, seeds.score_files, tokens=(b"target", b"nontarget"),
               before="model\tpath\tscore\tlabel\n", row="m{0}\t{0}.wav\t0.5\ttarget\n".format),
        *map(_of_kaldi, KALDI),
        Target("kaldi-spk2gender", lambda path: read_speaker_sexes(read_corpus(path.parent)),
               lambda: [b"ana f\n"], "spk2gender", KALDI, tokens=(b"ana m", b"\t", b"f m"),
               row="s{0} f\n".format),
        Target("list-sexes", lambda path: read_speaker_sexes(read_corpus(path)),
               lambda: [b"path\tspeaker\tsex\n1.wav\ta\tf\n2.wav\tb\tmale\n"], "list.tsv",
               tokens=(*_COLUMNS, b"gender", b"sex"), before="path\tspeaker\tsex\n",
               row="{0}.wav\ts{0}\tf\n".format),
        Target("text-beside", _beside, lambda: [b"YES NO\nMAYBE\n"], "a.txt", {"a.wav": b""},
               row="w{0}\n".format),
        Target("chapter-beside", _beside, lambda: [b"a YES NO\nb MAYBE\n"], "x.trans.txt",
               {"a.wav": b""}, before="a w\n", row="u{0} w{0}\n".format),
        Target("sentences", lambda path: read_sentences(path, False, "lower"),
               lambda: [b"yes no\nmaybe\n"], row="w{0} w\n".format),
        Target("words", lambda path: read_word_sequences(path, "upper"),
               lambda: [*seeds.decoded(), *seeds.ctms(), KALDI["text"]], row="u{0} w{0}\n".format),
        Target("words-json", lambda path: read_word_sequences(path, None), seeds.decoded, "a.json",
               before='{{"utterances": [', after='{"utterance": "u", "hypotheses": []}]}',
               row='{{"utterance": "u{0}", "hypotheses": [{{"words": ["w"]}}]}},'.format),
        Target("kaldi-scp", lambda path: read_scp(path, path.parent),
               lambda: [b"u1 a.ark:12\nu2 a.ark:99[0:5]\n"], "feats.scp",
               tokens=(b"cat a |", b":12", b"[0:5]", b"-"), row="u{0} a.ark:{0}\n".format),
        Target("kaldi-ark", lambda path: read_matrix(ArchivePlace(path, 0, None)), seeds.matrices,
               tokens=(b"\0BFM ", b"\0BDM ", b"\0BFV ", b"\0BCM ", b"\0BCM2 ", b"\0BCM3 ", b"\4")),
        Target("kaldi-vectors", read_embeddings, seeds.vectors,
               tokens=(b"\0BFV ", b"\0BDV ", b"\4", b" [ ", b" ]\n"),
               row="u{0} [ {0} 1.5 ]\n".format),
        Target("kaldi-plda", read_kaldi_plda, seeds.kaldi_plda,
               tokens=(b"<Plda>", b"</Plda>", b"DV ", b"DM ", b"\4", b"[", b"]")),
        Target("kaldi-model", read_kaldi_model, seeds.kaldi_models,
               tokens=(b"<Topology> ", b"<Triples> ", b"<Tuples> ", b"FV ", b"FM ", b"DM ", b"\4",
                       b"<DiagGMM> ", b"<GCONSTS> ", b"<State>", b"<PdfClass>", b"[", b"]")),
        Target("kaldi-tree", read_kaldi_tree, seeds.kaldi_trees,
               tokens=(b"CE ", b"SE ", b"TE ", b"NULL ", b"{ ", b"} ", b"( ", b") ", b"\4"),
               before="ContextDependency 1 0 ToPdf TE 0 {0} (\n", row="CE {0}\n".format,
               after=") EndContextDependency\n"),
        Target("kaldi-matrix", read_kaldi_matrix, seeds.kaldi_matrices,
               tokens=(b"\0BFM ", b"\0BDM ", b"\4", b"[", b"]"), before=" [\n",
               row="{0} 1.5\n".format, after="]\n"),
        Target("kaldi-symbols", read_symbols, lambda: [PHONE_NAMES], row="p{0} {0}\n".format),
        Target("kaldi-options", _options,
               lambda: [b"--use-energy=false\n--num-ceps=20 # no\n"],
               tokens=(b"--", b"=", b"--splice-opts", b"'", b"--low-freq=", b"1e999")),
        Target("mfa-zip", lambda path: import_model(path, {"a": "a"}), seeds.mfa_zips, "a.zip",
               tokens=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"../", b"final.mdl", b"meta.json")),
        Target("mfa-meta-json", lambda path: MfaMeta.parse("a.json", path.read_bytes()),
               lambda: [META_JSON], tokens=(b"null", b"true", b"[]", b"{}", b'"pitch":')),
        Target("mfa-meta-yaml", lambda path: MfaMeta.parse("a.yaml", path.read_bytes()),
               lambda: [META_YAML],
               tokens=(b"&a", b"*a", b"<<:", b"!!python", b"|", b">", b"- ", b": ", b"? ")),
        Target("numpy-vectors", read_embeddings, seeds.arrays, "a.npy",
               {"a.ids": b"u1 ana\nu2 bea\n"},
               tokens=(b"'<f8'", b"'|O'", b"(2, 3)", b"True", b"\x93NUMPY")),
        *map(_of_record, RECORDS),
        Target("features-toml", FeatureConfig.load, seeds.configurations, "a.toml",
               tokens=(b"preset", b"'''", b'"""', b"[[a]]", b"a.b.c", b"1979-05-27")),
        Target("features-json", FeatureConfig.load, seeds.json_configurations, "a.json",
               tokens=(b"null", b"true", b"[[", b"\\ud800", b"{}", b"NaN")),
    )
}  # fmt: skip
"""Targets by name."""
