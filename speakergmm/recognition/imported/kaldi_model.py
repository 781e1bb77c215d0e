"""Kaldi's acoustic models with diagonal Gaussians: ``final.mdl`` and ``final.alimdl``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath
from speakergmm.corpora.kaldi_values import KaldiValues
from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.recognition.imported.kaldi_transitions import KaldiTransitions, read_transitions

# Kaldi computes its constants in float32, from parameters of which they are sums.
_CLOSE, _CLOSE_RELATIVE = 0.02, 1e-4
_BEGIN, _END = ("<DiagGMM>", "<DiagGMMBegin>"), ("</DiagGMM>", "<DiagGMMEnd>")
_OTHERS = {"<Nnet3>": "a neural net", "<Nnet>": "a neural net", "<FullGMM>": "full covariances",
           "<SubsampleModel>": "subspace Gaussians", "<SGMM>": "subspace Gaussians"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class KaldiModel:
    """A Gaussian-mixture model of Kaldi.

    Parameters
    ----------
    transitions : KaldiTransitions
        Topologies and transition probabilities.
    bank : MixtureBank
        Mixtures of all pdfs, with diagonal covariances.
    """

    transitions: KaldiTransitions
    bank: MixtureBank


def read_kaldi_model(path: AnyPath, content: bytes | None = None) -> KaldiModel:
    """Read ``final.mdl`` or ``final.alimdl``, in binary or text form.

    Parameters
    ----------
    path : path
        The file.
    content : bytes, optional
        Its content, if it has been read already, as from a zip.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    ModelFormatError
        With file and byte, if it is damaged, contradicts itself, or is a model of another kind,
        such as a neural net.
    """
    values = KaldiValues(path, content)
    transitions = read_transitions(values)
    kind = values.token()
    if kind != "<DIMENSION>":
        what = _OTHERS.get(kind, f"{kind!r}")
        values.refuse(f"the model has {what}; mixtures of diagonal Gaussians are read")
    n_features = values.integer(least=1, most=1 << 16)
    values.expect("<NUMPDFS>")
    n_pdfs = values.count(least=1)
    if n_pdfs < transitions.n_pdfs:
        values.refuse(f"{n_pdfs} pdfs, but the transitions name {transitions.n_pdfs}")
    parts = [_mixture(values, n_features) for _ in range(n_pdfs)]
    values.end()
    offsets = np.cumsum([0, *(len(weights) for weights, _, _ in parts)])
    weights, means, variances = (np.concatenate(each) for each in zip(*parts, strict=True))
    try:
        bank = MixtureBank.from_parameters(offsets, weights, means, variances)
    except InvalidInputError as error:
        values.refuse(str(error))
    return KaldiModel(transitions, bank)


_Array = NDArray[np.float64]


def _mixture(values: KaldiValues, n_features: int) -> tuple[_Array, _Array, _Array]:
    """Return weights, means and variances of a pdf; its constants are checked, if there are any."""
    values.expect(*_BEGIN)
    constants = None
    if values.expect("<GCONSTS>", "<WEIGHTS>") == "<GCONSTS>":
        constants = values.vector(finite=False)
        values.expect("<WEIGHTS>")
    weights = values.vector()
    values.expect("<MEANS_INVVARS>")
    scaled = values.matrix()
    values.expect("<INV_VARS>")
    precisions = values.matrix()
    values.expect(*_END)
    shape = (len(weights), n_features)
    if not len(weights) or scaled.shape != shape or precisions.shape != shape:
        found = f"{len(weights)} weights, means {scaled.shape}, variances {precisions.shape}"
        values.refuse(f"parts of a mixture of {n_features} features do not agree: {found}")
    if not ((precisions > 0).all() and (weights >= 0).all() and abs(weights.sum() - 1) < 1e-3):
        values.refuse("variances must be positive, and the weights of a pdf must sum to 1")
    with np.errstate(all="ignore"):
        means, variances = scaled / precisions, 1 / precisions
        own = np.log(weights) - 0.5 * (
            n_features * np.log(2 * np.pi) - np.log(precisions).sum(1) + (means * scaled).sum(1)
        )
        if constants is not None and not (
            len(constants) == len(weights)
            and np.allclose(own, constants, rtol=_CLOSE_RELATIVE, atol=_CLOSE)
        ):
            values.refuse("the constants (<GCONSTS>) of a mixture disagree with its parameters")
    return weights / weights.sum(), means, variances


def read_occupancies(path: AnyPath) -> NDArray[np.float64]:
    """Read ``final.occs``: frames of each pdf in training, shape (P,).

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    ModelFormatError
        With file and byte, if it is no vector.
    """
    values = KaldiValues(path)
    found = values.vector()
    values.end()
    return found


def read_kaldi_matrix(path: AnyPath, content: bytes | None = None) -> NDArray[np.float64]:
    """Read a matrix (N, M) from a file of its own, such as ``final.mat``, in binary or text form.

    Its content may be given, if it has been read already.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    ModelFormatError
        With file and byte, if it is none.
    """
    values = KaldiValues(path, content)
    found = values.matrix()
    values.end()
    if not found.size:
        values.refuse("the matrix is empty")
    return found
