"""Rates as percentages in sentences."""

from __future__ import annotations

_LEAST = 1e-3  # percent


def percentage(rate: float) -> str:
    """Return a rate in percent, with two digits and without its sign.

    Parameters
    ----------
    rate : float
        Between 0 and 1.

    Returns
    -------
    str
        In fixed notation; rates above 99 % have the digits that keep them apart from 100 %, and
        those below 0.001 % are ``"<0.001"``.

    Examples
    --------
    >>> [percentage(rate) for rate in (0.0, 3.9e-10, 0.00037, 0.246, 0.994, 1.0)]
    ['0', '<0.001', '0.037', '25', '99', '100']
    >>> percentage(0.9962)
    '99.6'
    """
    percent = 100 * rate
    if 0 < percent < _LEAST:
        return f"<{_LEAST:g}"
    if 99.5 <= percent < 100:
        return f"{min(percent, 99.9):.1f}"
    return "100" if percent >= 100 else f"{percent:.2g}"
