"""Renew GUIDE.md: run its commands and Python calls on real speech, with their output and pictures.

python recipes/verification/guide.py --data DIR
"""

import contextlib
import doctest
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import typer

from speakergmm.corpora import Protocol, read_protocol

GUIDE = Path(__file__).with_name("GUIDE.md")
_BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRESS = re.compile(r"^[a-z-]+: .* \d\d:\d\d:\d\d\n", re.MULTILINE)  # of slow machines
_PICTURE = re.compile(r"!\[[^]]*\]\((figures/[^)]+\.svg)\)")
# Commands whose refusal is what the guide shows end in this, which prints the exit code, too.
EXIT_CODE = 'echo "exit code $?"'


class Step(NamedTuple):
    """A command or Python call of the guide, and what it printed.

    Attributes
    ----------
    source, output : str
    failed : bool
        Whether it ended in an error that the guide does not show on purpose.
    """

    source: str
    output: str
    failed: bool


def variables(protocol: Protocol, data: Path, name: str) -> dict[str, str]:
    """Return the shell variables that the guide uses: folders, and files of one eval speaker."""
    split = protocol.split("eval")
    speaker = split.models[0]
    genuine, impostor = (
        next(t.path for t in split.trials if t.model == speaker and t.label == label)
        for label in ("target", "nontarget")
    )
    return {
        "DATA": str(data),
        "LISTS": str(data / "protocols" / name),
        "SPEAKER": speaker,
        "ENROLMENT": " ".join(map(str, split.enrolment[speaker])),
        "GENUINE": str(genuine),
        "IMPOSTOR": str(impostor),
        "TESTS": "clean,telephone,codec",
    }


def run_console(text: str, environment: dict[str, str], folder: Path) -> Iterator[Step]:
    """Yield the commands of a block, each run by a shell in a folder."""
    for source in re.findall(r"^\$ .*(?:\n> .*)*", text, re.MULTILINE):
        command = re.sub(r"^[$>] ", "", source, flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        yield Step(source + "\n", _PROGRESS.sub("", done.stdout), done.returncode > 1)


def run_python(text: str, names: dict[str, Any]) -> Iterator[Step]:
    """Yield the calls of a block, each run with the names of those before it."""
    for example in doctest.DocTestParser().get_examples(text):
        printed, failed = io.StringIO(), False
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(example.source, "GUIDE.md", "single"), names)
            except Exception as error:
                print(f"{type(error).__name__}: {error}")
                failed = "Error" not in example.want
        lines = example.source.splitlines()
        source = "".join(
            f"{'...' if n else '>>>'} {line}".rstrip() + "\n" for n, line in enumerate(lines)
        )
        yield Step(source, printed.getvalue(), failed)


def renewed(text: str, environment: dict[str, str], folder: Path) -> tuple[str, list[Step]]:
    """Return the guide with the output of its steps, all of which are run in a folder."""
    steps: list[Step] = []
    names: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        kind, content = block.groups()
        found = (
            run_console(content, environment, folder)
            if kind == "console"
            else run_python(content, names)
        )
        made, start = "", time.perf_counter()
        for step in found:
            print(
                f"{time.perf_counter() - start:6.1f} s  {step.source.splitlines()[0]}", flush=True
            )
            shown = step.output.replace(environment["DATA"], "$DATA").strip("\n")
            made += step.source + (f"{shown}\n" if shown else "")
            steps.append(step)
            start = time.perf_counter()
        return f"```{kind}\n{made}```"

    return _BLOCK.sub(run, text), steps


def main(
    data: Annotated[Path, typer.Option(help="Folder of real speech, with protocols/.")],
    name: Annotated[str, typer.Option("--set", help="Protocol.")] = "arabic_speech_commands",
    guide: Annotated[Path, typer.Option(help="Guide that is renewed in its place.")] = GUIDE,
) -> None:
    """Run the guide, and write it with its pictures."""
    data = data.resolve()
    protocol = read_protocol(data / "protocols" / name, data_dir=data)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **variables(protocol, data, name), "PATH": programs}
    text = guide.read_text(encoding="utf-8")
    os.environ.update(environment)
    with TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        folder = Path(temporary)
        text, steps = renewed(text, environment, folder)
        for picture in _PICTURE.findall(text):
            (guide.parent / picture).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / picture, guide.parent / picture)
    guide.write_text(text, encoding="utf-8")
    failed = [step for step in steps if step.failed]
    for step in failed:
        print(f"failed: {step.source}{step.output}")
    raise typer.Exit(bool(failed))


if __name__ == "__main__":
    typer.run(main)
