"""Whether two things were made with the same features and background model, and what differs."""

import numpy as np

from speakergmm.errors import IncompatibleModelError
from speakergmm.features import FeatureConfig
from speakergmm.speakers.background import BackgroundModel


def check_features(found: BackgroundModel, wanted: FeatureConfig, *, what: str) -> None:
    """Refuse a background model that was trained on other features.

    Parameters
    ----------
    found : BackgroundModel
        What there is.
    wanted : FeatureConfig
        What is asked for.
    what : str
        Name of the thing for the message.

    Raises
    ------
    IncompatibleModelError
        With the first 12 characters of both digests and the fields that differ.
    """
    if found.features.digest != wanted.digest:
        raise IncompatibleModelError(
            f"{what}: made with features {found.features.digest[:12]}, not {wanted.digest[:12]}; "
            f"they differ in: {describe_difference(found.features, wanted)} (its own first)"
        )


def check_background(found: BackgroundModel, wanted: BackgroundModel, *, what: str) -> None:
    """Refuse another background model than the one wanted.

    Parameters
    ----------
    found, wanted : BackgroundModel
    what : str
        Name of the thing for the message.

    Raises
    ------
    IncompatibleModelError
        With the first 12 characters of both digests and what differs.
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
    raise IncompatibleModelError(
        f"{what}: made with background model {found.digest[:12]}, not {wanted.digest[:12]}; they "
        f"differ in: {', '.join(differences)} (its own first)"
    )


def describe_difference(wanted: FeatureConfig, found: FeatureConfig) -> str:
    """Name the fields in which two feature configurations differ.

    Examples
    --------
    >>> config = FeatureConfig.preset("speaker")
    >>> describe_difference(config, config)
    'nothing'
    """
    first, second = wanted.to_dict(), found.to_dict()
    parts = [
        f"{name} {first.get(name)!r} and {second.get(name)!r}"
        for name in sorted(first.keys() | second.keys())
        if name != "name" and first.get(name) != second.get(name)
    ]
    return ", ".join(parts) or "nothing"
