"""The pages of reports: self-contained HTML of one look, from the templates of this room."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.reports.plots import page_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Invalid in HTML: control characters and lone surrogates (from file names that are not UTF-8).
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def render_page(
    template: str,
    *,
    title: str,
    verdict: Sequence[str],
    plots: "Mapping[str, Figure]",
    configuration: Mapping[str, Any] | None,
    **values: Any,
) -> str:
    """Return a page that extends ``page.html.j2``.

    Parameters
    ----------
    template : str
        Name of the template.
    title : str
        Heading of the page.
    verdict : sequence of str
        The sentences of its first paragraph.
    plots : mapping of str to matplotlib.figure.Figure
        Plots of this room, which the template places by their names.
    configuration : mapping, optional
        Entries of its last section, nested to any depth.
    **values
        Further values for the template.

    Returns
    -------
    str
        The page, without scripts, links or external resources; equal input gives equal bytes.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("speakergmm.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["rows"] = configuration_rows
    return environment.get_template(template).render(
        title=title,
        verdict=verdict,
        plots={name: Markup(page_svg(figure, prefix=name)) for name, figure in plots.items()},
        configuration=configuration or {},
        **values,
    )


def configuration_rows(value: Any, *, level: int = 0) -> list[tuple[int, str, str | None]]:
    """Return a nested configuration as the rows of a table.

    Parameters
    ----------
    value : mapping or sequence
        The configuration.
    level : int
        Depth of the outermost rows.

    Returns
    -------
    list of tuple
        Depth, name and value as text; the value of a heading is None.

    Examples
    --------
    >>> configuration_rows({"seed": 1, "model": {"components": 64, "floor": None}})
    [(0, 'seed', '1'), (0, 'model', None), (1, 'components', '64'), (1, 'floor', 'none')]
    """
    items = (
        value.items()
        if isinstance(value, Mapping)
        else ((str(number), each) for number, each in enumerate(value, start=1))
    )
    rows: list[tuple[int, str, str | None]] = []
    for name, each in items:
        nested = isinstance(each, Mapping) or (
            isinstance(each, Sequence)
            and not isinstance(each, str | bytes)
            and any(isinstance(part, Mapping) for part in each)
        )
        if nested and each:
            rows.append((level, str(name), None))
            rows += configuration_rows(each, level=level + 1)
        else:
            rows.append((level, str(name), _value_text(each)))
    return rows


def _value_text(value: Any) -> str:
    if value is None or (isinstance(value, Mapping | Sequence) and not value):
        return "none"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(_value_text(each) for each in value)
    return str(value)


def _printable(value: Any) -> Any:
    from markupsafe import Markup

    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNPRINTABLE.sub("\ufffd", value)
    return value
