"""Scorers whose scores are normalised by a cohort, in the same pass over the speech."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.features import WeightedFrames
from speakergmm.mixtures import MixtureStatistics
from speakergmm.speakers.backends import Backend, Terms
from speakergmm.speakers.cohort import Cohort
from speakergmm.speakers.cohort_scores import CohortScores, normalise_scores
from speakergmm.speakers.speaker_options import NormalisationOptions


class NormalisedScorer:
    """A scorer of some speakers together with the models of a cohort.

    Parameters
    ----------
    backend : Backend
    names : sequence of str
        Names of the S speakers.
    terms : tuple of array, each of shape (S, ...)
        Their terms.
    cohort : Cohort or None
        None if scores are not normalised.
    options : NormalisationOptions
    test_scores : array, shape (S + C, N), optional
        Raw scores of the N tests of the cohort for the speakers and the C models of the cohort, if
        they are known.
    cohort_terms : tuple of array, each of shape (C, ...), optional
        Terms of the cohort, if they have been unpacked.

    Attributes
    ----------
    names : tuple of str
        Names of the speakers, in the order of all scores.
    """

    def __init__(
        self,
        backend: Backend,
        names: Sequence[str],
        terms: Terms,
        cohort: Cohort | None,
        options: NormalisationOptions,
        *,
        test_scores: NDArray[np.float64] | None = None,
        cohort_terms: Terms | None = None,
    ) -> None:
        self.names = tuple(names)
        self._backend, self._cohort, self._options = backend, cohort, options
        self._terms = terms
        self._place = {name: place for place, name in enumerate(self.names)}
        joint = terms
        self._cohort_terms = cohort_terms
        if cohort is not None:
            if self._cohort_terms is None:
                self._cohort_terms = cohort.terms(backend)
            pairs = zip(terms, self._cohort_terms, strict=True)
            joint = tuple(np.concatenate([own, other]) for own, other in pairs)
        labels = [str(place) for place in range(len(joint[0]))]
        self._joint = backend.scorer(labels, joint)
        # The tests of the cohort, which Z-norm needs, are scored once for all models.
        if test_scores is None and cohort is not None and options.needs_tests:
            test_scores = cohort.test_scores(self._joint)
            if options.normalisation == "adaptive_s":
                # It takes one score of each member: the mean of those of the member's tests.
                test_scores = test_scores @ cohort.averages_of_speakers
        self._test_scores = test_scores

    def __len__(self) -> int:
        return len(self.names)

    def terms(self, place: int) -> Terms:
        """Return the terms of the speaker at a place of `names`."""
        return tuple(each[place] for each in self._terms)

    def subset(self, names: Sequence[str]) -> NormalisedScorer:
        """Return a scorer of some of the speakers."""
        places = [self._place[name] for name in names]
        known = self._test_scores
        if known is not None:
            known = np.concatenate([known[places], known[len(self) :]])
        return NormalisedScorer(
            self._backend,
            names,
            tuple(each[places] for each in self._terms),
            self._cohort,
            self._options,
            test_scores=known,
            cohort_terms=self._cohort_terms,
        )

    def score_blocks(
        self, blocks: Iterable[WeightedFrames], *, top_c: int | None = None
    ) -> tuple[NDArray[np.float64], float]:
        """Return normalised scores and the occupancy; see `TrialScorer.score_blocks`."""
        joint, occupancy = self._joint.score_blocks(blocks, top_c=top_c)
        return self._normalised(joint[:, None])[:, 0], occupancy

    def score_tests(self, tests: Sequence[MixtureStatistics]) -> NDArray[np.float64]:
        """Return normalised scores of N tests, shape (S, N); see `StatisticsScorer.score_tests`.

        Raises
        ------
        InvalidInputError
            If the back-end scores no statistics.
        """
        if not self._backend.scores_statistics:
            raise InvalidInputError(
                f"back-end {self._backend.name!r} scores frames, not statistics"
            )
        scorer: Any = self._joint
        return self._normalised(scorer.score_tests(tests))

    def _normalised(self, joint: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return normalised scores of the speakers; `joint` are raw ones, with the cohort's."""
        if self._cohort is None:
            return joint
        n = len(self)
        tests = self._test_scores
        cohort = CohortScores(
            tests=None if tests is None else tests[:n],
            models=joint[n:],
            cross=None if tests is None else tests[n:],
            same_speaker=self._cohort.same_speaker,
        )
        return normalise_scores(joint[:n], cohort, self._options)
