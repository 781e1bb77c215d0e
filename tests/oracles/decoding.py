"""All that a small recogniser could say, one state path after another: slow, and plain to see."""

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

ENTRY = -1


@dataclass(frozen=True)
class Path:
    """One way to explain all frames."""

    words: tuple
    acoustic: float
    transition: float
    language: float
    word_at: tuple  # of each frame: place of the word, or None in silence
    unit_at: tuple  # of each frame: (place of the unit in the string, name)

    def score(self, acoustic_scale):
        return acoustic_scale * self.acoustic + self.transition + self.language


def unit_strings(words, lexicon, *, silence, silence_probability, edge=None, short_pause=None):
    """Units of a sentence with their words, in all ways; each with a log-probability."""

    def spaces(probability, pause):
        found = []
        if silence is not None and probability > 0:
            found.append(([(silence, None)], math.log(probability)))
        rest = 1.0 - (probability if silence is not None else 0.0)
        if rest > 0:
            found.append(([] if pause is None else [(pause, None)], math.log(rest)))
        return found

    edges = spaces(silence_probability if edge is None else edge, None)
    between = spaces(silence_probability, short_pause)
    choices = [edges]
    for place, word in enumerate(words):
        choices.append(
            [
                ([(phone, place) for phone in way.phones], math.log(way.probability))
                for way in lexicon[word]
            ]
        )
        choices.append(edges if place == len(words) - 1 else between)
    for chosen in itertools.product(*choices):
        units = [unit for part, _ in chosen for unit in part]
        yield units, sum(weight for _, weight in chosen)


def state_paths(units, models, log_emissions):
    """All ways through a string of units: lists of (place, state), and their two logs."""
    n_frames = len(log_emissions)

    def shape(name):
        unit = models.units.index(name)
        first = models.transitions.first
        topology = models.topologies[unit]
        probability = models.transitions.probability[first[unit] : first[unit + 1]]
        rows = zip(topology.source, topology.target, probability, strict=True)
        arcs = [(int(s), int(t), math.log(p)) for s, t, p in rows if p > 0]
        return arcs, models.tying.pdfs(unit), topology.n_states

    shapes = [shape(name) for name, _ in units]

    def enter(place, taken, acoustic, transition):
        """Come to the beginning of a unit (or the end of all)."""
        if place == len(units):
            if len(taken) == n_frames:
                yield taken, acoustic, transition
            return
        yield from step(place, ENTRY, taken, acoustic, transition)

    def step(place, state, taken, acoustic, transition):
        arcs, pdfs, n_states = shapes[place]
        for source, target, weight in arcs:
            if source != state:
                continue
            if target == n_states:
                yield from enter(place + 1, taken, acoustic, transition + weight)
            elif len(taken) < n_frames:
                yield from step(
                    place,
                    target,
                    (*taken, (place, target)),
                    acoustic + float(log_emissions[len(taken), pdfs[target]]),
                    transition + weight,
                )

    yield from enter(0, (), 0.0, 0.0)


def all_paths(models, lexicon, sentences, log_emissions, *, silence, silence_probability, **more):
    """Every path of every sentence; `sentences` maps words to log-probabilities."""
    for words, language in sentences.items():
        if language == -math.inf:
            continue
        for units, weight in unit_strings(
            words, lexicon, silence=silence, silence_probability=silence_probability, **more
        ):
            if len(units) > len(log_emissions) + units.count(("sp", None)):
                continue
            for taken, acoustic, transition in state_paths(units, models, log_emissions):
                yield Path(
                    words,
                    acoustic,
                    transition + weight,
                    language,
                    tuple(units[place][1] for place, _ in taken),
                    tuple((place, units[place][0]) for place, _ in taken),
                )


def sentences_of_loop(words, longest, log_probability):
    """All sentences of up to `longest` words, each with its log-probability."""
    return {
        sentence: log_probability(sentence)
        for length in range(longest + 1)
        for sentence in itertools.product(words, repeat=length)
    }


def best_by_words(paths, acoustic_scale):
    """The best path of each word sequence, the best sequence first."""
    best = {}
    for path in paths:
        if path.words not in best or path.score(acoustic_scale) > best[path.words].score(
            acoustic_scale
        ):
            best[path.words] = path
    return sorted(best.values(), key=lambda path: -path.score(acoustic_scale))


def posteriors(paths, acoustic_scale, n_frames):
    """Posteriors of word sequences, and of each word and unit at each frame."""
    scores = np.array([path.score(acoustic_scale) for path in paths])
    total = np.logaddexp.reduce(scores)
    sequences = defaultdict(float)
    words = defaultdict(lambda: np.zeros(n_frames))
    units = defaultdict(lambda: np.zeros(n_frames))
    for path, weight in zip(paths, np.exp(scores - total), strict=True):
        sequences[path.words] += weight
        for frame, place in enumerate(path.word_at):
            if place is not None:
                words[path.words[place]][frame] += weight
            units[path.unit_at[frame][1]][frame] += weight
    return dict(sequences), dict(words), dict(units), float(total)


def segments(places):
    """Runs of equal places: (first frame, frame after the last), silence left out."""
    found = {}
    for frame, place in enumerate(places):
        if place is not None:
            start, _ = found.get(place, (frame, frame))
            found[place] = start, frame + 1
    return [found[place] for place in sorted(found)]


def best_score(graph, scaled):
    """Score of the best path of a decoding graph, every arc at every frame; -inf if there is none.

    Empty arcs are followed as often as there are states: in whatever order they stand.
    """
    arcs = list(
        zip(
            graph.source.tolist(),
            graph.target.tolist(),
            graph.input.tolist(),
            graph.log_probability.tolist(),
            strict=True,
        )
    )
    emitting = [arc for arc in arcs if arc[2] > 0]
    empty = [arc for arc in arcs if arc[2] == 0]

    def close(scores):
        moved = True
        while moved:
            moved = False
            for source, target, _, weight in empty:
                if scores[source] + weight > scores[target]:
                    scores[target] = scores[source] + weight
                    moved = True
        return scores

    scores = close([0.0] + [-math.inf] * (graph.n_states - 1))
    for heard in scaled.tolist():
        after = [-math.inf] * graph.n_states
        for source, target, label, weight in emitting:
            value = scores[source] + weight + heard[graph.columns[label - 1]]
            after[target] = max(after[target], value)
        scores = close(after)
    return max(
        score + end for score, end in zip(scores, graph.final_log_probability.tolist(), strict=True)
    )
