"""Models of Kaldi and of the Montreal Forced Aligner as acoustic models of this package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath
from speakergmm.corpora.names import shown
from speakergmm.errors import IncompatibleModelError, InvalidInputError, ModelFormatError
from speakergmm.features import FeatureTransform, cached_extractor
from speakergmm.files import read_bytes, shown_path
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.hmm.models.decision_tree import DecisionTree
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transitions import Transitions
from speakergmm.hmm.models.tying import Tying
from speakergmm.recognition.acoustic_model import AcousticModel
from speakergmm.recognition.imported.context_trees import as_decision_tree
from speakergmm.recognition.imported.feature_options import (
    ImportedFeatures,
    kaldi_features,
    parse_options,
)
from speakergmm.recognition.imported.kaldi_model import (
    KaldiModel,
    read_kaldi_matrix,
    read_kaldi_model,
)
from speakergmm.recognition.imported.kaldi_transitions import KaldiTransitions
from speakergmm.recognition.imported.kaldi_tree import KaldiTree, read_kaldi_tree
from speakergmm.recognition.imported.mfa_meta import POSITIONS, MfaMeta
from speakergmm.recognition.imported.model_files import ModelFiles
from speakergmm.recognition.imported.symbols import read_symbols
from speakergmm.recognition.language_arguments import as_lexicon
from speakergmm.recognition.silence_model import SilenceModel

T = TypeVar("T")

_TRANSFORMS = ("lda.mat", "final.mat")
_OPTIONS = ("delta_opts", "cmvn_opts", "splice_opts")
_LARGEST_TEXT = 1 << 20


@dataclass(frozen=True, eq=False)
class ImportedModel:
    """A model that Kaldi or the Montreal Forced Aligner has trained.

    Parameters
    ----------
    source : Path
        The folder or zip that it was read from.
    model : KaldiModel
        Transitions and mixtures.
    phones : dict of int to str
        Name of each numbered phone.
    features : ImportedFeatures
        Its features.
    transform : FeatureTransform or None
        What makes features of spliced frames, such as LDA with MLLT.
    unadapted : KaldiModel or None
        Of a model that was trained on features adapted to each speaker: the one for features that
        are not (``final.alimdl``).
    silence : SilenceModel
        Names and probabilities of pauses.
    unknown : tuple of str or None
        Word for unknown words, and its phone.
    origin : str
        The program that trained it, and its version.
    tree : KaldiTree, optional
        Pdfs of phones in context.
    """

    source: Path
    model: KaldiModel
    phones: dict[int, str]
    features: ImportedFeatures
    transform: FeatureTransform | None
    unadapted: KaldiModel | None
    silence: SilenceModel
    unknown: tuple[str, str] | None
    origin: str
    tree: KaldiTree | None = None

    @classmethod
    def read(
        cls, path: AnyPath, *, phones: AnyPath | None = None, options: AnyPath | None = None
    ) -> ImportedModel:
        """Read a model from a folder of Kaldi, or from a folder or zip of MFA.

        Parameters
        ----------
        path : path
            The folder, which has ``final.mdl``, or the zip.
        phones : path, optional
            ``phones.txt``, if it is not there.
        options : path, optional
            Options of Kaldi's features, such as ``mfcc.conf``, if they are not there.

        Raises
        ------
        UnreadableFileError, ModelFormatError
            If a file is missing or damaged.
        IncompatibleModelError
            If the model needs what this package lacks; it is named.
        """
        files = ModelFiles.of(path)
        named = files.first(*_TRANSFORMS)
        matrix = None if named is None else _of_file(read_kaldi_matrix, files, named)
        name = files.first("meta.json", "meta.yaml")
        meta = None
        if name is not None:
            with _told(files.shown(name)):
                meta = MfaMeta.parse(name, files.read(name), spliced=matrix is not None)
        model = _of_file(read_kaldi_model, files, "final.mdl")
        unadapted = None
        if "final.alimdl" in files.names:
            unadapted = _of_file(read_kaldi_model, files, "final.alimdl")
        names = _phone_names(files, phones, model, meta)
        if meta is None:
            features = _kaldi_features(files, options, spliced=matrix is not None)
            silence = SilenceModel(next((s for s in ("SIL", "sil") if s in names.values()), None))
            unknown, origin = None, "Kaldi"
        else:
            features, silence, unknown = meta.features, meta.silence, meta.unknown
            origin = f"Montreal Forced Aligner {meta.version}"
        transform = _transform(files, named, matrix, features)
        tree = _of_file(read_kaldi_tree, files, "tree") if "tree" in files.names else None
        parts = (features, transform, unadapted, silence, unknown, origin, tree)
        return cls(files.path, model, names, *parts)

    def phone_models(self) -> PhoneModels:
        """Return the models of the phones, with a decision tree if they depend on their neighbours.

        They are those of `unadapted`, if there are any: features have no transform of the speaker.
        Transitions of a state in context, of which Kaldi has some for each pdf, are their average.

        Raises
        ------
        IncompatibleModelError
            If more than the nearest neighbours matter, or the tree is missing or of another model.
        """
        model = self.unadapted or self.model
        transitions = model.transitions
        rows: dict[tuple[int, int], list[int]] = {}
        for row, (phone, state, _) in enumerate(transitions.states.tolist()):
            rows.setdefault((phone, state), []).append(row)
        kinds, pdfs, probabilities = [], [], []
        for number, name in self.phones.items():
            topology = transitions.phones[number].topology
            kinds.append(topology)
            probabilities.append([1.0])  # of the entry
            for state in range(topology.n_states):
                if (number, state) not in rows:
                    raise IncompatibleModelError(
                        f"{shown(self.source)}: state {state} of phone {name!r} has no transitions"
                    )
                own = rows[number, state]
                pdfs.append(int(transitions.states[own[0], 2]))
                probabilities.append(_mean_probabilities(transitions, own))
        parts = tuple(self.phones.values()), tuple(kinds)
        chances = Transitions.from_probabilities(kinds, np.concatenate(probabilities))
        if len(rows) < len(transitions.states):
            tree = self._decision_tree()
            return PhoneModels(*parts, tree.roots, chances, model.bank, tree)
        used, pdf_id = np.unique(pdfs, return_inverse=True)
        tying = Tying.from_ids(kinds, pdf_id.astype(np.int32))
        return PhoneModels(*parts, tying, chances, model.bank.subset(used))

    def _decision_tree(self) -> DecisionTree:
        """Return the tree of phones in context.

        Raises
        ------
        IncompatibleModelError
            If there is none, or it belongs to another model.
        """
        if self.tree is None:
            raise IncompatibleModelError(
                f"{shown(self.source)}: phones depend on neighbours, and there is no file 'tree'"
            )
        with _told(self.source):
            tree = as_decision_tree(self.tree, self.phones, self.model.transitions.phones)
        found, named = tree.n_pdfs, self.model.bank.n_pdfs
        if found != named:
            raise IncompatibleModelError(
                f"{shown(self.source)}: the tree has {found:,} pdfs, the model {named:,}; they do "
                "not belong together"
            )
        return tree

    def acoustic_model(self, lexicon: Lexicon | AnyPath | Mapping[str, Any]) -> AcousticModel:
        """Return the model with a lexicon, ready to align and to decode.

        Parameters
        ----------
        lexicon : Lexicon, path or mapping
            Pronunciations in phones of the model, without the places in words (``_B``) that its
            names may have.

        Raises
        ------
        IncompatibleModelError
            If the model needs what this package lacks, or lacks phones of the lexicon: all are
            named, with the number of pronunciations that have them.
        """
        models = self.phone_models()
        units = set(models.units)
        has_places = any(unit.endswith(POSITIONS) for unit in units)
        bases = {_base(unit) for unit in units} if has_places else units
        words = as_lexicon(lexicon, units=bases)
        _check_phones(words, units | bases)
        ways = {
            word: tuple(_placed(way, units) if has_places else way for way in words[word])
            for word in words
        }
        unknown = None
        if self.unknown is not None and self.unknown[1] in units:
            unknown = self.unknown[0]
            ways.setdefault(unknown, (Pronunciation((self.unknown[1],)),))
        return AcousticModel(
            models,
            Lexicon(ways, words.source),
            self.features.config,
            self.features.normalisation,
            self.silence,
            unknown,
            {"imported_from": self.origin, "source": self.source.name},
            transform=self.transform,
        )


def _mean_probabilities(transitions: KaldiTransitions, rows: list[int]) -> list[float]:
    """Return the probabilities of the arcs of a state, averaged over its pdfs."""
    parts = [slice(transitions.first[row], transitions.first[row + 1]) for row in rows]
    mean = np.mean([np.exp(transitions.log_probability[part]) for part in parts], axis=0)
    return list((mean / mean.sum()).tolist())


def import_model(
    path: AnyPath,
    lexicon: Lexicon | AnyPath | Mapping[str, Any],
    *,
    phones: AnyPath | None = None,
    options: AnyPath | None = None,
) -> AcousticModel:
    """Return a model of Kaldi or of the Montreal Forced Aligner, ready to align and to decode.

    See `ImportedModel.read` and `ImportedModel.acoustic_model`, which it calls.
    """
    return ImportedModel.read(path, phones=phones, options=options).acoustic_model(lexicon)


def _phone_names(
    files: ModelFiles, given: AnyPath | None, model: KaldiModel, meta: MfaMeta | None
) -> dict[int, str]:
    """Return the names of the phones of a model, sorted by their numbers."""
    numbers = sorted(model.transitions.phones)
    if given is None and "phones.txt" not in files.names:
        if meta is None:
            raise ModelFormatError(f"{shown(files.path)}: has no phones.txt; give it")
        with _told(files.path):
            return meta.numbered_phones(len(numbers))
    if given is not None:
        place, content = Path(given), read_bytes(given, limit=_LARGEST_TEXT)
    else:
        place, content = files.shown("phones.txt"), files.read("phones.txt")
    named = {number: name for name, number in read_symbols(place, content).items()}
    if missing := [number for number in numbers if number not in named]:
        raise ModelFormatError(
            f"{shown(place)}: has no name of phone {missing[0]}"
            + f" and {len(missing) - 1} more" * (len(missing) > 1)
        )
    return {number: named[number] for number in numbers}


def _kaldi_features(
    files: ModelFiles, options: AnyPath | None, *, spliced: bool
) -> ImportedFeatures:
    """Return the features of the options in a folder and those that are given."""
    # Kaldi's own default, where a recipe states none.
    given: dict[str, str] = {"left-context": "4", "right-context": "4"} if spliced else {}
    found = [(files.shown(name), files.read(name)) for name in _OPTIONS if name in files.names]
    conf = files.first("mfcc.conf", "conf/mfcc.conf")
    if options is not None:
        found.append((Path(options), read_bytes(options, limit=_LARGEST_TEXT)))
    elif conf is not None:
        found.append((files.shown(conf), files.read(conf)))
    else:
        raise ModelFormatError(f"{shown(files.path)}: has no mfcc.conf; give it")
    for place, content in found:
        with _told(place):
            given |= parse_options(content.decode("utf-8", "replace"))
    with _told(files.path):
        return kaldi_features(given)


def _of_file(read: Callable[[Path, bytes], T], files: ModelFiles, name: str) -> T:
    """Return what a reader makes of one of the files."""
    return read(files.shown(name), files.read(name))


def _transform(
    files: ModelFiles, name: str | None, matrix: NDArray[np.float64] | None, of: ImportedFeatures
) -> FeatureTransform | None:
    """Return the transform of a matrix, which must fit the features."""
    if name is None or matrix is None:
        if of.splice is not None:
            raise IncompatibleModelError(
                f"{shown(files.path)}: frames are spliced, but there is no transform of them "
                f"({' or '.join(_TRANSFORMS)})"
            )
        return None
    left, right = of.splice or (0, 0)
    with _told(files.shown(name)):
        n_features = cached_extractor(of.config).n_features
        return FeatureTransform.of_matrix(matrix, n_features, left=left, right=right)


@contextmanager
def _told(place: Path) -> Iterator[None]:
    """Let errors of a content be errors of its file."""
    try:
        yield
    except InvalidInputError as error:
        raise IncompatibleModelError(f"{shown_path(place)}: {error}") from None


def _base(unit: str) -> str:
    return unit[:-2] if unit.endswith(POSITIONS) else unit


def _check_phones(words: Lexicon, known: set[str]) -> None:
    """Raise an error with all phones of a lexicon that a model lacks."""
    missing = Counter(
        phone
        for word in words
        for way in words[word]
        for phone in set(way.phones)
        if phone not in known
    )
    if missing:
        listed = ", ".join(f"{phone} ({count})" for phone, count in missing.most_common(20))
        more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
        raise IncompatibleModelError(
            f"{shown_path(words.source)}: the model lacks phones of the lexicon (pronunciations "
            f"that have them): {listed}{more}; it has {', '.join(sorted(known)[:60])}"
        )


def _placed(way: Pronunciation, units: set[str]) -> Pronunciation:
    """Return a pronunciation in phones that are named by their places in the word."""
    last = len(way.phones) - 1
    named = []
    for place, phone in enumerate(way.phones):
        end = "_S" if not last else "_B" if not place else "_E" if place == last else "_I"
        named.append(phone if phone in units else phone + end)
    return Pronunciation(tuple(named), way.probability)
