"""One target under Atheris; `fuzz` starts it.

    PYTHONPATH=tests python -m fuzz.guided TARGET [OPTIONS OF LIBFUZZER] CORPUS
    PYTHONPATH=tests python -m fuzz.guided TARGET FILE     # repeats one input that was found

Nothing is imported before `main` is called, since imports are what Atheris instruments.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

PACKAGE = Path(__file__).parents[2] / "speakergmm"


def compiled_modules() -> list[str]:
    """Return the modules of kernels, which numba cannot compile once they are instrumented."""
    return [
        ".".join(("speakergmm", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in PACKAGE.rglob("*.py")
        if "speakergmm.kernels import" in path.read_text(encoding="utf-8")
    ]


def main() -> None:
    """Run libFuzzer until its limits."""
    import atheris

    name = sys.argv.pop(1)
    # Memory, not disk: a file is written for each input.
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        with atheris.instrument_imports(
            include=["speakergmm", "praatio", "tomllib", "kaldiio"],
            exclude=compiled_modules(),
            enable_loader_override=False,
        ):
            from .mutations import changed, drawn
            from .targets import TARGETS

            target = TARGETS[name]
            path = target.prepare(Path(folder))
            # Rooms import what is used: it is used once while imports are instrumented.
            for seed in target.seeds():
                target.try_bytes(path, seed)

        def mutate(content: bytes, largest: int, seed: int) -> bytes:
            random = Random(seed)
            if random.random() < 0.5:
                return bytes(atheris.Mutate(content, largest))
            changes = drawn(random, random.randint(1, 4))
            return changed(bytes(content), changes, target.tokens)[:largest]

        atheris.Setup(
            sys.argv, lambda content: target.try_bytes(path, content), custom_mutator=mutate
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
