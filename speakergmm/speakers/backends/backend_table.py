"""The back-ends by name, and what those that are trained need."""

from __future__ import annotations

from collections.abc import Callable

from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.ranges import choice
from speakergmm.speakers.backends.backend import Backend
from speakergmm.speakers.backends.factor_backends import (
    JointFactorBackend,
    SessionVariabilityBackend,
    TrainedJointFactors,
    TrainedSessionVariability,
)
from speakergmm.speakers.backends.ivector_backend import IvectorBackend, TrainedIvectors
from speakergmm.speakers.backends.mixture_backends import GmmUbmBackend, LinearBackend
from speakergmm.speakers.backends.supervector_backend import (
    SupervectorBackend,
    TrainedSupervectors,
)
from speakergmm.speakers.backends.trained_backend import TrainedBackend
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.speaker_options import AdaptationOptions

BACKENDS: dict[str, Callable[..., Backend]] = {
    each.name: each
    for each in (
        GmmUbmBackend,
        LinearBackend,
        IvectorBackend,
        SessionVariabilityBackend,
        JointFactorBackend,
        SupervectorBackend,
    )
}

# Back-ends that take background models with full covariances, too.
_ANY_COVARIANCES = ("ivector",)

_TRAINED: dict[str, type[TrainedBackend]] = {
    each.backend_name: each
    for each in (
        TrainedIvectors,
        TrainedSessionVariability,
        TrainedJointFactors,
        TrainedSupervectors,
    )
}


def make_backend(
    name: str,
    background: BackgroundModel,
    adaptation: AdaptationOptions,
    trained: TrainedBackend | None = None,
) -> Backend:
    """Return the back-end of a name.

    Parameters
    ----------
    name : str
        A name in `BACKENDS`.
    background : BackgroundModel
    adaptation : AdaptationOptions
    trained : TrainedBackend, optional
        What the back-end learnt; those that are trained need it.

    Raises
    ------
    InvalidInputError
        If there is no such back-end, or it needs training.
    IncompatibleModelError
        If what was learnt belongs to another back-end or background model, or the back-end cannot
        work with the covariances of the background model.
    """
    made = BACKENDS[choice("backend", name, BACKENDS)]
    if name not in _ANY_COVARIANCES:
        _ = background.diagonal_mixture  # which refuses others
    needed = _TRAINED.get(name)
    if trained is None:
        if needed is not None:
            raise InvalidInputError(
                f"back-end {name!r}: must be trained on many speakers first: speakergmm "
                f"train-backend CORPUS --ubm UBM --backend {name} --output system.safetensors; "
                "that system takes the place of the background model"
            )
        return made(background, adaptation)
    if needed is None or not isinstance(trained, needed) or trained.backend_name != name:
        raise IncompatibleModelError(
            f"what was trained is for back-end {trained.backend_name!r}, not {name!r}"
        )
    trained.check_background(background)
    return made(background, adaptation, trained)
