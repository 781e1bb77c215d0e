"""Options of training background models and mixtures of single speakers.

The commands derive their options from these classes at every start, so that nothing heavy is
imported here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from speakergmm.corpora.augmentation.augmentation_options import (
    AS_RECORDED,
    AnyAugmentation,
    as_augmentation,
    augmentation_option,
)
from speakergmm.features.presets import PRESETS
from speakergmm.mixtures.mixture_options import (
    VARIANCE_FLOOR_OF_FEW_FRAMES,
    MaximumLikelihoodOptions,
    MixtureOptions,
)
from speakergmm.options import anything, nested, one_of, whole
from speakergmm.ranges import refused

if TYPE_CHECKING:
    from speakergmm.corpora import CorpusLike
    from speakergmm.features import FeatureConfig

_FEATURES_HELP = (
    f"Preset of features ({', '.join(PRESETS)}), or a TOML or JSON file that changes the one that "
    "its key 'preset' names (default: speaker, or the features of a feature store)."
)


MAPPING_REFERENCES = ("background", "clean")
"""Conditions that feature mapping can map frames to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundOptions(MixtureOptions):
    """Options of the training of a background model.

    Parameters
    ----------
    features : FeatureConfig, str or path, optional
        A configuration, the name of a preset, or a TOML or JSON file; by default the preset
        "speaker", or the features of a feature store.
    n_components : int, default=64
        Number of Gaussians of the mixture, K.
    covariance_type : {"diag", "full"}, default="diag"
        Covariances of the Gaussians. Full ones, for i-vectors, are trained from a mixture with
        diagonal ones; they need far more frames.
    augmentation : AugmentationOptions, str, sequence of str or dict, optional
        Conditions in each of which every recording is used, such as "default" or "none", see
        `speakergmm.corpora.augmentation.as_augmentation`. By default "default" for features that
        weigh frames by their local signal-to-noise ratio, as those of the preset "speaker" do,
        "none" for others, and what a feature store has.
    talkers : Corpus, path or list of recordings, optional
        Real voices for the condition "babble", one recording of each: three seconds of up to 16
        voices become part of the model, so that speakers are enrolled in the same babble. By
        default, synthetic voices.
    feature_mapping : {"none", "background", "clean"}
        Map the frames of every recording, of speakers and tests, from its most likely condition to
        that of the background model, which is that of all conditions, or to the clean one; see
        `speakergmm.speakers.FeatureMapping`. Needs recordings in several conditions.
    init, max_iter, tol, seed, precision, update
        As in `speakergmm.mixtures.MixtureOptions`.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    features: FeatureConfig | str | os.PathLike[str] | None = anything(
        None, _FEATURES_HELP, kind=str
    )
    n_components: int = whole(64, "Number of Gaussians of the mixture.")
    covariance_type: Literal["diag", "full"] = one_of(
        "diag", ("diag", "full"), "Covariances of the Gaussians; full ones are for i-vectors."
    )
    augmentation: AnyAugmentation = augmentation_option(
        "default: these for the preset speaker, none for others, or what a feature store has"
    )
    talkers: CorpusLike | None = anything(
        None,
        "Folder or list of recordings for babble, of which three seconds of up to 16 voices become "
        "part of the model (default: synthetic voices).",
        kind=str,
    )
    feature_mapping: str = one_of(
        "none",
        ("none", *MAPPING_REFERENCES),
        "Map frames from the most likely condition of their recording to that of all speech "
        "(background) or of clean speech (clean).",
    )

    def __post_init__(self) -> None:
        """Check the options."""
        MixtureOptions.__post_init__(self)  # no super() in a class with slots
        if self.covariance_type == "full" and self.feature_mapping != "none":
            raise refused("feature_mapping", "'none' with full covariances", self.feature_mapping)
        if self.augmentation is not None:
            chosen = as_augmentation(self.augmentation) or AS_RECORDED
            object.__setattr__(self, "augmentation", chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerMixtureOptions(MixtureOptions):
    """Options of the training of an independent mixture for each speaker.

    Parameters
    ----------
    features : FeatureConfig, str or path, optional
        As in `BackgroundOptions`; not used if the frames are given.
    n_components : int, default=32
        Number of Gaussians of each mixture.
    update : MaximumLikelihoodOptions
        Its ``variance_floor`` is 0.01 by default: the smallest variance, as a fraction of the
        variance of all frames of the speaker.
    init, max_iter, tol, seed, precision
        As in `speakergmm.mixtures.MixtureOptions`.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    features: FeatureConfig | str | os.PathLike[str] | None = anything(
        None, _FEATURES_HELP, kind=str
    )
    n_components: int = whole(32, "Number of Gaussians of each mixture.")
    update: MaximumLikelihoodOptions = nested(
        MaximumLikelihoodOptions,
        "Floors, revival and regularisation of the update.",
        default=MaximumLikelihoodOptions(variance_floor=VARIANCE_FLOOR_OF_FEW_FRAMES),
    )
