"""Training of phone models the slow way: every path of every utterance, one after the other.

Paths are walked through strings of units as a reader would walk them, with null nodes between
units and units that can be passed over. Nothing of the package's graphs or inference is used.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from speakergmm.hmm import MixtureBank, PhoneModels

ENTRY = -1


@dataclass(frozen=True)
class Label:
    """A unit at a place of an utterance."""

    unit: str
    word: int | None
    pronunciation: int
    position: int


@dataclass(frozen=True)
class Path:
    """One way to account for all frames."""

    log_prob: float  # of pronunciations, silences and transitions
    labels: tuple  # of each frame
    positions: tuple  # state of the unit, of each frame
    pdfs: tuple  # of each frame
    transitions: tuple  # numbers of all that were taken, in order


def logsumexp(values, axis=None, keepdims=False):
    return np.logaddexp.reduce(values, axis=axis, keepdims=keepdims)


def gaussian_logpdf(x, mean, variance):
    """Of each feature on its own."""
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)


def log(probability):
    return math.log(probability) if probability > 0 else -math.inf


def unit_strings(
    words, lexicon, *, silence="SIL", probability=0.5, edge_probability=None, short_pause=None
):
    """Yield all ways to say a transcript: log-probability and labels."""
    edge_probability = probability if edge_probability is None else edge_probability

    def pause(p):
        if silence is None:
            return [(0.0, ())]
        ways = [(log(p), (Label(silence, None, 0, 0),)), (log(1 - p), ())]
        return [way for way in ways if way[0] > -math.inf]

    def between():
        if short_pause is not None:
            return [(0.0, (Label(short_pause, None, 0, 0),))]
        return pause(probability)

    choices = [pause(edge_probability)]
    for place, word in enumerate(words):
        if place > 0:
            choices.append(between())
        choices.append(
            [
                (
                    log(way.probability),
                    tuple(Label(unit, place, number, i) for i, unit in enumerate(way.phones)),
                )
                for number, way in enumerate(lexicon[word])
            ]
        )
    choices.append(pause(edge_probability))
    for chosen in itertools.product(*choices):
        yield sum(part[0] for part in chosen), sum((part[1] for part in chosen), ())


def arcs_of(models, unit):
    """Return (source, target, probability, number) of all arcs of a unit."""
    number = models.units.index(unit)
    first = sum(t.n_arcs for t in models.topologies[:number])
    topology = models.topologies[number]
    return [
        (int(s), int(t), float(models.transitions.probability[first + i]), first + i)
        for i, (s, t) in enumerate(zip(topology.source, topology.target, strict=True))
    ]


def pdf_of(models, unit, state):
    number = models.units.index(unit)
    first = sum(t.n_states for t in models.topologies[:number])
    return int(models.tying.pdf_id[first + state])


def string_paths(labels, models, n_frames):
    """Yield (log-probability, frames, transitions) of all walks through a string of units."""
    arcs = [arcs_of(models, label.unit) for label in labels]
    exits = [models.topologies[models.units.index(label.unit)].n_states for label in labels]

    def enter(place, log_prob, frames, taken):
        if place == len(labels):
            if len(frames) == n_frames:
                yield log_prob, frames, taken
            return
        yield from follow(place, ENTRY, log_prob, frames, taken)

    def follow(place, state, log_prob, frames, taken):
        for source, target, probability, number in arcs[place]:
            if source != state or probability == 0:
                continue
            further = log_prob + math.log(probability), (*taken, number)
            if target == exits[place]:
                yield from enter(place + 1, further[0], frames, further[1])
            elif len(frames) < n_frames:
                yield from follow(place, target, further[0], (*frames, (place, target)), further[1])

    yield from enter(0, 0.0, (), ())


def all_paths(words, lexicon, models, n_frames, **silences):
    """All ways to say so many frames of a transcript."""
    found = []
    for string_log_prob, labels in unit_strings(words, lexicon, **silences):
        for log_prob, frames, taken in string_paths(labels, models, n_frames):
            found.append(
                Path(
                    string_log_prob + log_prob,
                    tuple(labels[place] for place, _ in frames),
                    tuple(state for _, state in frames),
                    tuple(pdf_of(models, labels[place].unit, state) for place, state in frames),
                    taken,
                )
            )
    return found


@dataclass(frozen=True)
class Expectations:
    """Statistics of all paths together."""

    log_likelihood: float
    pdf_posteriors: np.ndarray  # (T, P), of all pdfs of the models
    transitions: np.ndarray  # (N,)
    best: Path
    best_log_prob: float


def expectations(paths, log_emissions, n_transitions):
    """Sum over paths, given log-emissions (T, P) of all pdfs."""
    n_frames, n_pdfs = log_emissions.shape
    joint = [
        path.log_prob + sum(log_emissions[t, pdf] for t, pdf in enumerate(path.pdfs))
        for path in paths
    ]
    log_likelihood = float(logsumexp(joint))
    posteriors, transitions = np.zeros((n_frames, n_pdfs)), np.zeros(n_transitions)
    for path, value in zip(paths, joint, strict=True):
        share = math.exp(value - log_likelihood)
        for t, pdf in enumerate(path.pdfs):
            posteriors[t, pdf] += share
        for number in path.transitions:
            transitions[number] += share
    best = int(np.argmax(joint))
    return Expectations(log_likelihood, posteriors, transitions, paths[best], joint[best])


def gaussian_log_densities(bank, X):
    """Joint log-densities (T, G) of all Gaussians of a bank, one feature after the other."""
    columns = [
        log(weight) + gaussian_logpdf(X, mean, variance).sum(axis=1)
        for weight, mean, variance in zip(
            bank.weights, bank.gaussians.means, bank.gaussians.variances(), strict=True
        )
    ]
    return np.stack(columns, axis=1)


def log_emissions(bank, X):
    """Log-densities (T, P) of all pdfs."""
    densities = gaussian_log_densities(bank, X)
    return np.stack([logsumexp(densities[:, part], axis=1) for part in parts(bank.offsets)], axis=1)


def parts(offsets):
    return [slice(a, b) for a, b in itertools.pairwise(offsets)]


def gaussian_posteriors(bank, X, pdf_posteriors):
    """Posteriors (T, G) of Gaussians, given those (T, P) of pdfs."""
    densities = gaussian_log_densities(bank, X)
    result = np.zeros_like(densities)
    for p, part in enumerate(parts(bank.offsets)):
        shares = np.exp(densities[:, part] - logsumexp(densities[:, part], axis=1, keepdims=True))
        result[:, part] = pdf_posteriors[:, [p]] * shares
    return result


def baum_welch(models, utterances, **silences):
    """One iteration: new models, log-likelihood of the old ones.

    `utterances` are (words, lexicon, X). Means and variances are taken about the new means.
    """
    n_transitions = models.transitions.n_arcs
    transitions, total = np.zeros(n_transitions), 0.0
    frames, posteriors = [], []
    for words, lexicon, X in utterances:
        paths = all_paths(words, lexicon, models, len(X), **silences)
        found = expectations(paths, log_emissions(models.bank, X), n_transitions)
        total += found.log_likelihood
        transitions += found.transitions
        frames.append(X)
        posteriors.append(gaussian_posteriors(models.bank, X, found.pdf_posteriors))
    X, gamma = np.concatenate(frames), np.concatenate(posteriors)
    return maximised(models, X, gamma, transitions), total


def maximised(models, X, gamma, transitions, *, floor=1e-12):
    """The models that posteriors (T, G) and counts of transitions make most likely."""
    bank = models.bank
    counts = gamma.sum(axis=0)
    means, variances = bank.gaussians.means.copy(), bank.gaussians.variances().copy()
    weights = bank.weights.copy()
    for part in parts(bank.offsets):
        if counts[part].sum() > 0:
            weights[part] = counts[part] / counts[part].sum()
    for g in np.flatnonzero(counts > 0):
        means[g] = (gamma[:, [g]] * X).sum(axis=0) / counts[g]
        variances[g] = (gamma[:, [g]] * (X - means[g]) ** 2).sum(axis=0) / counts[g]
    variances = np.maximum(variances, floor)
    probability = models.transitions.probability.copy()
    for unit in models.units:
        for source in {arc[0] for arc in arcs_of(models, unit)}:
            numbers = [arc[3] for arc in arcs_of(models, unit) if arc[0] == source]
            if transitions[numbers].sum() > 0:
                probability[numbers] = transitions[numbers] / transitions[numbers].sum()
    return with_numbers(models, probability, weights, means, variances)


def with_numbers(models, probability, weights, means, variances):
    """The same models with other parameters."""
    transitions = type(models.transitions)(
        models.transitions.first, models.transitions.group, probability
    )
    bank = MixtureBank.from_parameters(models.bank.offsets, weights, means, variances)
    return PhoneModels(models.units, models.topologies, models.tying, transitions, bank)


def auxiliary(X, gamma, weights, means, variances):
    """Expected log-likelihood of frames and Gaussians, up to what does not depend on them."""
    total = 0.0
    for t, x in enumerate(X):
        for g in range(gamma.shape[1]):
            if gamma[t, g] > 0:
                density = gaussian_logpdf(x, means[g], variances[g]).sum()
                total += gamma[t, g] * (math.log(weights[g]) + density)
    return total


def transition_auxiliary(counts, probability):
    """Expected log-probability of the transitions taken."""
    return sum(
        count * math.log(p) for count, p in zip(counts, probability, strict=True) if count > 0
    )


def random_models(rng, topologies, *, sizes=(1,), n_features=2, same_pdf=None, spread=2.0):
    """Models of these topologies with random transitions, and mixtures of sizes taken in turn."""
    flat = PhoneModels.flat(
        topologies, mean=np.zeros(n_features), variance=np.ones(n_features), same_pdf=same_pdf
    )
    probability = rng.uniform(0.2, 1.0, flat.transitions.n_arcs)
    for group in set(flat.transitions.group.tolist()):
        members = flat.transitions.group == group
        probability[members] /= probability[members].sum()
    counts = [sizes[p % len(sizes)] for p in range(flat.n_pdfs)]
    n_gaussians = sum(counts)
    bank = MixtureBank.from_parameters(
        np.cumsum([0, *counts]),
        np.concatenate([rng.dirichlet(np.full(n, 5.0)) for n in counts]),
        rng.normal(0.0, spread, (n_gaussians, n_features)),
        rng.uniform(0.5, 1.5, (n_gaussians, n_features)),
    )
    transitions = type(flat.transitions)(
        flat.transitions.first, flat.transitions.group, probability
    )
    return flat.with_parameters(transitions=transitions, bank=bank)


def sample_unit(rng, models, unit):
    """Frames of one walk through a unit; none where it is passed over."""
    arcs = arcs_of(models, unit)
    n_states = models.topologies[models.units.index(unit)].n_states
    state, frames = ENTRY, []
    while True:
        leaving = [arc for arc in arcs if arc[0] == state]
        state = leaving[rng.choice(len(leaving), p=[arc[2] for arc in leaving])][1]
        if state == n_states:
            return np.array(frames).reshape(len(frames), models.n_features)
        p = pdf_of(models, unit, state)
        part = slice(models.bank.offsets[p], models.bank.offsets[p + 1])
        g = part.start + rng.choice(part.stop - part.start, p=models.bank.weights[part])
        deviation = np.sqrt(models.bank.gaussians.variances()[g])
        frames.append(rng.normal(models.bank.gaussians.means[g], deviation))


def sample(rng, models, words, lexicon, **silences):
    """Frames of an utterance, said in one of all ways."""
    strings = list(unit_strings(words, lexicon, **silences))
    weights = np.exp([log_prob for log_prob, _ in strings])
    _, labels = strings[rng.choice(len(strings), p=weights / weights.sum())]
    return np.concatenate([sample_unit(rng, models, label.unit) for label in labels])
