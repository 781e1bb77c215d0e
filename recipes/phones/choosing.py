"""Comparisons by which settings were chosen, on held-out training speakers."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from material import hold_out, read_librispeech
from settings import FACTORS, OUTPUT, PENALTIES, SCALES, OutputOption, Search, Settings
from stages import Run
from tables import ERRORS, heading, phone_cells, row, word_cells

RealOption = Annotated[Path, typer.Option("--data", help="Folder that holds librispeech/.")]


def choose(
    data: RealOption, output: OutputOption = OUTPUT, factor: list[str] | None = None, fold: int = 0
) -> None:
    """Compare settings on held-out training speakers; the test part is not touched."""
    material = hold_out(read_librispeech(data), fold=fold)
    heading("factor", "value", "phone error %", "95 % interval", "deleted", "inserted")
    for name, variants in FACTORS.items():
        for value, settings in variants.items() if factor is None or name in factor else ():
            run = Run(material, settings.quick(), output)
            model = run.model()
            bigram = run.phone_model(run.align(model, material.train))
            cells = phone_cells(run, model, bigram)
            row(name, value, *cells[:2], *cells[3:5])


def scales(data: RealOption, output: OutputOption = OUTPUT, algorithm: str = "viterbi") -> None:
    """Compare weights of the decoder on held-out training speakers."""
    material = hold_out(read_librispeech(data))
    run = Run(material, replace(Settings(), algorithm=algorithm), output)
    model = run.model()
    bigram = run.phone_model(run.align(model, material.train))
    heading("unit", "acoustic scale", "penalty", *ERRORS)
    for unit in ("phones", "words"):
        for scale in SCALES[unit]:
            for penalty in PENALTIES[unit]:
                search = Search(scale, penalty)
                if unit == "phones":
                    cells = phone_cells(run, model, bigram, search)
                else:
                    cells = word_cells(run, model, search)
                row(unit, scale, penalty, *cells)
