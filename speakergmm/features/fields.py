"""What the fields of a feature configuration may hold, one by one."""

from typing import Any, get_args

from speakergmm.errors import InvalidInputError

# Both ends are allowed.
RANGES: dict[str, tuple[float, float]] = {
    "sample_rate": (100, 1_000_000),
    "frame_length": (1e-4, 10.0),
    "frame_shift": (1e-5, 10.0),
    "sample_scale": (1e-6, 1e9),
    "pre_emphasis": (0.0, 1.0),
    "n_fft": (2, 1 << 20),
    "n_filters": (1, 1000),
    "low_frequency": (0.0, 1e6),
    "high_frequency": (0.0, 1e6),
    "frequency_warp": (0.5, 2.0),
    "log_floor": (1e-30, 1e10),
    "dynamic_range": (0.0, 1e4),
    "n_ceps": (0, 999),
    "lifter": (0, 10_000),
    "deltas": (0, 2),
    "delta_window": (1, 100),
    "vad_threshold": (-1e3, 1e3),
    "vad_mean_scale": (0.0, 10.0),
    "vad_context": (0, 1000),
    "vad_proportion": (0.0, 1.0),
    "vad_hangover": (0.0, 10.0),
    "vad_floor": (1e-3, 1e4),
    "vad_posterior": (0.01, 0.99),
    "vad_separation": (0.0, 100.0),
    "normalisation_window": (0.01, 600.0),
}


def typed(name: str, value: Any, hint: Any) -> Any:
    """Return a field's value in its type, or say what it should be."""
    choices = get_args(hint)
    if choices and all(isinstance(choice, str) for choice in choices):
        if not (isinstance(value, str) and value in choices):
            raise InvalidInputError(
                f"{name} must be one of {', '.join(choices)}, got {_shown(value)}"
            )
        return value
    if type(None) in choices:
        if value is None:
            return None
        hint = choices[0]
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise InvalidInputError(f"{name} must be finite, got {_shown(value)}") from None
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    wanted = {float: "a number", int: "a whole number", bool: "true or false", str: "a string"}
    raise InvalidInputError(f"{name} must be {wanted[hint]}, got {_shown(value)}")


def _shown(value: Any) -> str:
    """Show a value in a message, and of a long one the beginning."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists
        return f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= 80 else f"{text[:80]}..."
