"""What a checkpoint remembers of the call that made it: frames and options, in few bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.frames import Frames, FrameSource, read_blocks
from speakergmm.gaussians.maximum_likelihood import MaximumLikelihoodOptions
from speakergmm.gaussians.survey import Survey

Fingerprint = dict[str, Any]

_HASH = "sha256:"
# All of the first rows and every so many-th of the others: milliseconds for a million frames.
_WHOLE_ROWS = 65536
_ROW_STEP = 16
# Copied at a time.
_CHUNK_ROWS = 8192


def digest_arrays(*arrays: NDArray[Any]) -> str:
    """Hash arrays with their shapes and types."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return _HASH + digest.hexdigest()[:32]


def frames_fingerprint(
    source: FrameSource, survey: Survey, sample_weight: NDArray[np.float64] | None
) -> Fingerprint:
    """Describe frames and their weights so that others are told from them, in any blocking.

    The survey speaks of all frames; besides, the first 65,536 and every 16th of the others are
    hashed. A stream is read once for that.
    """
    digest = hashlib.sha256(survey.mean.tobytes() + survey.variance.tobytes())
    blocks = (source,) if isinstance(source, np.ndarray) else read_blocks(source)
    first = 0
    for block in blocks:
        for start in range(0, len(block), _CHUNK_ROWS):
            chunk = block[start : start + _CHUNK_ROWS]
            for rows in _hashed_rows(chunk, first):
                digest.update(np.ascontiguousarray(rows).data)
            first += len(chunk)
    return {
        "n_features": len(survey.mean),
        "n_frames": survey.n_frames,
        "frames": _HASH + digest.hexdigest()[:32],
        "sample_weight": None if sample_weight is None else digest_arrays(sample_weight),
    }


def _hashed_rows(block: Frames, first: int) -> tuple[Frames, ...]:
    whole = max(0, _WHOLE_ROWS - first)
    rest = block[whole:]
    return block[:whole], rest[-(first + min(whole, len(block))) % _ROW_STEP :: _ROW_STEP]


def options_fingerprint(options: MaximumLikelihoodOptions) -> Fingerprint:
    """Describe the options of the update."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    if np.ndim(options.reg_covar):
        values["reg_covar"] = digest_arrays(np.asarray(options.reg_covar))
    return values


def normalised(fingerprint: Mapping[str, Any]) -> Fingerprint:
    """Give a fingerprint as it comes back from a file."""
    found = json.loads(json.dumps(dict(fingerprint), default=_plain_number))
    assert isinstance(found, dict)
    return found


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be part of a fingerprint")


def describe_differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Say in words in what two fingerprints differ; empty where they don't.

    Examples
    --------
    >>> describe_differences({"tol": 0.1, "seed": 0}, {"tol": 0.2, "seed": 0})
    'tol (0.1 there, 0.2 here)'
    """
    words = []
    for name in sorted(stored.keys() | asked.keys()):
        there, here = stored.get(name), asked.get(name)
        if there == here:
            continue
        is_hash = any(isinstance(value, str) and value.startswith(_HASH) for value in (there, here))
        words.append(name if is_hash else f"{name} ({there} there, {here} here)")
    return ", ".join(words)
