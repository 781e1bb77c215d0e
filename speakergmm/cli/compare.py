"""``speakergmm compare``: whether two recordings are of one speaker."""

from __future__ import annotations

from pathlib import Path

from speakergmm import speakers
from speakergmm.cli.answers import answer_lines, leave, note_of_calibration, note_of_shipped
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.speakers import VerificationOptions

_DIRECTIONS = "rates are of trials in one direction; the answer is the mean of both directions"


@command
class Compare(AnsweringCommand):
    """Compare two recordings, and say whether they are of one speaker.

    The answer is a log-likelihood ratio (above 0: one speaker is likelier than two), the mean of
    those with either recording enrolled and the other one tested. No corpus is needed: without
    --ubm the model that ships with speakergmm answers. There is a decision if one of --prior,
    --target-far and --threshold is given: the exit code is then 0 for yes and 1 for no.

    Examples:

      speakergmm compare a.wav b.wav

      speakergmm compare a.wav b.wav --prior 0.5 --json
    """

    a: Path = argument("A recording of one speaker.", metavar="A")
    b: Path = argument("Another recording of one speaker.", metavar="B")
    ubm: Path | None = option(
        None, "Background model or system (default: the one that ships with speakergmm)."
    )
    verification: VerificationOptions = options_of(
        VerificationOptions,
        *("prior", "c_miss", "c_fa", "target_far", "threshold", "force", "top_c"),
    )

    def run(self) -> None:
        """Compare the recordings, and decide if a decision is asked for."""
        shipped = self.ubm is None
        system = speakers.shipped_system() if self.ubm is None else speakers.as_system(self.ubm)
        result = speakers.compare_recordings(self.a, self.b, system, self.verification)
        if shipped:
            note_of_shipped(system)
        else:
            note_of_calibration(system, "this model")
        document = {
            **result.to_dict(),
            "expected_of": None if result.answer.promise is None else _DIRECTIONS,
            "model": {
                "digest": system.digest,
                "shipped": shipped,
                "measured": system.provenance.get("measured"),
            },
        }
        lines = answer_lines(result.answer, min(result.speech_seconds))
        if result.answer.promise is not None:
            lines.append(_DIRECTIONS)
        self.answer(document, *lines)
        leave([result.decision])
