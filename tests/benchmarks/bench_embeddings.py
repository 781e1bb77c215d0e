"""Time the analysis of embeddings against the matrix products that it cannot do without.

Usage: python tests/benchmarks/bench_embeddings.py [--rounds 5]

CPU seconds on one thread, medians of runs that take turns. "bare products" of scores are two
products of models by tests; those of an iteration of PLDA are the products of sums of embeddings
with the loadings; those of a file are the bytes of its numbers, copied.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _timing import interleaved_medians
from threadpoolctl import threadpool_limits

from speakergmm.speakers import SupervectorSvm, read_embeddings
from speakergmm.subspace import (
    EmbeddingAnalysis,
    Plda,
    SpeakerGroups,
    cosine_scores,
    fit_discriminants,
    fit_nuisance_projection,
    fit_plda,
    fit_within_class_normalisation,
)


def show(what, seconds, bare, note=""):
    print(f"{what:58} {seconds:9.3f} {bare:9.3f} {seconds / bare:7.1f}  {note}")


def sessions_of(rng, n_speakers, n_sessions, size):
    names = np.repeat(np.arange(n_speakers), n_sessions)
    return 2 * rng.normal(size=(n_speakers, size))[names] + rng.normal(
        size=(len(names), size)
    ), names


def trials(rng, rounds):
    for size, rank in ((200, 200), (400, 150)):
        root = rng.normal(size=(size, 2 * size))
        plda = Plda(np.zeros(size), rng.normal(size=(size, rank)), root @ root.T / size)
        models, tests = rng.normal(size=(1000, size)), rng.normal(size=(1000, size))
        counts = rng.integers(1, 20, 1000)
        left, right = models[:, :rank].copy(), tests[:, :rank].copy()
        _ = plda.variances
        found = interleaved_medians(
            {
                "plda": lambda plda=plda, m=models, t=tests: plda.score(m, t),
                "counts": lambda plda=plda, m=models, t=tests, c=counts: plda.score(m, t, c),
                "cosine": lambda m=models, t=tests: cosine_scores(m, t),
                "bare": lambda a=left, b=right: (a @ b.T, a @ b.T),
            },
            rounds=rounds,
        )
        text = f"1,000,000 trials, {size} dimensions"
        show(f"{text}, PLDA of rank {rank}", found["plda"], found["bare"], "bound: 2 s")
        show(f"{text}, of 1 to 19 sessions", found["counts"], found["bare"], "bound: 2 s")
        show(f"{text}, cosines", found["cosine"], found["bare"])


def training(rng, rounds):
    # Sessions are of unequal numbers: where they are equal, training starts at its end.
    X, names = sessions_of(rng, 5000, rng.integers(2, 15, 5000), 200)
    groups = SpeakerGroups.of(names, len(X))
    sums = groups.sums(X)
    loadings = rng.normal(size=(200, 200))

    def bare():
        for _ in range(10):
            factors = sums @ loadings
            _ = factors.T @ factors, factors.T @ factors, sums.T @ factors
        return X.T @ X

    found = interleaved_medians(
        {
            "plda": lambda: fit_plda(X, names, max_iter=10, tol=0.0),
            "bare": bare,
            "lda": lambda: fit_discriminants(X, names, n_dimensions=150),
            "wccn": lambda: fit_within_class_normalisation(X, names),
            "nap": lambda: fit_nuisance_projection(X[:1000], names[:1000], n_directions=20),
            "scatter": lambda: X.T @ X,
        },
        rounds=rounds,
    )
    text = f"{len(X):,} sessions of 5,000 speakers, 200 dimensions"
    show(f"{text}: PLDA, 10 iterations", found["plda"], found["bare"])
    show(f"{text}: LDA", found["lda"], found["scatter"])
    show(f"{text}: WCCN", found["wccn"], found["scatter"])


def files(rng, rounds):
    import kaldiio

    vectors = rng.normal(size=(20000, 200)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        ark, npy = Path(folder) / "vectors.ark", Path(folder) / "vectors.npy"
        kaldiio.save_ark(str(ark), {f"u{n:06d}": each for n, each in enumerate(vectors)})
        np.save(npy, vectors)
        npy.with_suffix(".ids").write_text("".join(f"u{n:06d}\n" for n in range(len(vectors))))
        found = interleaved_medians(
            {
                "ark": lambda: read_embeddings(ark),
                "kaldiio": lambda: dict(kaldiio.load_ark(str(ark))),
                "npy": lambda: read_embeddings(npy),
                "copy": lambda: np.array(np.load(npy), np.float64),
            },
            rounds=rounds,
        )
    show("20,000 vectors of 200 dimensions from an archive", found["ark"], found["kaldiio"],
         "bare: kaldiio, unchecked")  # fmt: skip
    show("the same from a NumPy file with names", found["npy"], found["copy"])


def machines(rng, rounds):
    background = rng.normal(size=(500, 5000))
    own = rng.normal(size=(4, 5000)) + 0.3
    svm = SupervectorSvm.train(background)
    svm.enroll(own)
    found = interleaved_medians(
        {"enroll": lambda: svm.enroll(own), "bare": lambda: background @ own.T}, rounds=rounds
    )
    show("an SVM against 500 supervectors of 5,000", found["enroll"], found["bare"])


def chain(rng, rounds):
    X, names = sessions_of(rng, 300, 8, 200)
    analysis = EmbeddingAnalysis.train(X, names, n_discriminants=150)
    matrix = rng.normal(size=(200, 150))
    found = interleaved_medians(
        {"chain": lambda: analysis.transform(X), "bare": lambda: X @ matrix}, rounds=rounds
    )
    show("2,400 embeddings of 200 through centring, LDA, lengths", found["chain"], found["bare"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(0)
    print(f"{'CPU seconds, one thread':58} {'ours':>9} {'bare':>9} {'ratio':>7}")
    with threadpool_limits(1):
        for part in (trials, training, chain, machines, files):
            part(rng, rounds)


if __name__ == "__main__":
    main()
