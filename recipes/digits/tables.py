"""Figures as rows of tables in Markdown."""

from speakergmm.recognition import WordEvaluation

HEADING = ("errors", "of", "error %", "95 % Wilson", "95 % over speakers", "CPU s")


def heading(*cells: str) -> None:
    """Print the first rows of a table."""
    print()
    row(*cells)
    row(*["---"] * len(cells))


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def cells(found: WordEvaluation, seconds: float) -> list[str]:
    """Figures of an evaluation."""
    intervals = found.wilson_interval(), found.speaker_interval()
    shown = ["-" if i is None else f"{100 * i.low:.2f} to {100 * i.high:.2f}" for i in intervals]
    rate = f"{100 * found.error_rate:.2f}"
    return [str(found.n_errors), str(len(found.recognised)), rate, *shown, f"{seconds:.0f}"]


def describe_errors(name: str, found: WordEvaluation) -> None:
    """Print which words were taken for which, and the errors of each speaker."""
    taken = ", ".join(f"{said} as {heard or 'nothing'} {n}" for said, heard, n in found.confusions)
    speakers = ", ".join(f"{who} {e} of {n}" for who, (e, n) in found.by_speaker().items())
    print(f"\n{name}: heard {taken or 'no error'}. By speaker: {speakers}.")
