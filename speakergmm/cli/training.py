"""What the commands that train models share: progress, features, and the summary at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.cli.output import counted, print_json, print_line
from speakergmm.cli.recordings import names_of, passed_over
from speakergmm.progress import status

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus
    from speakergmm.features import FeatureConfig
    from speakergmm.hmm.training.state import TrainingState
    from speakergmm.mixtures import Iteration
    from speakergmm.recognition import AcousticModel


@contextlib.contextmanager
def training_status() -> Iterator[Callable[[int, Iteration], None]]:
    """Show how EM goes on; yields what to call after each iteration."""
    with status("training") as tell:
        yield lambda number, iteration: tell(
            f"iteration {number + 1}, log-likelihood {iteration.objective:.2f} per frame"
        )


@contextlib.contextmanager
def hmm_training_status(n_iterations: int) -> Iterator[Callable[[TrainingState], None]]:
    """Show how a training of hidden Markov models goes on; yields what to call after each step."""
    with status("training") as tell:

        def show(state: TrainingState) -> None:
            last = state.history[-1]
            tell(
                f"iteration {state.iteration} of {n_iterations}, log-likelihood "
                f"{last.log_likelihood:.2f} per frame, {last.n_gaussians:,} Gaussians"
            )

        yield show


def features_of(name: str, rate: int | None, corpus: Corpus) -> FeatureConfig:
    """Load the features of phones or words, at the rate that is asked for or suits a corpus."""
    from speakergmm.features import FeatureConfig
    from speakergmm.recognition.features import suited_rate

    config = FeatureConfig.load(name)
    if rate is not None or name == "hmm":
        config = config.replace(sample_rate=rate or suited_rate(corpus.utterances))
    return config


def tell_trained(
    model: AcousticModel,
    corpus: Corpus,
    output: Path,
    *,
    modelled: str,
    heard: str,
    json: bool,
    **more: Any,
) -> None:
    """Say what a model of phones or words was trained on, and how well it describes it.

    Parameters
    ----------
    model : AcousticModel
    corpus : Corpus
        With what was left out of it.
    output : Path
        Where the model was written.
    modelled : str
        What the model is of, counted.
    heard : str
        The noun for what it was trained on.
    json : bool
        Print a document, with `more`, in place of a line.
    **more
        Further entries of the document.
    """
    facts = model.provenance
    n_used, n_given = facts["n_utterances"], len(names_of(corpus))
    if json:
        document = {"output": str(output), "n_left_out": n_given - n_used, **passed_over(corpus)}
        print_json({**document, **more, **model.info()})
        return
    left_out = f"; {n_given - n_used:,} of {n_given:,} left out" if n_used < n_given else ""
    print_line(
        f"{output}: {modelled}, {counted(model.models.n_components, 'Gaussian')}, trained on "
        f"{counted(n_used, heard)} ({facts['seconds'] / 60:.1f} minutes) of "
        f"{counted(facts['n_speakers'], 'named speaker')}; log-likelihood "
        f"{facts['history'][-1]['log_likelihood'] or float('nan'):.3f} a frame, "
        f"digest {model.digest[:12]}{left_out}"
    )
