"""Figures as ``<svg>`` elements of HTML pages."""

import contextlib
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_style(name: str, **more: Any) -> contextlib.AbstractContextManager[None]:
    """Return a context for drawing with text as text and reproducible output.

    Parameters
    ----------
    name : str
        Name of the figure, by which its ids are salted.
    **more
        Further settings of matplotlib.
    """
    import matplotlib

    salt = f"speakergmm {name}"
    ours = {"font.family": "DejaVu Sans", "svg.fonttype": "none", "svg.hashsalt": salt}
    return matplotlib.rc_context(ours | more)


def render_figure(figure: "Figure", **options: Any) -> bytes:
    """Return the bytes that `matplotlib.figure.Figure.savefig` writes with some options.

    Paths of an SVG have two decimals of a point: nobody sees more, and it is half as large.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Matplotlib warns of each character that the font does not contain.
        warnings.simplefilter("ignore")
        figure.savefig(buffer, **options)
    if options.get("format") != "svg":
        return buffer.getvalue()
    return re.sub(rb'(?<= d=")[^"]*', _rounded, buffer.getvalue())


def _rounded(path: re.Match[bytes]) -> bytes:
    """Return the commands of a path with two decimals."""
    return re.sub(rb"-?\d+\.\d{3,}", lambda number: b"%.2f" % float(number[0]), path[0])


def svg_element(figure: "Figure", *, prefix: str, **options: Any) -> str:
    """Return a figure as an ``<svg>`` element whose ids are unique within the page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    prefix : str
        Prefix of all ids, which must differ from those of other figures of the page.
    **options
        Options of `matplotlib.figure.Figure.savefig`.
    """
    text = render_figure(figure, format="svg", **options).decode("utf-8")
    text = text[text.index("<svg") :].strip()
    # The metadata contain the date.
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # Its rules would apply to the whole page.
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"', "<svg", text, count=1)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{prefix}-', text)
    return re.sub(r"url\(#", f"url(#{prefix}-", text)
