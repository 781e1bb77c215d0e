"""Checks that two objects were made with the same features and background model."""

import numpy as np

from speakergmm.errors import IncompatibleModelError
from speakergmm.features import FeatureConfig, check_same_features, describe_difference
from speakergmm.records import digest
from speakergmm.speakers.background import BackgroundModel


def check_features(found: BackgroundModel, wanted: FeatureConfig, *, what: str) -> None:
    """Raise an error if a background model was trained on other features.

    Parameters
    ----------
    found : BackgroundModel
        The background model, for example that of a store.
    wanted : FeatureConfig
        The features it should have.
    what : str
        Name of the checked object in the message.

    Raises
    ------
    IncompatibleModelError
        The message contains the first 12 characters of both digests and the fields that differ.
    """
    check_same_features(found.features, wanted, what=what)


def check_background(found: BackgroundModel, wanted: BackgroundModel, *, what: str) -> None:
    """Raise an error if a background model is not the expected one.

    Parameters
    ----------
    found, wanted : BackgroundModel
        The background model, for example that of a store, and the expected one.
    what : str
        Name of the checked object in the message.

    Raises
    ------
    IncompatibleModelError
        The message contains the first 12 characters of both digests and the differences.
    """
    if found.digest == wanted.digest:
        return
    differences = []
    if found.features.digest != wanted.features.digest:
        differences.append(f"features: {describe_difference(found.features, wanted.features)}")
    mine, theirs = found.mixture, wanted.mixture
    if mine.n_components != theirs.n_components:
        differences.append(f"n_components {mine.n_components} and {theirs.n_components}")
    else:
        own, other = mine.record_parts(), theirs.record_parts()
        differences += [name for name in own if not np.array_equal(own[name], other[name])]
    if found.augmentation != wanted.augmentation:
        differences.append("augmentation")
    if digest(found.mapping) != digest(wanted.mapping):
        differences.append("feature mapping")
    raise IncompatibleModelError(
        f"{what}: made with background model {found.digest[:12]}, not {wanted.digest[:12]}; they "
        f"differ in: {', '.join(differences)} (its own first)"
    )
