"""Options of the extraction of features into a store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from speakergmm.corpora.augmentation.augmentation_options import (
    AnyAugmentation,
    AugmentationOptions,
    as_augmentation,
    augmentation_option,
)
from speakergmm.features.presets import PRESETS
from speakergmm.options import Options, anything, one_of, whole, yes_no

if TYPE_CHECKING:
    from speakergmm.features.config import FeatureConfig

StoredType = Literal["float32", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionOptions(Options):
    """Options of the extraction of features into a store.

    Parameters
    ----------
    features : FeatureConfig, str or path, default="speaker"
        Configuration of the features.
    dtype : {"float32", "float16"}, default="float32"
        Type in which features are stored: as they are extracted, or in half the space, rounded to
        the nearest of 11 binary digits (a relative error of at most 0.05 %, or 3e-8 near 0).
    shard_frames : int, default=100000
        Number of frames in a shard, at most; a longer utterance is a shard of its own.
    verify : bool, default=False
        Compare the content of all recordings with that of the last extraction. By default a file
        whose size, times of modification and change and inode are the same is taken for unchanged.
    augmentation : AugmentationOptions, str, sequence of str or dict, optional
        Conditions in each of which every recording is extracted, such as "default", see
        `speakergmm.corpora.augmentation.as_augmentation`; by default as it is. The versions of an
        utterance have ids such as ``ana-1#telephone``.
    """

    features: FeatureConfig | str | os.PathLike[str] = anything(
        "speaker",
        f"Preset of features ({', '.join(PRESETS)}), or a TOML or JSON file that changes the one "
        "that its key 'preset' names.",
        kind=str,
    )
    dtype: StoredType = one_of(
        "float32", get_args(StoredType), "Type of the stored numbers; float16 takes half the space."
    )
    shard_frames: int = whole(100_000, "Number of frames in a shard, at most.")
    verify: bool = yes_no(
        False, "Compare the content of all recordings, not only their sizes and times."
    )
    augmentation: AnyAugmentation = augmentation_option()

    def __post_init__(self) -> None:
        """Check the options."""
        self.check_fields()
        object.__setattr__(self, "augmentation", as_augmentation(self.augmentation))

    @property
    def conditions(self) -> AugmentationOptions | None:
        """The augmentation as options; None for none."""
        return as_augmentation(self.augmentation)
