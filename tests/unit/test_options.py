"""Options are declared once: checks, keywords in place of a whole, nested ones, run context."""

import math
from dataclasses import dataclass, replace

import pytest

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.options import Options, anything, nested, one_of, real, text, whole, yes_no
from speakergmm.run_context import RunContext, SkippedRecording, SkippedRecordingWarning, Skips


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Options):
    width: int = whole(3, "Frames that are averaged.", most=9)
    scale: float = real(1.0, "Factor.", above=0, below=10)
    beam: float | None = real(None, "Beam in nats.", above=0, infinite=True, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Options):
    kind: str = one_of("flat", ("flat", "equal"), "Start.")
    quiet: bool = yes_no(False, "Say nothing.")
    name: str = text("SIL", "Name.")
    source: object = anything(None, "Anything.")
    inner: Inner = nested(Inner, "Smoothing.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered(Options):
    low: float = real(1.0, "Low end.")
    high: float = real(2.0, "High end.")

    def __post_init__(self):
        self.check_fields()
        if self.high < self.low:
            raise InvalidInputError(f"high must be >= low ({self.low}), found {self.high}")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("width", 0, "a whole number in 1..9"),
        ("width", 10, "a whole number in 1..9"),
        ("width", True, "a whole number in 1..9"),
        ("width", 2.5, "a whole number in 1..9"),
        ("width", None, "a whole number in 1..9"),
        ("scale", 0, "finite, > 0 and < 10"),
        ("scale", math.inf, "finite, > 0 and < 10"),
        ("scale", "1", "finite, > 0 and < 10"),
        ("beam", 0, "finite and > 0"),
        ("beam", math.nan, "finite and > 0"),
        ("kind", "round", "one of flat, equal"),
        ("quiet", 1, "true or false"),
        ("name", 3, "a string"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(name, value, allowed):
    kind = Inner if name in Inner.declarations() else Outer
    for make in (lambda: kind(**{name: value}), lambda: replace(kind(), **{name: value})):
        with pytest.raises(InvalidInputError) as refusal:
            make()
        assert str(refusal.value).startswith(f"{name} must be {allowed}, found ")


def test_numbers_are_stored_as_int_and_float():
    numpy = pytest.importorskip("numpy")
    options = Inner(width=numpy.int64(4), scale=2, beam=math.inf)
    assert (type(options.width), type(options.scale)) == (int, float)
    assert options == Inner(width=4, scale=2.0, beam=math.inf)


def test_names_of_nested_options_stand_for_theirs():
    whole_of_it = Outer(inner=Inner(width=5, scale=2.0))
    changed = Outer.of(whole_of_it, {"scale": 3, "kind": "equal"})
    assert changed == Outer(kind="equal", inner=Inner(width=5, scale=3.0))
    assert Outer.of(None, {"width": 7}).inner == Inner(width=7)
    assert Outer.of(None, {"inner": Inner(width=2), "scale": 4}).inner == Inner(width=2, scale=4.0)
    assert Outer.path_to("beam") == ("inner", "beam")
    assert Outer.path_to("nothing") is None


def test_a_change_of_a_nested_option_keeps_the_other_defaults_of_its_group():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Wide(Options):
        inner: Inner = nested(Inner, "Smoothing.", default=Inner(width=9))

    assert Wide.of(None, {"scale": 2.0}).inner == Inner(width=9, scale=2.0)
    narrow = Wide(inner=Inner(width=4))
    assert Wide.of(narrow, {"scale": 2.0}).inner == Inner(width=4, scale=2.0)


def test_what_is_no_options_is_refused_with_the_right_call():
    for wrong in ({"width": 3}, Inner, Outer(), 3):
        with pytest.raises(InvalidTypeError, match=r"Inner\(\.\.\.\)"):
            Inner.of(wrong, {})
    with pytest.raises(InvalidTypeError, match=r"Inner\(\.\.\.\)"):
        Outer(inner=3)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(InvalidTypeError, match="no option 'widht'; did you mean 'width'"):
        Outer.of(None, {"widht": 3})
    with pytest.raises(InvalidTypeError, match=r"no option 'zzz'$"):
        Outer.of(None, {"zzz": 3})
    with pytest.raises(InvalidTypeError, match=r"run=RunContext\(strict="):
        Outer.of(None, {"strict": True})


def test_checks_of_several_fields_come_after_those_of_each():
    with pytest.raises(InvalidInputError, match="low must be finite"):
        Ordered(low=math.nan, high=-1)
    with pytest.raises(InvalidInputError, match="high must be >= low"):
        Ordered(high=0)


def test_a_run_context_refuses_what_is_no_switch_or_time():
    with pytest.raises(InvalidInputError, match="strict must be true or false"):
        RunContext(strict="yes")
    with pytest.raises(InvalidInputError, match="checkpoint_seconds must be finite and >= 0"):
        RunContext(checkpoint_seconds=-1)
    assert RunContext().description("features") is None
    assert RunContext(progress=True).description("features") == "features"


def test_a_recording_that_is_left_out_is_reported_once(tmp_path):
    seen = []
    skips = Skips(seen.append)
    for path in ("a.wav", "a.wav", "b.wav"):
        skips(SkippedRecording(tmp_path / path, f"{path}: is empty"))
    assert [each.message for each in seen] == ["a.wav: is empty", "b.wav: is empty"]
    assert skips.found == seen
    with pytest.warns(SkippedRecordingWarning, match=r"a\.wav: is empty") as issued:
        Skips(None)(SkippedRecording(tmp_path, "a.wav: is empty"))
    assert issued[0].filename == __file__  # the line of the user, not one of the package


def test_options_that_take_values_in_order_keep_them():
    @dataclass(frozen=True, slots=True)
    class Ordered(Options):
        first: int = whole(1, "One.")
        second: int = whole(2, "Two.")

    assert Ordered(5, 6) == Ordered(first=5, second=6)


def test_a_boolean_of_numpy_is_a_switch_and_arrays_are_no_numbers():
    numpy = pytest.importorskip("numpy")
    assert Outer(quiet=numpy.bool_(True)).quiet is True
    for name, value in (("beam", numpy.array([1.0, math.inf])), ("width", numpy.array([1, 2]))):
        with pytest.raises(InvalidInputError, match=f"{name} must be"):
            Inner(**{name: value})


def test_an_option_without_a_default_is_asked_for_by_name():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Sized(Options):
        n_components: int = whole(..., "Number of Gaussians.")
        inner: Inner = nested(Inner, "Smoothing.")

    with pytest.raises(InvalidTypeError, match=r"give n_components=\.\.\."):
        Sized.of(None, {"width": 3})
    assert Sized.of(Sized(n_components=2), {"width": 3}).n_components == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("on_skip", 5), ("callback", "print"), ("checkpoint", 5), ("checkpoint", True)],
)
def test_a_run_context_refuses_what_is_no_function_or_path(name, value):
    with pytest.raises(InvalidInputError, match=f"^{name} must be a .* or None, found"):
        RunContext(**{name: value})


def test_what_is_no_run_context_is_refused_with_the_right_call():
    context = RunContext(strict=True)
    assert RunContext.checked(context) is context
    assert RunContext.checked(None) == RunContext()
    for wrong in (True, False, "fit.checkpoint", {"strict": True}, RunContext):
        with pytest.raises(InvalidTypeError, match=r"for run, such as RunContext\("):
            RunContext.checked(wrong)
