"""The same measurement on the package of another tree, such as that of an older commit."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]


def run_on(source: Path, module: str, arguments: Sequence[str]) -> None:
    """Run a module of this `tests` on the package in `source`; ends as it ends.

    It works in a folder that holds the package of there and the tests of here, so that neither an
    installed package nor this one is found first. A `--source DIR` is taken out of the arguments.
    """
    kept = list(arguments)
    while "--source" in kept:
        at = kept.index("--source")
        del kept[at : at + 2]
    with overlay(source) as folder:
        found = subprocess.run([sys.executable, "-m", module, *kept], cwd=folder, check=False)
    if found.returncode:
        sys.exit(found.returncode)


def overlay(source: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a folder for a `with`, that holds the package of `source` and these tests."""
    package = source.resolve() / "speakergmm"
    if not (package / "__init__.py").is_file():
        sys.exit(f"{source} holds no folder speakergmm with the package")
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "speakergmm").symlink_to(package)
    (Path(folder.name) / "tests").symlink_to(_TESTS)
    return folder
