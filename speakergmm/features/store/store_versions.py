"""The conditions in which a feature store has its recordings."""

from __future__ import annotations

from collections.abc import Sequence

from speakergmm.corpora.augmentation import AugmentationOptions, version_condition
from speakergmm.errors import StoreError
from speakergmm.features.store.utterance_table import StoredUtterance


def augmentation_of(rows: Sequence[StoredUtterance], name: str) -> AugmentationOptions | None:
    """Return the augmentation by which utterances were extracted; None if there are no versions.

    Parameters
    ----------
    rows : sequence of StoredUtterance
    name : str
        Name of the store in messages.

    Raises
    ------
    StoreError
        If versions have several seeds or talkers, or some recordings lack a condition.
    """
    versions = dict.fromkeys(row.version for row in rows)
    if not any(versions):
        return None
    settings = {version.partition("/")[2] for version in versions if version}
    seeds = {setting.partition("/")[0] for setting in settings}
    conditions = [version_condition(version) for version in versions]
    if len(seeds) > 1 or len(set(conditions)) < len(conditions):
        raise StoreError(
            f"{name}: has versions of recordings with different seeds or talkers, "
            f"{', '.join(filter(None, versions))}; extract into a new folder"
        )
    return AugmentationOptions(conditions=conditions, seed=int(seeds.pop()))  # type: ignore[arg-type] # checked there
