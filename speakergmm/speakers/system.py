"""A speaker system: a background model with everything that turns speech into a decision."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from speakergmm import records
from speakergmm.corpora import AnyPath, is_path
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.file_kinds import describe_file
from speakergmm.ranges import choice
from speakergmm.speakers.backends import BACKENDS, Backend, Terms, TrainedBackend, make_backend
from speakergmm.speakers.background import BackgroundModel, as_background
from speakergmm.speakers.calibration.score_calibration import Calibration
from speakergmm.speakers.cohort import Cohort
from speakergmm.speakers.normalised_scorer import NormalisedScorer
from speakergmm.speakers.speaker_options import (
    AdaptationOptions,
    BackendName,
    NormalisationOptions,
    ProtocolOptions,
)


@dataclass(frozen=True, eq=False, repr=False)
class SpeakerSystem(records.Filed):
    """A background model, a back-end, a score normalisation with its cohort, and a calibration.

    A system determines the score of every trial. It can be trained and calibrated once and used on
    any number of stores and protocols.

    Parameters
    ----------
    background : BackgroundModel
    adaptation : AdaptationOptions
        Enrolment of speakers.
    backend_name : {"gmm-ubm", "linear", "ivector", "isv", "jfa", "svm"}
        What scores them.
    normalisation : NormalisationOptions
        Normalisation of the scores; needs a cohort unless it is ``"none"``.
    cohort : Cohort or None
    calibration : Calibration or None
        Makes log-likelihood ratios of the scores; None if the system is not calibrated.
    provenance : dict
        How cohort and calibration were made, as JSON can hold it; no part of the digest.
    calibrated_digest : str, optional
        Digest of the system that was calibrated; by default, of this one.
    trained : TrainedBackend, optional
        What the back-end learnt, if it is one that must be trained; see `train_backend`.

    Raises
    ------
    InvalidInputError
        If there is no such back-end, it cannot work with the adaptation, it is not trained, or
        there is a normalisation without a cohort.
    InsufficientDataError
        If adaptive S-norm lacks the tests of a speaker of the cohort.
    IncompatibleModelError
        If the cohort, the calibration or what was trained belong to another system.
    """

    file_kind: ClassVar[str] = "speaker system"

    background: BackgroundModel
    adaptation: AdaptationOptions = field(default_factory=AdaptationOptions)
    backend_name: str = "gmm-ubm"
    normalisation: NormalisationOptions = field(default_factory=NormalisationOptions)
    cohort: Cohort | None = None
    calibration: Calibration | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    calibrated_digest: str | None = None
    trained: TrainedBackend | None = None

    def __post_init__(self) -> None:
        """Check that the parts belong together, and bind a calibration to this system."""
        choice("backend", self.backend_name, BACKENDS)
        self._check_cohort()
        if self.calibration is None:
            object.__setattr__(self, "calibrated_digest", None)
        elif self.calibrated_digest is None:
            object.__setattr__(self, "calibrated_digest", self.digest)
        elif self.calibrated_digest != self.digest:
            raise IncompatibleModelError(
                "the calibration is that of another system, whose scores are others; calibrate "
                "this one"
            )

    def _check_cohort(self) -> None:
        """Raise an error if the cohort does not belong to the other parts."""
        backend = self.backend  # which refuses an adaptation that it cannot work with
        kind, cohort = self.normalisation.normalisation, self.cohort
        if kind != "none" and cohort is None:
            raise InvalidInputError(f"normalisation {kind!r}: needs a cohort")
        if cohort is None:
            return
        if cohort.background_digest != self.background.digest:
            raise IncompatibleModelError("the cohort was enrolled with another background model")
        if cohort.backend != self.backend_name:
            raise IncompatibleModelError(
                f"the cohort was enrolled for back-end {cohort.backend!r}, not "
                f"{self.backend_name!r}"
            )
        if cohort.backend_digest != backend.digest:
            raise IncompatibleModelError(
                "the cohort was enrolled with other options than the system has, such as another "
                "relevance factor; make one with the back-end of the system"
            )
        cohort.terms(backend)
        if cohort.n_tests and cohort.frames.shape[1] != self.background.mixture.n_features:
            raise IncompatibleModelError(
                f"the tests of the cohort have {cohort.frames.shape[1]} features, those of the "
                f"background model {self.background.mixture.n_features}"
            )
        if self.normalisation.needs_tests and not cohort.n_tests:
            raise InvalidInputError(
                f"normalisation {kind!r}: needs a cohort with tests; make one with "
                "tests_per_speaker (calibrate --cohort)"
            )
        if kind == "adaptive_s":
            _ = cohort.averages_of_speakers  # which refuses a speaker without a test

    def __repr__(self) -> str:
        parts = [f"{self.background!r}", f"backend={self.backend_name!r}"]
        if self.normalisation.normalisation != "none":
            parts.append(f"normalisation={self.normalisation.normalisation!r}")
        if self.cohort is not None:
            parts.append(f"{self.cohort!r}")
        parts.append("calibrated" if self.calibration is not None else "not calibrated")
        return f"SpeakerSystem({', '.join(parts)})"

    @cached_property
    def backend(self) -> Backend:
        """The back-end."""
        return make_backend(self.backend_name, self.background, self.adaptation, self.trained)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of what determines scores: all parts but the calibration."""
        return records.digest(
            self.file_kind,
            self.background.digest,
            self.backend_name,
            self.adaptation,
            self.normalisation,
            None if self.cohort is None else self.cohort,
            *(() if self.trained is None else (self.trained.digest,)),
        )

    def check_adaptation(self, wanted: AdaptationOptions) -> None:
        """Raise an error if speakers are adapted in another way than is asked for.

        Raises
        ------
        IncompatibleModelError
            If they are; the message says how.
        """
        own = self.adaptation
        if wanted != own:
            raise IncompatibleModelError(
                f"the system adapts {', '.join(own.parameters)} with relevance factor "
                f"{own.relevance_factor:g}, not {', '.join(wanted.parameters)} with "
                f"{wanted.relevance_factor:g}; leave the options out"
            )

    def check_backend(self, wanted: BackendName) -> None:
        """Raise an error if another back-end scores than is asked for.

        Raises
        ------
        IncompatibleModelError
            If it does; the message names both.
        """
        if wanted != self.backend_name:
            raise IncompatibleModelError(
                f"the system has backend {self.backend_name}, not {wanted}; leave the option out"
            )

    def check_options(self, options: ProtocolOptions) -> None:
        """Raise an error if options other than their defaults contradict the system.

        Raises
        ------
        IncompatibleModelError
            If they do.
        """
        usual = ProtocolOptions()
        if options.adaptation != usual.adaptation:
            self.check_adaptation(options.adaptation)
        if options.backend != usual.backend:
            self.check_backend(options.backend)
        wanted = options.score_normalisation
        if wanted not in (usual.score_normalisation, self.normalisation):
            raise IncompatibleModelError(
                f"the system has score normalisation {self.normalisation}, not {wanted}; leave the "
                "option out"
            )

    def scorer(self, names: tuple[str, ...], terms: Terms) -> NormalisedScorer:
        """Return a scorer of S speakers whose terms are arrays with S as the first axis."""
        used = None if self.normalisation.normalisation == "none" else self.cohort
        return NormalisedScorer(self.backend, names, terms, used, self.normalisation)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other parts; it is calibrated only if its scores are the same."""
        if "calibration" in changes:
            changes = {"calibrated_digest": None, **changes}
        elif changes.keys() - {"provenance"}:
            changes = {"calibration": None, "calibrated_digest": None, **changes}
        return replace(self, **changes)

    def info(self) -> dict[str, Any]:
        """Return a description of the system as JSON can hold it."""
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            "relevance_factor": self.adaptation.relevance_factor,
            "parameters": list(self.adaptation.parameters),
            "backend": self.backend_name,
            "trained": None if self.trained is None else self.trained.info(),
            "normalisation": self.normalisation.normalisation,
            "cohort_speakers": 0 if self.cohort is None else len(self.cohort.speakers),
            "calibration": None if self.calibration is None else self.calibration.info(),
            "background": self.background.info(),
            "provenance": self.provenance,
        }


AnySystem = SpeakerSystem | BackgroundModel | AnyPath
"""A speaker system, a background model, or the path of the file of either."""


def loaded_system(given: AnySystem) -> SpeakerSystem | BackgroundModel:
    """Return a system or background model as it is, or read it from the file of a path.

    Raises
    ------
    InvalidTypeError
        If it is something else.
    ModelFormatError
        If the file is neither, or is damaged.
    """
    if is_path(given):
        path = Path(given)
        is_system = path.is_file() and SpeakerSystem.file_kind in describe_file(path)
        return SpeakerSystem.load(path) if is_system else BackgroundModel.load(path)
    return given if isinstance(given, SpeakerSystem) else as_background(given)


def as_system(
    given: AnySystem,
    adaptation: AdaptationOptions | None = None,
    backend: BackendName | None = None,
) -> SpeakerSystem:
    """Return a system: a background model becomes one without normalisation and calibration.

    Parameters
    ----------
    given : SpeakerSystem, BackgroundModel or path of either
    adaptation : AdaptationOptions, optional
        Enrolment of speakers, if a background model is given; that of a system is its own.
    backend : {"gmm-ubm", "linear", "ivector", "isv", "jfa", "svm"}, optional
        Back-end, if a background model is given: "gmm-ubm" by default. That of a system is its own.

    Raises
    ------
    IncompatibleModelError
        If a system has another adaptation or back-end than asked for.
    InvalidInputError
        If a background model is given, and the back-end must be trained.
    InvalidTypeError, ModelFormatError
        As for `loaded_system`.
    """
    loaded = loaded_system(given)
    if isinstance(loaded, BackgroundModel):
        return SpeakerSystem(loaded, adaptation or AdaptationOptions(), backend or "gmm-ubm")
    if adaptation is not None:
        loaded.check_adaptation(adaptation)
    if backend is not None:
        loaded.check_backend(backend)
    return loaded
