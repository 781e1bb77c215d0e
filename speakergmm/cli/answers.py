"""Answers to trials as text, and the exit codes of decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from speakergmm.cli.printing import counted, print_note
from speakergmm.metrics import percentage

if TYPE_CHECKING:
    from speakergmm.speakers import Promise, SpeakerSystem, TrialAnswer


def answer_lines(
    answer: TrialAnswer, speech_seconds: float, *, with_rates: bool = True
) -> list[str]:
    """Return an answer as lines: score or ratio, decision, expected error rates, doubts."""
    seconds = f"{speech_seconds:.2f} s of speech"
    if answer.llr is None:
        decision = ""
        if answer.accepted is not None:
            decision = f"  {'yes' if answer.accepted else 'no'} (threshold {answer.threshold:g})"
        return [f"{answer.score:+.4f}  {seconds}{decision}"]
    lines = [f"LLR {answer.llr:+.2f}: {answer.verbal}  (score {answer.score:+.4f}, {seconds})"]
    if answer.posterior is not None:
        lines.append(f"posterior {answer.posterior:.3g} at prior {answer.prior:.3g}")
    if answer.accepted is not None:
        lines.append(f"{'yes' if answer.accepted else 'no'} (threshold {answer.threshold:+.2f})")
    if answer.promise is not None and with_rates:
        lines += promise_lines(answer.promise)
    if answer.unlike:
        lines.append(f"unlike what the calibration saw: {'; '.join(answer.unlike)}")
    return lines


def promise_lines(promise: Promise) -> tuple[str, ...]:
    """Return the error rates of decisions in words, their trials, and the worst groups of these."""
    return (
        f"decisions like this: {_rates('false accepts', promise.p_fa, promise.p_fa_interval)}, "
        f"{_rates('misses', promise.p_miss, promise.p_miss_interval)}",
        f"measured on {trials_in_words(promise.n_nontarget, promise.n_target, promise.n_speakers)}",
        *worst_lines(promise),
    )


def worst_lines(promise: Promise) -> tuple[str, ...]:
    """Return the groups of trials with most errors, and whether the promise holds for them."""
    return tuple(
        f"most {each.kind}: {each.name}, {each.in_words()}"
        + ("" if promise.holds_for(each) else ", beyond the range")
        for each in promise.worst
    )


def trials_in_words(n_nontarget: int, n_target: int, n_speakers: int, n_versions: int = 1) -> str:
    """Return the numbers of trials and speakers in words; versions of a test count once."""
    target, nontarget = (round(n / n_versions) for n in (n_target, n_nontarget))
    versions = f", each test in {n_versions} conditions" if n_versions > 1 else ""
    return (
        f"{counted(target, 'target trial')} and {counted(nontarget, 'nontarget trial')} of "
        f"{counted(n_speakers, 'speaker')}{versions}"
    )


def calibration_in_words(trials: Mapping[str, int]) -> str:
    """Return the trials of a calibration in words, as `Calibration.info` has them."""
    numbers = (trials[name] for name in ("nontarget", "target", "speakers", "versions"))
    return trials_in_words(*numbers)


def _rates(what: str, rate: float, interval: Sequence[float]) -> str:
    low, high = map(percentage, interval)
    return f"{what} {percentage(rate)} % (expected {low} to {high} %)"


def note_of_calibration(system: SpeakerSystem, what: str = "this store") -> None:
    """Print a note if a store or model has only scores because it is not calibrated."""
    if system.calibration is None:
        print_note(
            f"note: {what} is not calibrated: scores are no likelihood ratios, and mean "
            "different things on different recordings (speakergmm calibrate)"
        )


def note_of_shipped(system: SpeakerSystem) -> None:
    """Print a note that names the model that ships, its conditions and its error rates."""
    from speakergmm.speakers import describe_shipped

    print_note(f"note: no --ubm: the model that ships with speakergmm. {describe_shipped(system)}")


def leave(decisions: Sequence[bool | None], *, n_refused: int = 0) -> None:
    """End with the exit code of grep: 2 after refusals, 1 if a decision is no, otherwise 0."""
    if n_refused:
        raise typer.Exit(2)
    if any(decision is False for decision in decisions):
        raise typer.Exit(1)
