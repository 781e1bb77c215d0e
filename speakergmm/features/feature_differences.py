"""Differences between two configurations of features, which must not be mixed."""

from speakergmm.errors import IncompatibleModelError
from speakergmm.features.config import FeatureConfig


def check_same_features(found: FeatureConfig, wanted: FeatureConfig, *, what: str) -> None:
    """Raise an error if two configurations lead to different features.

    Parameters
    ----------
    found : FeatureConfig
        The features with which something was made, for example a store.
    wanted : FeatureConfig
        The features with which it should have been made.
    what : str
        Name of the checked object in the message.

    Raises
    ------
    IncompatibleModelError
        The message contains the first 12 characters of both digests and the fields that differ.
    """
    if found.digest != wanted.digest:
        raise IncompatibleModelError(
            f"{what}: made with features {found.digest[:12]}, not {wanted.digest[:12]}; "
            f"they differ in: {describe_difference(found, wanted)} (its own first)"
        )


def describe_difference(wanted: FeatureConfig, found: FeatureConfig) -> str:
    """Return the fields in which two feature configurations differ, as text.

    Parameters
    ----------
    wanted, found : FeatureConfig
        Their values are listed in this order.

    Returns
    -------
    str
        Names and both values of the fields, or "nothing".

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
