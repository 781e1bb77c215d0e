"""Command line of the scripts in this folder."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from data_scripts._common import CorpusDescription, compare_sizes, find_recordings
from data_scripts._download import fetch, unpack
from speakergmm.corpora import read_corpus, validate_corpus, write_corpus
from speakergmm.errors import SpeakerGmmError
from speakergmm.run_context import RunContext

FolderArgument = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]
PartsOption = Annotated[
    list[str] | None, typer.Option("--part", help="Part of the corpus; may be given several times.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="List to write [default: FOLDER/corpus.tsv].")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of processes.")]


def about(description: CorpusDescription) -> str:
    """Return a description of a corpus: title, source, licence, citation and size."""
    lines = [
        f"{description.title}",
        f"homepage  {description.homepage}",
        f"licence   {description.licence}",
        f"citation  {description.citation}",
    ]
    for part, size in description.sizes.items():
        label = f"{part}: " if part else ""
        lines.append(
            f"size      {label}{size.n_recordings} recordings of {size.n_speakers} speakers"
        )
    for archive in description.archives:
        lines.append(f"archive   {archive.name}: {archive.url}")
        lines.append(f"checksum  {archive.name}: {archive.checksum or 'none published'}")
    if description.obtain:
        lines.append(f"obtain    {description.obtain}")
    return "\n".join(lines)


def make_app(description: CorpusDescription) -> typer.Typer:
    """Return the commands about, download, list and validate for a corpus."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        help=f"{description.title}. Licence: {description.licence}.",
    )

    @app.command("about")
    def show() -> None:
        """Show the title, source, licence, citation and size of the corpus."""
        typer.echo(about(description))

    if description.archives:

        @app.command()
        def download(folder: FolderArgument, part: PartsOption = None) -> None:
            """Download, check and unpack the corpus, and write its list to FOLDER/corpus.tsv.

            An interrupted download is continued.
            """
            typer.echo(about(description))
            if len(description.archives) > 1 and not part:
                names = ", ".join(archive.name for archive in description.archives)
                raise typer.BadParameter(f"name at least one of {names}", param_hint="--part")
            wanted = [description.archive(name) for name in part or ()] or description.archives
            for archive in wanted:
                unpacked = folder / archive.name
                if not unpacked.exists():
                    unpack(fetch(archive, folder), unpacked)
            _list(description, folder, None, ())

    @app.command("list")
    def listing(
        folder: FolderArgument, output: OutputOption = None, part: PartsOption = None
    ) -> None:
        """Write a list of the corpus with the columns speaker and path."""
        _list(description, folder, output, tuple(part or ()))

    @app.command()
    def validate(folder: FolderArgument, part: PartsOption = None, jobs: JobsOption = 1) -> None:
        """Read every recording and list all problems; exit with code 1 if any is an error."""
        found = find_recordings(folder, description, parts=tuple(part or ()))
        for line in compare_sizes(found, description):
            typer.echo(line)
        problems = validate_corpus(found.corpus, engine=jobs, run=RunContext(progress=True))
        for problem in problems:
            typer.echo(f"{problem.severity}\t{problem.kind}\t{problem.path}\t{problem.message}")
        errors = sum(problem.severity == "error" for problem in problems)
        typer.echo(f"{errors} errors, {len(problems) - errors} warnings")
        if errors:
            raise typer.Exit(1)

    return app


def _list(
    description: CorpusDescription, folder: Path, output: Path | None, parts: tuple[str, ...]
) -> None:
    """Write the list of a corpus, and show how complete it is."""
    found = find_recordings(folder, description, parts=parts)
    target = folder / "corpus.tsv" if output is None else output
    target.parent.mkdir(parents=True, exist_ok=True)
    write_corpus(target, found.corpus, relative_to=folder)
    # Read it back as the toolkit does, to make sure that the list can be read.
    read_corpus(target, data_dir=folder)
    for line in compare_sizes(found, description):
        typer.echo(line)
    if found.skipped:
        typer.echo(
            f"{len(found.skipped)} audio files have other names and were skipped, such as "
            f"{found.skipped[0]}"
        )
    typer.echo(f"list: {target} (its paths are relative to {folder})")


def run(app: typer.Typer) -> None:
    """Run the commands of a script; show an error in one line and exit with code 2."""
    try:
        app()
    except SpeakerGmmError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
