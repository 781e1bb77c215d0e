"""The versions of utterances that augmentation makes, before any audio is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from speakergmm.corpora.augmentation.augmentation_options import AugmentationOptions
from speakergmm.corpora.augmentation.talkers import talkers_digest
from speakergmm.corpora.corpus import Utterance
from speakergmm.corpora.names import quoted
from speakergmm.errors import CorpusError


def version_condition(version: str) -> str:
    """Return the name of the condition of `Utterance.version`.

    Examples
    --------
    >>> version_condition("noise/0"), version_condition("")
    ('noise', 'clean')
    """
    return version.partition("/")[0] or "clean"


def utterance_versions(
    utterances: Sequence[Utterance], options: AugmentationOptions
) -> list[Utterance]:
    """Return each utterance once per condition, in the order of the conditions.

    Parameters
    ----------
    utterances : sequence of Utterance
        As they were recorded.
    options : AugmentationOptions

    Returns
    -------
    list of Utterance
        In the condition "clean" the utterance itself; in others the id ends in ``#CONDITION``, and
        ``version`` names the condition, the seed and, for babble of given talkers, their audio.

    Raises
    ------
    CorpusError
        If an utterance has the id of a version of another.
    AudioError
        If a given talker cannot be read.

    Examples
    --------
    >>> spoken = Utterance("ana-1", "ana/1.wav", "ana")
    >>> made = utterance_versions([spoken], AugmentationOptions(conditions=("clean", "noise")))
    >>> [(each.id, each.version) for each in made]
    [('ana-1', ''), ('ana-1#noise', 'noise/0')]
    """
    versions = {}
    for name in options.conditions:
        heard = options.talkers if name == "babble" else None
        voices = f"/{talkers_digest(heard)[:16]}" if heard else ""
        versions[name] = "" if name == "clean" else f"{name}/{options.seed}{voices}"
    ids = {utterance.id for utterance in utterances}
    made = []
    for utterance in utterances:
        for name, version in versions.items():
            each = utterance
            if version:
                each = replace(utterance, id=f"{utterance.id}#{name}", version=version)
                if each.id in ids:
                    raise CorpusError(
                        f"utterance id {quoted(each.id)} is that of the version of "
                        f"{quoted(utterance.id)}; rename the utterance"
                    )
            made.append(each)
    return made
