"""``speakergmm train-backend``: a back-end that learns from the sessions of many speakers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from speakergmm import speakers
from speakergmm.checkpoints import kept_checkpoint
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command, options_of
from speakergmm.cli.corpus_options import CorpusCommand, read_report
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted
from speakergmm.cli.training_commands import TRAINING_CONTEXT
from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, left_open, one_of
from speakergmm.progress import status
from speakergmm.run_context import RunContext
from speakergmm.speakers import IvectorOptions, SupervectorOptions
from speakergmm.subspace import JointFactorOptions

if TYPE_CHECKING:
    from speakergmm.mixtures import Iteration

_Trained = Literal["ivector", "isv", "jfa", "svm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices(Options):
    """The back-end and the options that are given; the others have the defaults of the back-end."""

    backend: _Trained = one_of(
        "ivector",
        get_args(_Trained),
        "I-vectors, inter-session variability, joint factor analysis, or supervector machines.",
    )
    dimension: int | None = left_open(
        IvectorOptions, "dimension", "Number of factors (default: 100 of i-vectors, 50 of isv)."
    )
    speaker_dimension: int | None = left_open(JointFactorOptions, "speaker_dimension")
    session_dimension: int | None = left_open(JointFactorOptions, "session_dimension")
    relevance_factor: float | None = left_open(
        SupervectorOptions, "relevance_factor", "Relevance factor of isv, jfa and svm, in frames."
    )
    n_nuisances: int | None = left_open(SupervectorOptions, "n_nuisances")
    n_discriminants: int | None = left_open(IvectorOptions, "n_discriminants")
    normalisation: str | None = left_open(IvectorOptions, "normalisation")
    scorer: str | None = left_open(IvectorOptions, "scorer", "Comparison of i-vectors.")
    cost: float | None = left_open(SupervectorOptions, "cost")
    max_iter: int | None = left_open(IvectorOptions, "max_iter", "Iterations over the factors.")
    seed: int | None = left_open(IvectorOptions, "seed", "Seed of the random start.")

    def changes(self) -> dict[str, Any]:
        """Return the options of the back-end that are given, by name.

        Raises
        ------
        InvalidInputError
            If the back-end does not have one.
        """
        own = speakers.BACKEND_TRAININGS[self.backend].options
        given = {name: getattr(self, name) for name in self.declarations() if name != "backend"}
        given = {name: value for name, value in given.items() if value is not None}
        for name in given:
            if own.path_to(name) is None:
                flag = name.removeprefix("n_").replace("_", "-")
                raise InvalidInputError(
                    f"--{flag}: is no option of back-end {self.backend!r}; leave it out"
                )
        return given


@command
class TrainBackend(CorpusCommand):
    """Train a back-end on sessions of many speakers: i-vectors, isv, jfa or supervectors.

    The system that it writes takes the place of the background model in all commands.

    Examples:

      speakergmm train-backend recordings/ --ubm ubm.safetensors --output system.safetensors

      speakergmm train-backend features/ --ubm ubm.safetensors --backend isv -o isv.safetensors

      speakergmm train-backend list.tsv --ubm ubm.safetensors --discriminants 20 -o s.safetensors
    """

    corpus: options.CorpusOrStoreArgument
    ubm: options.Ubm
    output: options.ModelOutput
    chosen: _Choices = options_of(_Choices, *_Choices.declarations())
    statistics: options.StatisticsOption = None
    feature_store: options.FeatureStoreOption = None
    context: RunContext = options_of(RunContext, *TRAINING_CONTEXT)

    def run(self) -> None:
        """Train and write the system, and print a summary."""
        check_output(self.output, "system")
        if self.statistics is not None:
            check_output(self.statistics, "statistics")
        changes = self.chosen.changes()
        read = self.open_corpus_or_store(self.corpus)
        with (
            kept_checkpoint(replace(self.context, progress=not self.json)) as run,
            status("training") as tell,
        ):

            def show(number: int, iteration: Iteration) -> None:
                tell(f"iteration {number + 1}, log-likelihood {iteration.objective:.4f} per frame")

            system = speakers.train_backend(
                self.ubm,
                read,
                self.chosen.backend,
                statistics=self.statistics,
                feature_store=self.feature_store,
                engine=self.engine,
                run=replace(run, callback=show),
                **changes,
            )
            system.save(self.output)
        assert system.trained is not None
        facts = system.trained.provenance
        self.answer(
            {"output": str(self.output), **read_report(read), **system.info()},
            f"{self.output}: back-end {system.backend_name} "
            f"({', '.join(_in_words(system.trained.facts()))}), trained on "
            f"{counted(facts['sessions'], 'session')} of {counted(facts['speakers'], 'speaker')}, "
            f"digest {system.digest[:12]}",
        )


def _in_words(facts: dict[str, Any]) -> list[str]:
    """Return sizes and steps of what was trained."""
    return [
        f"{name.replace('_', ' ')} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in facts.items()
    ]
