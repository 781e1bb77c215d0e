"""What a class declares is stored, comes back, and is refused by name where it does not fit."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import InvalidInputError, ModelFormatError

Model = TypeVar("Model")


class Shape(ABC):
    record_has_kinds: ClassVar[bool] = True

    @abstractmethod
    def area(self) -> float: ...


@dataclass(frozen=True)
class Square(Shape):
    side: float

    def __post_init__(self) -> None:
        if self.side <= 0:
            raise InvalidInputError(f"a side must be > 0, found {self.side}")

    def area(self) -> float:
        return self.side**2


@dataclass(frozen=True)
class Circle(Shape):
    radius: float

    def area(self) -> float:
        return math.pi * self.radius**2


@dataclass(frozen=True)
class Step(Generic[Model]):
    model: Model
    objective: float
    events: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Everything:
    file_kind = "example"

    means: Annotated[NDArray[np.float64], "K D"]
    counts: Annotated[NDArray[np.float64], "K"]
    numbers: NDArray[np.int32] | None
    shape: Shape
    history: tuple[Step[Square], ...]
    paths: tuple[NDArray[np.int32], ...]
    kind: Literal["diag", "full"]
    mixed: list[int | float | str]
    pair: tuple[float, str]
    bound: float
    flag: bool
    name: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def example(**changes: Any) -> Everything:
    values: dict[str, Any] = {
        "means": np.arange(6.0).reshape(2, 3),
        "counts": np.array([1.0, 2.0]),
        "numbers": None,
        "shape": Circle(2.0),
        "history": (Step(Square(1.0), -math.inf), Step(Square(2.0), 0.5, (1, 2))),
        "paths": (np.array([1, 2], np.int32), np.zeros(0, np.int32), np.array([7], np.int32)),
        "kind": "diag",
        "mixed": [1, 2.5, "x"],
        "pair": (np.float32(0.5), "b"),
        "bound": math.nan,
        "flag": True,
        "notes": {"a": [1, {"b": None}]},
    }
    return Everything(**{**values, **changes})


def test_everything_comes_back(tmp_path):
    whole = example()
    records.save(whole, tmp_path / "r")
    found = records.load(Everything, tmp_path / "r")
    for name in ("shape", "history", "kind", "mixed", "pair", "flag", "name", "notes", "numbers"):
        assert getattr(found, name) == getattr(whole, name), name
        assert type(getattr(found, name)) is type(getattr(whole, name)), name
    assert [type(each) for each in found.mixed] == [int, float, str]
    assert math.isnan(found.bound)
    np.testing.assert_array_equal(found.means, whole.means, strict=True)
    for path, other in zip(found.paths, whole.paths, strict=True):
        np.testing.assert_array_equal(path, other, strict=True)
    assert records.pack(found) == records.pack(whole) == (tmp_path / "r").read_bytes()
    given = example(numbers=np.array([3], np.int32))
    assert records.unpack(Everything, records.pack(given)).numbers.tolist() == [3]


GONE = object()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("means", GONE, "array 'means' is missing"),
        ("means", np.zeros((2, 3), np.float32), "'means' must hold float64, found float32"),
        ("means", np.zeros(3), "'means' must have shape"),
        ("counts", np.zeros(3), r"'counts' must have shape \(K\), that is \(2,\), found \(3,\)"),
        ("surplus", np.zeros(1), "array 'surplus' is not part of it"),
        ("paths.length", np.array([2, 0, 2]), "'paths' do not have the lengths"),
        ("paths.length", np.array([4, 0, -1]), "'paths' do not have the lengths"),
        ("numbers", np.zeros(1), "'numbers' must hold int32"),
        ("flag", GONE, "'flag' is missing"),
        ("flag", 1, "flag must be true or false, found 1"),
        ("flag", None, "flag must be true or false, found None"),
        ("kind", "tied", "kind must be one of 'diag', 'full', found 'tied'"),
        ("kind", [], r"kind must be one of 'diag', 'full', found \[\]"),
        ("more", 3, "'more' is not part of it"),
        ("shape.type", "Pentagon", "shape.type must be one of Circle, Square, found 'Pentagon'"),
        ("shape.type", [], r"shape.type must be one of Circle, Square, found \[\]"),
        ("shape.type", "Square", "'shape.radius' is not part of it"),
        ("shape", [], r"shape must be a JSON object, found \[\]"),
        ("history.1.model.side", -1.0, "a side must be > 0, found -1"),
        ("history.0.objective", "low", "history.0.objective must be a number, found 'low'"),
        ("history.0.objective", True, "history.0.objective must be a number, found True"),
        ("history.1.events", [1.5], "history.1.events.0 must be a whole number, found 1.5"),
        ("history", {}, "history must be a list"),
        ("pair", [1.0], "pair must have 2 items, found 1"),
        ("name", 3, "name must be text, found 3"),
        ("notes", [], "notes must be a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(place, value, words, tmp_path):
    records.save(example(numbers=np.array([3], np.int32)), tmp_path / "r")
    arrays, tree = load_arrays(tmp_path / "r", kind="example")
    tree = copy.deepcopy(tree)
    if place in arrays or isinstance(value, np.ndarray):
        holder, name = arrays, place
    else:
        holder, (*above, name) = tree, place.split(".")
        for each in above:
            holder = holder[int(each) if each.isdigit() else each]
    if value is GONE:
        del holder[name]
    else:
        holder[name] = value
    save_arrays(tmp_path / "r", arrays, kind="example", metadata=tree)
    with pytest.raises(ModelFormatError, match=f"r: damaged example .*{words}") as caught:
        records.load(Everything, tmp_path / "r")
    assert "\n" not in str(caught.value)


def test_files_of_another_kind_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Everything, "file_kind", "other example")
    records.save(example(), tmp_path / "r")
    assert records.load(Everything, tmp_path / "r").kind == "diag"
    monkeypatch.undo()
    with pytest.raises(ModelFormatError, match="is an other example, not an example"):
        records.load(Everything, tmp_path / "r")


def test_what_is_not_finite_in_an_array_is_not_written(tmp_path):
    with pytest.raises(
        InvalidInputError, match="array 'counts' contains numbers that are not finite"
    ):
        records.save(example(counts=np.array([1.0, np.inf])), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_what_no_type_of_a_union_fits_is_not_written():
    with pytest.raises(InvalidInputError, match="True cannot be stored"):
        records.pack(example(mixed=[1, True]))


def test_digests_tell_contents_apart():
    x = np.arange(4.0)
    same = [records.digest("a", Square(1.0), x), records.digest("a", Square(1.0), x.copy())]
    others = [
        records.digest("a", Square(1.5), x),
        records.digest("b", Square(1.0), x),
        records.digest("a", Circle(1.0), x),
        records.digest("a", Square(1.0), x.reshape(2, 2)),
        records.digest("a", Square(1.0), x.astype(np.float32)),
        records.digest("a", Square(1.0), [x]),
        records.digest("a", Square(1.0), x.tolist()),
        records.digest("a", Square(1.0), x, None),
        records.digest({"a": Square(1.0)}, x),
    ]
    assert len(set(same)) == 1
    assert len({same[0], *others}) == 1 + len(others)
    assert len(same[0]) == 64
