"""Constructor parameters of all estimators of mixtures, and checks with scikit-learn's messages.

An estimator is a dataclass: its fields are its parameters, and those with `init=False` are the
attributes that a fit sets.
"""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator

from speakergmm.engine import Engine
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.gaussians.choices import CovarianceType


@dataclass(eq=False, repr=False)
class MixtureTrainingParameters:
    """Parameters that all estimators of mixtures have; see `GaussianMixture`."""

    n_components: int = 1
    _: KW_ONLY
    covariance_type: CovarianceType = "full"
    tol: float = 1e-3
    reg_covar: float = 1e-6
    max_iter: int = 100
    n_init: int = 1
    init_params: str = "kmeans"
    random_state: Any = None
    precision: Literal["auto", "float32", "float64"] = "auto"
    n_jobs: int | None = None
    verbose: int = 0
    verbose_interval: int = 10


def all_parameters(owner: Any) -> dict[str, Any]:
    """Return the parameters of an estimator, with those that a subclass sets but hides."""
    return {each.name: getattr(owner, each.name) for each in fields(owner) if each.init}


def engine_of(owner: Any) -> Engine:
    """Return the engine of an estimator: that of its `n_jobs`, or if this is None the one in use.

    Raises
    ------
    InvalidInputError
        If `n_jobs` is 0.
    InvalidTypeError
        If it is not a whole number, such as an executor, which `clone` cannot copy.
    """
    if hasattr(owner.n_jobs, "submit"):
        raise InvalidTypeError(
            f"n_jobs of {type(owner).__name__} must be a number of workers or None, found "
            f"{type(owner.n_jobs).__name__}; fit within: with speakergmm.engine.use(executor)"
        )
    return Engine.of(owner.n_jobs)


def invalid_parameter(owner: BaseEstimator, name: str, allowed: str) -> InvalidInputError:
    """Return the error for a parameter whose value is not as `allowed` describes."""
    return InvalidInputError(
        f"The {name!r} parameter of {type(owner).__name__} must be {allowed}. Got "
        f"{getattr(owner, name)!r} instead."
    )


def wrong_estimator(owner: BaseEstimator, wanted: str, *, library: str) -> InvalidTypeError:
    """Return the error for an `estimator` that is not as `wanted`, with the right call."""
    value: Any = owner.estimator
    kind = value if isinstance(value, type) else type(value)
    found, remedy = f"{kind.__module__}.{kind.__name__}".removeprefix("builtins."), ""
    if isinstance(value, type):
        found = f"the class {found}"
        remedy = f"; call it, as in {kind.__name__}()"
    elif isinstance(value, Integral):
        found = f"the number {value}"
        remedy = f"; the number of components is n_components={value}"
    elif kind.__module__.startswith(library):
        remedy = "; that of speakergmm takes the same parameters"
    return InvalidTypeError(
        f"estimator of {type(owner).__name__} must be {wanted}, or None, found {found}{remedy}"
    )


class NestingEstimator:
    """Base of estimators that fit another one, whose parameters are not their own.

    A base class, so that `inspect.signature` shows the constructor of the estimator itself.
    """

    _nested_kind: ClassVar[type[BaseEstimator]]
    _nested_role: ClassVar[str]

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """Raise an error with the right call if a parameter is one of the nested estimator only."""
        inner = cls._nested_kind
        unknown = sorted(set(named) - set(cls._get_param_names()))  # type: ignore[attr-defined] # BaseEstimator's
        of_inner = inner._get_param_names()
        for name in (each for each in unknown if each in of_inner):
            raise InvalidTypeError(
                f"{name} is a parameter of the {cls._nested_role}; pass it as "
                f"{cls.__name__}(estimator={inner.__name__}({name}={named[name]!r}))"
            )
        return super().__new__(cls, *arguments, **named)


def check_integer(owner: BaseEstimator, name: str, *, least: int) -> None:
    """Raise an error if a parameter is not an integer >= `least`."""
    value = getattr(owner, name)
    if not isinstance(value, Integral) or int(value) < least:
        raise invalid_parameter(owner, name, f"an int in the range [{least}, inf)")


def check_real(
    owner: BaseEstimator, name: str, *, least: float, below: float = np.inf, none: bool = False
) -> None:
    """Raise an error if a parameter is not in ``least <= value < below`` (nor an allowed None)."""
    value = getattr(owner, name)
    if value is None and none:
        return
    if not isinstance(value, Real) or not least <= float(value) < below:
        alternative = " or None" if none else ""
        raise invalid_parameter(
            owner, name, f"a float in the range [{least}, {below}){alternative}"
        )


def check_choice(owner: BaseEstimator, name: str, choices: tuple[str, ...]) -> None:
    """Raise an error if a parameter is not one of the words `choices`."""
    value = getattr(owner, name)
    if not isinstance(value, str) or value not in choices:
        # In scikit-learn's form, but in a fixed order: that of a set differs between processes.
        raise invalid_parameter(owner, name, f"a str among {{{', '.join(map(repr, choices))}}}")


def check_flag(owner: BaseEstimator, name: str) -> None:
    """Raise an error if a parameter is neither True nor False."""
    if not isinstance(getattr(owner, name), (bool, np.bool_)):
        raise invalid_parameter(owner, name, "an instance of 'bool'")


def check_callable(owner: BaseEstimator, name: str) -> None:
    """Raise an error if a parameter is neither callable nor None."""
    value = getattr(owner, name)
    if value is not None and not callable(value):
        raise invalid_parameter(owner, name, "a callable or None")


def check_path(owner: BaseEstimator, name: str) -> None:
    """Raise an error if a parameter is neither a path nor None."""
    value = getattr(owner, name)
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise invalid_parameter(owner, name, "a path or None")


def check_shape(name: str, array: Any, shape: tuple[int, ...]) -> None:
    """Raise an error if an array that initialises a fit does not have the shape `shape`."""
    if array.shape != shape:
        raise InvalidInputError(
            f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}"
        )
