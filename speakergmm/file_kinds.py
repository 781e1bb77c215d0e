"""Recognition of the kind of a file by its first bytes.

A complete file of the wrong kind is never called damaged: messages state what it is, and which
command makes a file of the right kind.
"""

import os
import re
from importlib import import_module
from typing import Any, NamedTuple

from speakergmm.files import open_regular

STORE_APPLICATION_ID = 0x53474D4D
"""Mark of speaker stores in the header of SQLite ("SGMM")."""

_BYTES_LOOKED_AT = 4096
_UNKNOWN = "of an unknown format or damaged"

# A model file begins with the length of its header and the header, in which this entry is first.
_MODEL = re.compile(
    rb'.{8}\{"__metadata__":\{"speakergmm":"\{\\"content_sha256\\": \\"[0-9a-f]{64}\\", '
    rb'\\"format_version\\": \d+, \\"kind\\": \\"([ -!#-\[\]-~]{1,60})\\"',
    re.DOTALL,
)


class Kind(NamedTuple):
    """A kind of file that this toolkit writes.

    Attributes
    ----------
    reader : str
        The class that reads it, as ``"module:class"``; empty if only its writer does.
    made_by : str
        The commands that make such a file, for messages.
    has_info : bool
        Whether the class describes its content by a method ``info()``.
    """

    reader: str
    made_by: str = ""
    has_info: bool = False


KINDS = {
    "background model": Kind(
        "speakergmm.speakers.background:BackgroundModel", "train-ubm makes one", has_info=True
    ),
    "speaker system": Kind(
        "speakergmm.speakers.system:SpeakerSystem",
        "train-backend or calibrate makes one",
        has_info=True,
    ),
    "cohort": Kind("speakergmm.speakers.cohort:Cohort"),
    "statistics archive": Kind(
        "speakergmm.speakers.statistics_archive:StatisticsArchive", "run-protocol makes one"
    ),
    "acoustic model": Kind(
        "speakergmm.recognition.acoustic_model:AcousticModel",
        "train-hmm makes one of phones, train-words one of words",
        has_info=True,
    ),
    "speaker store": Kind(
        "speakergmm.speakers.store:SpeakerStore", "enroll makes one", has_info=True
    ),
    "score calibration": Kind(
        "speakergmm.speakers.calibration.score_calibration:Calibration",
        "calibrate makes one",
        has_info=True,
    ),
    "feature store": Kind(
        "speakergmm.features.store.feature_store:FeatureStore", "extract makes one", has_info=True
    ),
    "feature shard": Kind(""),
    "gaussian mixture": Kind("speakergmm.estimators.gaussian:GaussianMixture"),
    "bayesian gaussian mixture": Kind("speakergmm.estimators.bayesian:BayesianGaussianMixture"),
    "dirichlet process mixture": Kind(
        "speakergmm.estimators.dirichlet_process:DirichletProcessMixture"
    ),
    "mixture regressor": Kind("speakergmm.estimators.regression:GaussianMixtureRegressor"),
    "outlier detector": Kind("speakergmm.estimators.outlier:GaussianMixtureOutlierDetector"),
    "Gaussian mixture HMM": Kind(
        "speakergmm.estimators.hmm.gaussian_mixture_hmm:GaussianMixtureHMM"
    ),
    "HMM classifier": Kind("speakergmm.estimators.hmm.classifier:HMMClassifier"),
    "mixture statistics": Kind("speakergmm.gaussians.statistics:MixtureStatistics"),
    "i-vector extractor": Kind("speakergmm.subspace.total_variability:TotalVariability"),
    "joint factor analysis": Kind("speakergmm.subspace.joint_factors:JointFactors"),
    "affine transform": Kind("speakergmm.subspace.embedding_transforms:AffineTransform"),
    "nuisance projection": Kind("speakergmm.subspace.embedding_transforms:NuisanceProjection"),
    "length normalisation": Kind("speakergmm.subspace.embedding_transforms:LengthNormalisation"),
    "embedding scorer": Kind(
        "speakergmm.subspace.embedding_analysis:EmbeddingAnalysis", has_info=True
    ),
    "supervector SVM": Kind("speakergmm.speakers.supervector_svm:SupervectorSvm"),
    "trained i-vectors": Kind(
        "speakergmm.speakers.backends.ivector_backend:TrainedIvectors", has_info=True
    ),
    "trained session variability": Kind(
        "speakergmm.speakers.backends.factor_backends:TrainedSessionVariability", has_info=True
    ),
    "trained joint factors": Kind(
        "speakergmm.speakers.backends.factor_backends:TrainedJointFactors", has_info=True
    ),
    "trained supervectors": Kind(
        "speakergmm.speakers.backends.supervector_backend:TrainedSupervectors", has_info=True
    ),
    "embedding transformer": Kind("speakergmm.estimators.embeddings:EmbeddingTransformer"),
    "PLDA model": Kind("speakergmm.subspace.plda_model:Plda"),
    "training checkpoint": Kind(""),
}
"""Kinds of files by their name in the header."""

# Names of people, which files spell in small letters.
_NAMES_OF_PEOPLE = {name.lower(): name for name in ("Gaussian", "Bayesian", "Dirichlet")}
# Formats with two marks, which are recognised even if the bytes in between could be text.
_TWO_MARKS = (
    (re.compile(rb"(RIFF|RF64).{4}WAVE", re.DOTALL), "a WAV recording"),
    (re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL), "an AIFF recording"),
)
_SIGNATURES = (
    (b"RIFF", "a RIFF file"),
    (b"riff", "a W64 recording"),
    (b".snd", "an AU recording"),
    (b"NIST_1A", "a NIST SPHERE recording"),
    (b"caff", "a CAF recording"),
    (b"fLaC", "a FLAC recording"),
    (b"OggS", "an OGG recording"),
    (b"ID3", "an MP3 recording"),
    *((bytes((0xFF, second)), "an MP3 recording") for second in (0xF2, 0xF3, 0xFA, 0xFB)),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\x93NUMPY", "a NumPy array file"),
    (b"PK\x03\x04", "a ZIP archive (such as .npz, or a model of the Montreal Forced Aligner)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0BFM", "a Kaldi binary archive"),
    (b"\0BDM", "a Kaldi binary archive"),
)


def describe_file(path: str | os.PathLike[str]) -> str:
    """Return in a few words what a file is, such as ``"a WAV recording"``.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read.
    """
    with open_regular(path) as file:
        return describe_bytes(file.read(_BYTES_LOOKED_AT))


def describe_bytes(start: bytes) -> str:
    r"""Return in a few words what a file with these first bytes is.

    Examples
    --------
    >>> describe_bytes(b"RIFF\x24\0\0\0WAVEfmt "), describe_bytes(b"RIFF")
    ('a WAV recording', 'text')
    """
    if not start:
        return "empty"
    try:
        text = start[:_BYTES_LOOKED_AT].decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character of a text may be cut in two.
        text = start[: error.start].decode("utf-8") if error.start >= 4090 else "\0"
    for marks, words in _TWO_MARKS:
        if marks.match(start):
            return words
    # Before the signatures, since a text may begin with the letters of one, such as RIFF.
    if all(character.isprintable() or character in "\r\n\t" for character in text):
        return "text"
    for signature, words in _SIGNATURES:
        if start.startswith(signature):
            return words
    if start.startswith(b"SQLite format 3\0"):
        ours = int.from_bytes(start[68:72], "big") == STORE_APPLICATION_ID
        return (
            with_article("speaker store")
            if ours
            else "an SQLite database that is not a speaker store"
        )
    if found := _MODEL.match(start):
        return with_article(found.group(1).decode("ascii"))
    if start[0] == 0x80 and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "a Python pickle, which is never loaded because it can run code"
    return _UNKNOWN


def reader_of(kind: str) -> Any:
    """Return the class that reads a kind of file; only its module is imported.

    Examples
    --------
    >>> reader_of("mixture statistics").file_kind
    'mixture statistics'
    """
    module, _, name = KINDS[kind].reader.partition(":")
    return getattr(import_module(module), name)


def recognised(start: bytes) -> str | None:
    r"""Return what a file with these first bytes is; None if it is not recognised.

    Examples
    --------
    >>> recognised(b"fLaC\0"), recognised(b"\0\1")
    ('a FLAC recording', None)
    """
    found = describe_bytes(start)
    return None if found in (_UNKNOWN, "empty") else found


def needed(kind: str) -> str:
    """Return the name of a required kind of file, with the command that makes it.

    Examples
    --------
    >>> needed("background model")
    'a background model (train-ubm makes one)'
    """
    made_by = KINDS[kind].made_by if kind in KINDS else ""
    return with_article(kind) + (f" ({made_by})" if made_by else "")


def with_article(kind: str) -> str:
    """Return the name of a kind of file with its article.

    Examples
    --------
    >>> with_article("acoustic model"), with_article("HMM classifier")
    ('an acoustic model', 'an HMM classifier')
    >>> with_article("mixture statistics")
    'a file of mixture statistics'
    """
    words = " ".join(_NAMES_OF_PEOPLE.get(word, word) for word in kind.split())
    if words.endswith("s"):
        return f"a file of {words}"
    return f"{'an' if words.startswith((*'aeiou', 'HMM')) else 'a'} {words}"
