"""Training and testing on parts of the recordings."""

from collections.abc import Mapping, Sequence

from material import part
from settings import Settings

from speakergmm.recognition import AcousticModel, WordCorpus, WordEvaluation, evaluate_words


def run(
    train: WordCorpus, test: WordCorpus, settings: Settings, *, rate: int, seed: int, jobs: int
) -> WordEvaluation:
    """Train and test once."""
    options = settings.options(sample_rate=rate, seed=seed)
    model = AcousticModel.train(train, lexicon=settings.lexicon, options=options, engine=jobs)
    return evaluate_words(model, test.corpus, test.words, engine=jobs)


def without_and_with(
    material: WordCorpus, speakers: tuple[str, ...]
) -> tuple[WordCorpus, WordCorpus]:
    """Part recordings by whether one of these speakers made them."""
    others = part(material, lambda u, _: u.speaker not in speakers)
    return others, part(material, lambda u, _: u.speaker in speakers)


def leave_one_out(
    material: WordCorpus, settings: Mapping[str, Settings], *, rate: int, seed: int, jobs: int
) -> WordEvaluation:
    """Test on each speaker models of all the others, with the settings for that speaker."""
    total = WordEvaluation(())
    for speaker in material.corpus.speakers:
        train, test = without_and_with(material, (speaker,))
        total = total + run(train, test, settings[speaker], rate=rate, seed=seed, jobs=jobs)
    return total


def without_each(
    material: WordCorpus,
    pairs: Sequence[tuple[str, str]],
    settings: Settings,
    *,
    rate: int,
    seed: int,
    jobs: int,
) -> dict[str, float]:
    """Estimate the error, in %, for each speaker without any of that speaker's recordings.

    Models without both speakers of a pair are tested on both: what they do to one is the estimate
    for the other. Over all pairs this is, for each speaker, to leave each of the others out in
    turn; over three pairs it is one of them.
    """
    counts = dict.fromkeys(material.corpus.speakers, (0, 0))
    for pair in pairs:
        train, test = without_and_with(material, pair)
        found = run(train, test, settings, rate=rate, seed=seed, jobs=jobs).by_speaker()
        for out, other in (pair, pair[::-1]):
            errors, total = found[other]
            counts[out] = counts[out][0] + errors, counts[out][1] + total
    return {out: 100 * errors / total for out, (errors, total) in counts.items()}
