"""A figure as part of a page: an ``<svg>`` element without what only a file needs."""

import contextlib
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_style(name: str, **more: Any) -> contextlib.AbstractContextManager[None]:
    """Draw in our style: letters stay letters, and the same figure gives the same bytes.

    Parameters
    ----------
    name : str
        Of the figure, salt of its ids.
    **more
        Further settings of matplotlib.
    """
    import matplotlib

    salt = f"speakergmm {name}"
    ours = {"font.family": "DejaVu Sans", "svg.fonttype": "none", "svg.hashsalt": salt}
    return matplotlib.rc_context(ours | more)


def render_figure(figure: "Figure", **options: Any) -> bytes:
    """Return what `matplotlib.figure.Figure.savefig` writes, with such options."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes, which is said for each of them.
        warnings.simplefilter("ignore")
        figure.savefig(buffer, **options)
    return buffer.getvalue()


def svg_element(figure: "Figure", *, prefix: str, **options: Any) -> str:
    """Return a figure as an ``<svg>`` element whose ids are unique within the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    prefix : str
        Begins all ids, which must differ from those of other figures of the page.
    **options
        Of `matplotlib.figure.Figure.savefig`.
    """
    text = render_figure(figure, format="svg", **options).decode("utf-8")
    text = text[text.index("<svg") :].strip()
    # Holds the date, too.
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # Its rule would apply to the whole page.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", text, count=1)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{prefix}-', text)
    return re.sub(r"url\(#", f"url(#{prefix}-", text)
