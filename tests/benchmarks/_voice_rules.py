"""Rules of names and of English, each a function from sources to the places that break it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ._structure_code import Source, crowded_functions, long_functions, walk_statements

FIRST_WORDS = frozenset(
    (
        *("Give", "Gives", "Say", "Says", "Tell", "Tells", "Know", "Knows"),
        *("What", "How", "Who", "Whom", "Whose", "Which", "Where", "When", "Whether", "Why"),
        *("As", "Of", "From", "With", "In", "On", "At", "By", "And", "Or", "If"),
    )
)
"""No docstring begins with one of these: summaries are imperatives or noun phrases of the field."""

PERSONAL = re.compile(r"\b(she|hers?|he|him|his|whom)\b", re.IGNORECASE)
PER = re.compile(
    r"\b(log-likelihood|likelihood|loss|features?|values?|Gaussians?|components|nats|iterations?|"
    r"files?|letters?|words?|states|process|processes|threads?|samples?|bytes?|seconds|s|one|once|"
    r"twice|each) an? (frame|state|pdf|core|phone|utterance|recording|line|feature|component|word|"
    r"letter|job|cell|speaker|group|second|minute|unit)\b"
)
CONTRACTION = re.compile(r"\b(can|don|doesn|isn|aren|won|didn|wasn|weren|couldn|hasn|haven)'t\b")

OLD_NAMES = {
    "n_iter": "max_iter",
    "n_iterations": "max_iter",
    "min_count": "min_occupancy or min_frames_per_gaussian",
    "max_iterations": "max_iter",
    "rng_seed": "seed",
}
RUN = frozenset(("strict", "on_skip", "progress", "callback", "checkpoint", "checkpoint_seconds"))

RIDDLES = re.compile(
    r"(?:^|_)(given|fitted|survey|passes|passed_over|embedded|steps|expansion|compilation|told|heard|"
    r"beside|knows|tells)(?:_|\.py$|$)"
)


@dataclass(frozen=True)
class Rule:
    """A rule, how many places may break it, and what finds them."""

    name: str
    limit: int
    places: Callable[[tuple[Source, ...]], list[str]]


def _documented(source: Source) -> Iterator[tuple[str, ast.AST, str]]:
    """Yield the place, the node and the docstring of everything that has one."""
    for node in source.statements:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                name = getattr(node, "name", "module")
                yield f"{source.name}:{getattr(node, 'lineno', 1)} {name}", node, text


def first_words(sources: tuple[Source, ...]) -> list[str]:
    """Docstrings that begin with a word of `FIRST_WORDS`."""
    return [
        f"{place}: {text.splitlines()[0]}"
        for source in sources
        for place, node, text in _documented(source)
        if text.split()[0].strip("`,.:") in FIRST_WORDS and not _is_command(node)
    ]


def _is_command(node: ast.AST) -> bool:
    """Return whether a node is a command, whose docstring is its help."""
    return isinstance(node, ast.ClassDef) and any(
        isinstance(each, ast.Name) and each.id == "command" for each in node.decorator_list
    )


def _prose(source: Source) -> Iterator[tuple[int, str]]:
    """Yield docstrings, messages and comments, with the numbers of their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
        elif token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)):
            yield from enumerate(token.string.split("\n"), start=token.start[0])


def _matching(pattern: re.Pattern[str]) -> Callable[[tuple[Source, ...]], list[str]]:
    def places(sources: tuple[Source, ...]) -> list[str]:
        return [
            f"{source.name}:{line} {found.group()!r}"
            for source in sources
            if pattern.search(source.text)  # few have it at all, and reading tokens takes long
            for line, text in _prose(source)
            for found in pattern.finditer(text)
        ]

    return places


def _room(name: str) -> str:
    return name.split("/")[0] if "/" in name else "(files)"


def shared_names(sources: tuple[Source, ...]) -> list[str]:
    """Public classes and functions of one name in two rooms."""
    homes: dict[str, set[str]] = defaultdict(set)
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].add(source.name)
    return [
        f"{name}: {', '.join(sorted(files))}"
        for name, files in sorted(homes.items())
        if len({_room(file) for file in files}) > 1 and name not in ("run", "main")
    ]


def shared_files(sources: tuple[Source, ...]) -> list[str]:
    """Files of one base name."""
    homes: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        if not source.name.endswith("__init__.py"):
            homes[source.name.rsplit("/", 1)[-1]].append(source.name)
    return [", ".join(files) for files in homes.values() if len(files) > 1]


def riddles(sources: tuple[Source, ...]) -> list[str]:
    """Files and public names that say nothing about what they hold."""
    found = [source.name for source in sources if RIDDLES.search(source.name.rsplit("/", 1)[-1])]
    for source in sources:
        found += [
            f"{source.name}:{node.name}"
            for node in source.tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not node.name.startswith("_")
            and RIDDLES.search(node.name)
        ]
    return found


def _parameters(source: Source) -> Iterator[tuple[str, ast.FunctionDef, list[str]]]:
    for name, function in source.functions:
        arguments = function.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        yield f"{source.name}:{name}", function, [each.arg for each in every]


def _is_estimator(source: Source) -> bool:
    return source.name.startswith("estimators/")


def old_names(sources: tuple[Source, ...]) -> list[str]:
    """Parameters and fields that are called otherwise by now."""
    found = []
    for source in sources:
        if _is_estimator(source):  # scikit-learn and hmmlearn prescribe their names
            continue
        for place, _, names in _parameters(source):
            found += [f"{place}({name})" for name in names if name in OLD_NAMES]
            found += [f"{place}({name})" for name in names if name == "random_state"]
        for node in source.statements:
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and node.target.id in OLD_NAMES
            ):
                found.append(f"{source.name}:{node.lineno} {node.target.id}")
    return found


def loose_run_parameters(sources: tuple[Source, ...]) -> list[str]:
    """Functions that take two or more parts of a run context one by one."""
    return [
        f"{place}({', '.join(sorted(RUN & set(names)))})"
        for source in sources
        if not _is_estimator(source)
        for place, _, names in _parameters(source)
        if len(RUN & set(names)) > 1
    ]


def inner_jobs(sources: tuple[Source, ...]) -> list[str]:
    """Private functions that take `n_jobs` in place of an engine."""
    return [
        place
        for source in sources
        for place, function, names in _parameters(source)
        if "n_jobs" in names and function.name.startswith("_") and function.name != "__init__"
    ]


def wide_functions(sources: tuple[Source, ...]) -> list[str]:
    """Functions of 12 or more parameters but for kernels and prescribed interfaces."""
    kept = tuple(source for source in sources if not _is_estimator(source))
    compiled = {
        f"{source.name}:{name}"
        for source in kept
        for name, function in source.functions
        if any("compiled" in ast.unparse(each) for each in function.decorator_list)
    }
    return [each for each in crowded_functions(kept) if each.rsplit(" ", 1)[0] not in compiled]


def repeated_flags(sources: tuple[Source, ...]) -> list[str]:
    """Options that two commands declare by hand."""
    homes: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        if not source.name.startswith("cli/"):
            continue
        for kind in source.statements:
            if not (isinstance(kind, ast.ClassDef) and _is_command(kind)):
                continue
            for node in kind.body:
                if (
                    isinstance(node, ast.AnnAssign)
                    and isinstance(node.target, ast.Name)
                    and isinstance(node.value, ast.Call)
                    and ast.unparse(node.value.func).rsplit(".", 1)[-1] == "option"
                ):
                    homes[node.target.id].append(kind.name)
    return [
        f"{name}: {', '.join(kinds)}" for name, kinds in sorted(homes.items()) if len(kinds) > 1
    ]


_IMPORT = re.compile(r"\b(?:from|import) +speakergmm\b[^\n(;]*(?:\([^)]*\))?")


def _may_be_deep(statement: str, package: Path) -> bool:
    """Return whether any names in the text of an import could be those of a file in a room."""
    module, *names = re.findall(r"[\w.]+", statement.split(maxsplit=1)[1])
    modules = [module, *(f"{module}.{name}" for name in names)]
    return any(_is_deep(each, package) for each in modules + names)


def _is_deep(module: str, package: Path) -> bool:
    parts = module.split(".")
    inside = parts[0] == "speakergmm" and len(parts) > 2
    return inside and package.joinpath(*parts[1:]).with_suffix(".py").is_file()


def deep_imports(folder: Path, package: Path) -> list[str]:
    """Imports from files inside rooms, in the Python files of a folder."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        # Reading a whole file as Python does is left to those in which there may be one.
        if not any(_may_be_deep(each, package) for each in _IMPORT.findall(text)):
            continue
        for node in walk_statements(ast.parse(text)):
            modules = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
            elif isinstance(node, ast.Import):
                modules = [each.name for each in node.names]
            for module in modules:
                if _is_deep(module, package):
                    found.append(f"{path.relative_to(folder)}:{node.lineno} {module}")
                    break
    return found


RULES = (
    Rule("docstrings that begin with a riddle", 0, first_words),
    Rule("speakers who are she or he", 0, _matching(PERSONAL)),
    Rule("'a frame' for 'per frame'", 0, _matching(PER)),
    Rule("contractions in prose", 0, _matching(CONTRACTION)),
    Rule("public names that two rooms share", 0, shared_names),
    Rule("files of one name", 0, shared_files),
    Rule("names that are riddles", 0, riddles),
    Rule("old names of parameters", 0, old_names),
    Rule("parts of a run context that travel one by one", 0, loose_run_parameters),
    Rule("private functions that take n_jobs", 0, inner_jobs),
    Rule("options that two commands declare", 0, repeated_flags),
    Rule("functions of 12 or more parameters", 5, wide_functions),
    Rule("functions above 50 lines of code", 20, long_functions),
)

PROSE = frozenset(rule.name for rule in RULES[:4])
"""Rules that recipes, data scripts and benchmarks follow, too."""
