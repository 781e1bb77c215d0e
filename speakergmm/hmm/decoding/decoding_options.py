"""Options of decoding and of forced alignment."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.beam_option import optional_beam
from speakergmm.options import Options, real, text, whole, yes_no

_SMALL_GRAPH = 100_000
"""Number of arcs of a graph whose exact search takes 2 % of real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingOptions(Options):
    """Options of the search for the best words of a recording.

    Parameters
    ----------
    acoustic_scale : float, optional
        Factor of acoustic log-likelihoods relative to the log-probabilities of the graph. Adjacent
        frames are not independent, and unscaled log-likelihoods would outweigh the language model.
        By default 0.15 for words and 0.25 for phones, which gave the fewest errors on held-out
        speakers of read speech (recipes/phones/RESULTS.md), and 0.1 for isolated words, whose
        ranking does not depend on it.
    beam : float, default=13.0
        Tokens that are worse than the best one by more than this, in scaled nats, are pruned, in
        graphs of more arcs than `small_graph`.
    max_active : int, default=7000
        Approximate number of tokens that are followed at a frame if no lattice is kept, at least 2;
        used, like the beam, in large graphs only.
    lattice_beam : float, optional
        Keep all paths that are worse than the best one by at most this, in scaled nats. N-best
        lists, confidences and lattices need it. By default only the best path is found, which is
        several times faster.
    n_best : int, default=1
        Most different word sequences to return; more than one need a lattice beam.
    small_graph : int, default=100000
        Graphs of up to this number of arcs are searched exactly, without pruning. Larger ones are
        searched exactly only if the beam has lost all paths that reach a final state.

    Raises
    ------
    InvalidInputError
        If an option is out of its range, or `n_best` needs a lattice beam.
    """

    acoustic_scale: float | None = real(
        None,
        "Factor of acoustic log-likelihoods (default: 0.15 for words, 0.25 for phones, 0.1 for "
        "isolated words).",
        above=0,
        optional=True,
    )
    beam: float = real(
        13.0, "Width of the search in graphs of thousands of words, in scaled nats.", above=0
    )
    max_active: int = whole(
        7000, "Most tokens followed per frame in large graphs, if no lattice is kept.", least=2
    )
    lattice_beam: float | None = real(
        None, "Width of lattices, in scaled nats (default: no lattice).", above=0, optional=True
    )
    n_best: int = whole(1, "Number of alternatives to list.", flags=("nbest",))
    small_graph: int = whole(
        _SMALL_GRAPH, "Number of arcs up to which a graph is searched exactly.", least=0
    )

    def __post_init__(self) -> None:
        """Check all options, also against each other."""
        self.check_fields()
        if self.n_best > 1 and self.lattice_beam is None:
            raise InvalidInputError(
                f"n_best={self.n_best} needs a lattice; give lattice_beam, such as 8"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingGraphOptions(Options):
    """Options of a decoding graph: the weight of the grammar, and silence between words.

    Parameters
    ----------
    silence : str or None, default="SIL"
        Unit of optional silence before, between and after words; None for no silence.
    silence_probability : float, default=0.5
        Probability of silence between two words.
    edge_silence_probability : float, optional
        Probability of silence before the first word and after the last one, and of silence in a
        recording without words; by default `silence_probability`.
    short_pause : str, optional
        Unit between two words where there is no silence; it may be a tee model, which can be
        traversed without a frame.
    language_scale : float, default=1.0
        Factor of the grammar's log-probabilities.
    word_penalty : float, default=0.0
        Log-probability that is added per word, in nats; a value below 0 leads to fewer words.
    """

    silence: str | None = text("SIL", "Name of the unit of silence.", optional=True)
    silence_probability: float = real(
        0.5, "Probability of silence between two words.", least=0, most=1
    )
    edge_silence_probability: float | None = real(
        None,
        "Probability of silence at either end (default: as between words).",
        least=0,
        most=1,
        optional=True,
    )
    short_pause: str | None = text(
        None, "Name of a pause between words that may take no frame.", optional=True
    )
    language_scale: float = real(
        1.0, "Factor of the language model's log-probabilities.", least=0, flags=("lm_scale",)
    )
    word_penalty: float = real(
        0.0, "Added to the log-probability for each word; below 0 for fewer words."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentOptions(Options):
    """Options of forced alignment.

    Parameters
    ----------
    beam : float, optional
        Paths that are worse than the best one at their frame by more than this, in nats, are
        pruned. By default nothing is pruned and the path is the best of all. The best path may be
        thousands of nats behind at the beginning. With confidences, posteriors are summed over all
        paths whatever the beam, and an alignment with an improbable word, pause or phone is
        searched for again without pruning; without confidences, a loss remains unnoticed.
    retry_beam : float, optional
        Beam that is tried if no path is left within `beam`; by default such an utterance fails.
    confidences : bool, default=True
        Compute `Segment.posterior`; without it the work is less than half.
    posterior_scale : float, default=0.1
        Exponent of emission densities and transition probabilities in posteriors (the path is that
        of the models as they are). Frames overlap and deltas span nine of them, so adjacent frames
        repeat much of each other: at 1, nearly all posteriors are 0 or 1 and say little about
        correctness. On the synthetic corpus, of exponents from 1 to 0.1, the last brought
        posteriors nearest to the share of correct frames, and expected edges nearest to the true
        ones.
    goodness : bool, default=False
        Compute `Segment.goodness`, for which all pdfs are evaluated.

    Raises
    ------
    InvalidInputError
        If a beam or the scale is not above 0.
    """

    beam: float | None = optional_beam()
    retry_beam: float | None = optional_beam(
        "Beam for utterances that lose all their paths (default: they fail)."
    )
    confidences: bool = yes_no(True, "Compute posteriors of words, phones and states.")
    posterior_scale: float = real(0.1, "Exponent of all probabilities in posteriors.", above=0)
    goodness: bool = yes_no(False, "Compute the goodness of pronunciation, over all states.")
