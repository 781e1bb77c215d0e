"""Expectation-maximisation that resumes from a checkpoint, and reports each iteration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from speakergmm.checkpoints import open_checkpoint
from speakergmm.gaussians.em import (
    EMResult,
    EMState,
    EMStep,
    em_result,
    iteration_callback,
    run_training_loop,
)
from speakergmm.run_context import RunContext

Model = TypeVar("Model")


def run_resumable_em(
    start: Model,
    step: EMStep[Model, Any],
    kind: Any,
    *,
    fingerprint: Callable[[], Mapping[str, Any]],
    run: RunContext,
) -> EMResult[Model]:
    """Take EM steps from a start, or from the checkpoint of the run, until training has ended.

    Parameters
    ----------
    start : model
        The model from which a training without a checkpoint starts.
    step : EMStep
        One iteration.
    kind : type
        The record that the state is, such as ``EMState[Mixture]``.
    fingerprint : callable
        Returns the fingerprint of data and options; called only if there is a checkpoint.
    run : RunContext
        Its `checkpoint`, `checkpoint_seconds` and `callback` are used; the callback is called as
        ``callback(number, iteration)`` after each new iteration.
    """
    with open_checkpoint(
        run.checkpoint, kind, fingerprint=fingerprint, seconds=run.checkpoint_seconds
    ) as file:
        state: EMState[Model] = run_training_loop(
            file.state or EMState(start, start, ()),
            step,
            record=file.record,
            callback=iteration_callback(run.callback),
        )
    return em_result(state)
