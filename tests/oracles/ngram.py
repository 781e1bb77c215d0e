"""Smoothed n-gram probabilities by the formulas as they are printed: every count is a scan."""

from collections.abc import Sequence


def padded(sentences: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return [("<s>", *words, "</s>") for words in sentences]


def occurrences(texts: Sequence[Sequence[str]], ngram: tuple[str, ...]) -> int:
    size = len(ngram)
    return sum(
        tuple(text[i : i + size]) == ngram for text in texts for i in range(len(text) - size + 1)
    )


def predecessors(texts: Sequence[Sequence[str]], ngram: tuple[str, ...]) -> int:
    size = len(ngram)
    return len(
        {
            text[i - 1]
            for text in texts
            for i in range(1, len(text) - size + 1)
            if tuple(text[i : i + size]) == ngram
        }
    )


def witten_bell(
    sentences: Sequence[Sequence[str]],
    vocabulary: Sequence[str],
    history: tuple[str, ...],
    word: str,
) -> float:
    """P(word | history) by (c(hw) + T(h) P(w|h')) / (c(h) + T(h)); uniform at the bottom."""
    texts, foretold = padded(sentences), [*vocabulary, "</s>"]
    after = {w: occurrences(texts, (*history, w)) for w in foretold}
    total, types = sum(after.values()), sum(count > 0 for count in after.values())
    below = 1 / len(foretold)
    if history:
        below = witten_bell(sentences, vocabulary, history[1:], word)
    if total == 0:
        return below
    return (after[word] + types * below) / (total + types)


def kneser_ney(
    sentences: Sequence[Sequence[str]],
    vocabulary: Sequence[str],
    history: tuple[str, ...],
    word: str,
    *,
    order: int,
    discounts: Sequence[Sequence[float]],
) -> float:
    """P(word | history); discounts[n - 1] holds those of counts 1, 2, 3 and more of n-grams."""
    texts, foretold = padded(sentences), [*vocabulary, "</s>"]

    def adjusted(ngram: tuple[str, ...]) -> int:
        if len(ngram) == order or ngram[0] == "<s>":
            return occurrences(texts, ngram)
        return predecessors(texts, ngram)

    def discount(count: int) -> float:
        return 0.0 if count == 0 else discounts[len(history)][min(count, 3) - 1]

    after = {w: adjusted((*history, w)) for w in foretold}
    total = sum(after.values())
    below = 1 / len(foretold)
    if history:
        below = kneser_ney(
            sentences, vocabulary, history[1:], word, order=order, discounts=discounts
        )
    if total == 0:
        return below
    given = sum(discount(count) for count in after.values())
    return (after[word] - discount(after[word]) + given * below) / total


def discounts_of_order(sentences: Sequence[Sequence[str]], *, order: int, size: int) -> list[float]:
    """Modified Kneser-Ney discounts of n-grams of one size, from the counts of their counts."""
    texts = padded(sentences)
    ngrams = {tuple(t[i : i + size]) for t in texts for i in range(len(t) - size + 1)} - {("<s>",)}
    counts = [
        occurrences(texts, g) if size == order or g[0] == "<s>" else predecessors(texts, g)
        for g in ngrams
    ]
    n1, n2, n3, n4 = (counts.count(k) for k in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    return [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
