"""Results as one HTML page with embedded figures, and as Markdown."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from matplotlib.figure import Figure
from PIL import Image

from speakergmm.files import atomic_text_writer


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a figure with a text, and a table."""

    name: str
    title: str
    words: str
    figure: Figure
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def png(self) -> bytes:
        """Return the figure as a PNG file of 96 colours, which has a third of the size."""
        whole, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(whole, format="png")
        Image.open(whole).convert("RGB").quantize(96).save(small, format="png", optimize=True)
        return small.getvalue()

    def table(self) -> str:
        """Return the table in Markdown."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_results(
    folder: Path, sections: Sequence[Section], *, title: str, about: Mapping[str, str]
) -> None:
    """Write the page, ``results.md``, and the figures as separate files."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = {section.name: section.png() for section in sections}
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(picture)
    page = environment.get_template("page.html.j2").render(
        title=title,
        about=about,
        sections=sections,
        pictures={name: base64.b64encode(each).decode() for name, each in pictures.items()},
    )
    with atomic_text_writer(folder / "mixtures.html") as file:
        file.write(page)
    with atomic_text_writer(folder / "results.md") as file:
        file.write(f"# {title}\n\n")
        file.writelines(f"- {name}: {value}\n" for name, value in about.items())
        for section in sections:
            file.write(
                f"\n## {section.title}\n\n![{section.title}]({section.name}.png)\n\n"
                f"{section.words}\n\n{section.table()}\n"
            )
