"""What the package offers: names at the top and in its rooms, and how programs import them."""

import ast
import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import speakergmm
from speakergmm.errors import SpeakerGmmError
from speakergmm.text_files import Fault


@pytest.mark.parametrize("name", [n for n in speakergmm.__all__ if n != "__version__"])
def test_every_public_name_is_there(name):
    value = getattr(speakergmm, name)
    assert value.__name__ == name
    assert value.__doc__


def test_a_name_that_is_nearly_right_can_be_suggested():
    with pytest.raises(AttributeError, match="align_recording") as error:
        _ = speakergmm.align_recording
    # Python compares the name with those of the object.
    assert (error.value.name, error.value.obj) == ("align_recording", speakergmm)


ROOMS = [room.name for room in pkgutil.iter_modules(speakergmm.__path__) if room.ispkg]


@pytest.mark.parametrize("name", ROOMS)
def test_every_name_of_a_room_is_there_and_hides_no_module(name):
    room = importlib.import_module(f"speakergmm.{name}")
    modules = {module.name for module in pkgutil.iter_modules(room.__path__)}
    for public in getattr(room, "__all__", ()):
        assert not isinstance(getattr(room, public), ModuleType), public
        assert public in dir(room)
        # A module that is imported takes its name's place in the package.
        assert public not in modules, public


@pytest.mark.slow
def test_importing_all_names_at_once():
    program = """
from speakergmm.hmm import *
from speakergmm import *
print(Lexicon.__name__, GaussianMixture.__name__, "lazy_names" in globals())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Lexicon GaussianMixture False\n"


@pytest.mark.slow
def test_importing_loads_nothing_heavy():
    program = """
import sys
import speakergmm
print([name for name in ("numpy", "scipy", "soundfile", "joblib") if name in sys.modules])
from speakergmm import SpeakerStore, read_corpus
heavy = ("matplotlib", "scipy", "joblib", "jinja2", "sklearn", "rich")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_listing_names_shows_the_public_ones():
    assert set(speakergmm.__all__) <= set(dir(speakergmm))


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = speakergmm.no_such_name


ROOT = Path(speakergmm.__file__).parent
REPOSITORY = Path(__file__).parents[2]


def classes_of_errors():
    """List the public exceptions and warnings that modules of the package define."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
                named = [ast.unparse(base) for base in node.bases]
                # What ends a command, and is caught by nobody, derives from BaseException.
                if any(re.search("(Error|Warning|^Exception)$", base) for base in named):
                    found.append((module.removesuffix(".__init__"), node.name))
    return found


ERRORS = classes_of_errors()


@pytest.mark.parametrize(("module", "name"), ERRORS)
def test_every_error_and_warning_can_be_caught_by_its_name_at_the_top(module, name):
    assert name in speakergmm.__all__
    assert getattr(speakergmm, name) is getattr(importlib.import_module(module), name)


FAULT = Fault("words.txt", 3, "no phones")
ARGUMENTS = {
    "FaultyFileError": ((FAULT,),),
    "ImpossibleSequenceError": (3, "is too short"),
    "LanguageModelError": ((FAULT,),),
    "LexiconError": ((FAULT,), "the rest"),
    "TranscriptError": ((FAULT,),),
    "UnreadableFileError": ("words.txt", "is a pipe"),
}


@pytest.mark.parametrize("name", sorted({name for _, name in ERRORS}))
def test_errors_and_warnings_cross_processes_unchanged(name):
    """With their message and what is attached to them, as a worker raises them."""
    kind = getattr(speakergmm, name)
    error = kind(*ARGUMENTS.get(name, ("words.txt: no",)))
    error.more = "attached"
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is kind
    assert str(found) == str(error)
    assert vars(found) | {"more": "attached"} == vars(error)


def test_errors_have_one_base_and_warnings_are_warnings():
    for _, name in ERRORS:
        kind = getattr(speakergmm, name)
        assert issubclass(kind, UserWarning if name.endswith("Warning") else SpeakerGmmError), name


def test_the_groups_of_public_names_are_listed_in_the_docstring():
    block = inspect.getsource(speakergmm).partition("if TYPE_CHECKING:")[2]
    groups = re.findall(r"^    # (?!isort)(.+)$", block, flags=re.MULTILINE)
    listed = re.findall(r"^- ([\w ]+\w)", speakergmm.__doc__, flags=re.MULTILINE)
    assert len(groups) > 10
    assert listed == groups


def imports_of_files(text):
    """Return what a program imports from files inside rooms, or as such files."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name that is a module of a room is a file inside it as well.
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            *rooms, last = module.split(".")
            if rooms[:1] == ["speakergmm"] and len(rooms) > 1:
                path = ROOT.parent.joinpath(*rooms, f"{last}.py")
                if path.exists() and rooms[:2] != ["speakergmm", "cli"]:
                    found.append(module)
    return found


def test_imports_of_files_are_found():
    assert imports_of_files("import speakergmm.hmm.language.lexicon")
    assert imports_of_files("if 1:\n from speakergmm.features.framing import window")
    assert imports_of_files("from speakergmm.features import framing")
    assert not imports_of_files("from speakergmm.hmm import Lexicon\nimport speakergmm.files")


def programs():
    """Yield the programs that show how the package is used, each with a name."""
    for folder in ("recipes", "data_scripts", "speakergmm/cli"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield pytest.param(path.read_text(encoding="utf-8"), id=f"{folder}/{path.name}")
    for page in (REPOSITORY / "README.md", *sorted(REPOSITORY.glob("recipes/*/README.md"))):
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        for number, block in enumerate(blocks):
            yield pytest.param(block, id=f"{page.parent.name}/{page.name}-{number}")


@pytest.mark.parametrize("text", list(programs()))
def test_programs_import_from_rooms_not_from_files_inside_them(text):
    assert imports_of_files(text) == []


def test_what_the_readme_imports_is_there():
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    imports = [
        node
        for block in blocks
        for node in ast.parse(block).body
        if isinstance(node, ast.ImportFrom)
    ]
    assert len(imports) >= 5
    for node in imports:
        module = importlib.import_module(node.module)
        for alias in node.names:
            assert hasattr(module, alias.name), alias.name
