"""Training and testing on parts of the recordings."""

from material import part
from settings import Settings

from speakergmm.recognition.word_evaluation import WordEvaluation, evaluate_words
from speakergmm.recognition.word_lists import WordCorpus
from speakergmm.recognition.words import train_word_models


def run(
    train: WordCorpus, test: WordCorpus, settings: Settings, *, rate: int, seed: int, jobs: int
) -> WordEvaluation:
    """Train and test once."""
    model = train_word_models(
        train.corpus,
        train.words,
        settings.options(sample_rate=rate, seed=seed),
        lexicon=settings.lexicon,
        n_jobs=jobs,
    )
    return evaluate_words(model, test.corpus, test.words, n_jobs=jobs)


def without_and_with(
    material: WordCorpus, speakers: tuple[str, ...]
) -> tuple[WordCorpus, WordCorpus]:
    """Part recordings by whether one of these speakers made them."""
    others = part(material, lambda u, _: u.speaker not in speakers)
    return others, part(material, lambda u, _: u.speaker in speakers)


def leave_one_out(
    material: WordCorpus, settings: Settings, *, rate: int, seed: int, jobs: int
) -> WordEvaluation:
    """Train on all speakers but one and test on that one, each in turn."""
    total = WordEvaluation(())
    for speaker in material.corpus.speakers:
        train, test = without_and_with(material, (speaker,))
        total = total + run(train, test, settings, rate=rate, seed=seed, jobs=jobs)
    return total


def without_each(
    material: WordCorpus, pairs: list[tuple[str, str]], settings: Settings, *, seed: int, jobs: int
) -> list[str]:
    """Error rates of other speakers, for each speaker, without her recordings; and their mean."""
    rates: dict[str, list[float]] = {speaker: [] for speaker in material.corpus.speakers}
    for pair in pairs:
        train, test = without_and_with(material, pair)
        found = run(train, test, settings, rate=8000, seed=seed, jobs=jobs).by_speaker()
        for out, other in (pair, pair[::-1]):
            errors, total = found[other]
            rates[out].append(100 * errors / total)
    means = [sum(found) / len(found) for found in rates.values()]
    return [*(f"{mean:.1f}" for mean in means), f"{sum(means) / len(means):.2f}"]
