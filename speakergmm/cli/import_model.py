"""``speakergmm import``: models that Kaldi or the Montreal Forced Aligner has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speakergmm import recognition
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import Table


@command
class Import(AnsweringCommand):
    """Import phone models that Kaldi or the Montreal Forced Aligner has trained.

    Monophones are imported; what a model needs and this package lacks is named.

    Examples:

      speakergmm import english.zip --lexicon english.dict --output am.safetensors

      speakergmm import exp/mono --lexicon lexiconp.txt --options mfcc.conf --output am.safetensors
    """

    model: Path = argument("Folder with final.mdl, or zip of the Montreal Forced Aligner.")
    lexicon: Annotated[Path, typer.Option(help="Pronunciation lexicon, with or without numbers.")]
    output: options.ModelOutput
    phones: Annotated[
        Path | None, typer.Option(help="Names of phones (phones.txt), if they are not there.")
    ] = None
    options: Annotated[
        Path | None, typer.Option(help="Options of Kaldi's features, such as mfcc.conf.")
    ] = None

    def run(self) -> None:
        """Read the model and the lexicon, and write them as one file."""
        check_output(self.output, "acoustic model")
        found = recognition.import_model(
            self.model, self.lexicon, phones=self.phones, options=self.options
        )
        found.save(self.output)
        document = found.info() | {"output": str(self.output)}
        shown = ("n_units", "n_pdfs", "n_gaussians", "n_words", "digest")
        rows = [("from", found.provenance["imported_from"])]
        rows += [(name.removeprefix("n_"), str(document[name])) for name in shown]
        self.answer(document, Table(str(self.output), ("what", "value"), rows))
