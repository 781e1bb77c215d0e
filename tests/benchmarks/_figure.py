"""One line of a benchmark's table, and how it is printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured ratio or number, and the one to reach."""

    row: str
    what: str
    seen: float
    to_reach: str
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """True if the figure is reached; None if there is none to reach."""
        if not self.to_reach:
            return None
        sign, limit = self.to_reach.split()[:2]
        return self.seen <= float(limit) if sign == "<=" else self.seen >= float(limit)


def show(figure: Figure) -> str:
    """Return the line of the table."""
    verdict = {None: "", True: "reached", False: "MISSED"}[figure.reached]
    # Two decimals would make nothing of a thousandth.
    seen = f"{figure.seen:.2f}" if abs(figure.seen) >= 0.1 else f"{figure.seen:.2g}"
    if float(figure.seen).is_integer():
        seen = f"{figure.seen:.0f}"
    return f"{seen:>9s}  {figure.to_reach:>7s}  {verdict:7s}  {figure.what}" + (
        f"  [{figure.note}]" if figure.note else ""
    )
