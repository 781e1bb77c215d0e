"""Feed readers any bytes, led by coverage, and keep what breaks them.

    PYTHONPATH=tests python -m fuzz                                 # a minute for every target
    PYTHONPATH=tests python -m fuzz --target arpa --seconds 600     # ten minutes for one
    PYTHONPATH=tests python -m fuzz --list

It needs Atheris (the extra ``fuzz``; wheels for Linux x86-64). An input that raises an exception
other than the package's own, takes ten seconds, or takes more than two gigabytes is written to
``build/fuzz/TARGET/``. Inputs that reach new code are kept in ``build/fuzz/TARGET/corpus/``, from
which the next run starts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from .targets import TARGETS

ROOT = Path(__file__).parents[2]
LONGEST_INPUT = 1 << 16


def run(name: str, seconds: int, place: Path) -> list[Path]:
    """Run Atheris on a target; return the inputs that broke it."""
    folder = place / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    before = set(folder.iterdir())
    limits = (
        f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=10",
        f"-max_len={LONGEST_INPUT}", f"-artifact_prefix={folder}/", "-print_final_stats=1",
    )  # fmt: skip
    command = (sys.executable, "-m", "fuzz.guided", name, *limits, str(corpus))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    (folder / "log.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    found = sorted(set(folder.iterdir()) - before - {folder / "log.txt"})
    statistics = [line for line in done.stderr.splitlines() if line.startswith("stat::number_of")]
    covered = [word for line in done.stderr.splitlines() for word in line.split("cov: ")[1:]][-1:]
    reached = covered[0].split()[0] if covered else "?"
    n_runs = statistics[0].split()[-1] if statistics else "?"
    verdict = "broken" if found or done.returncode else "ok"
    print(f"{verdict:7} {name:24} {n_runs:>9} inputs, coverage {reached}", flush=True)
    if verdict == "broken" and not found:
        print(done.stdout[-2000:] + done.stderr[-2000:])
        found = [folder / "log.txt"]
    return found


def main() -> int:
    """Parse the command line and run the targets."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of files.")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), metavar="NAME")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "fuzz", metavar="FOLDER")
    parser.add_argument("--list", action="store_true", help="list the targets")
    given = parser.parse_args()
    if given.list:
        print(*TARGETS, sep="\n")
        return 0
    if find_spec("atheris") is None:
        parser.error("Atheris is not installed; it has wheels for Linux x86-64 (the extra fuzz)")
    broken = [
        path for name in given.target or TARGETS for path in run(name, given.seconds, given.output)
    ]
    for path in broken:
        print(path)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
