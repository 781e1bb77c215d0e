"""Fingerprints of the frames of a training, by which checkpoints recognise them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.frame_sources import Frames, FrameSource, read_blocks
from speakergmm.moments import Moments

# All of the first rows and every 16th of the others: milliseconds for a million frames.
_WHOLE_ROWS = 65536
_ROW_STEP = 16
# Number of rows that are copied at a time.
_CHUNK_ROWS = 8192


def frames_fingerprint(
    source: FrameSource, moments: Moments, sample_weight: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Return a description of frames and weights that differs for others, in any blocking.

    The moments are those of all frames; besides, the first 65,536 and every 16th of the others are
    hashed. A stream is read once for that; a source that has a `digest`, as frames of a feature
    store have, is recognised by it.
    """
    known = getattr(source, "digest", None)
    if isinstance(known, str):
        return {
            "n_features": len(moments.mean),
            "n_frames": moments.n_frames,
            "frames": f"sha256:{known[:32]}",
            "sample_weight": sample_weight,
        }
    digest = hashlib.sha256(moments.mean.tobytes() + moments.variance.tobytes())
    blocks = (source,) if isinstance(source, np.ndarray) else read_blocks(source)
    first = 0
    for block in blocks:
        for start in range(0, len(block), _CHUNK_ROWS):
            chunk = block[start : start + _CHUNK_ROWS]
            for rows in _hashed_rows(chunk, first):
                digest.update(np.ascontiguousarray(rows).data)
            first += len(chunk)
    return {
        "n_features": len(moments.mean),
        "n_frames": moments.n_frames,
        "frames": f"sha256:{digest.hexdigest()[:32]}",
        "sample_weight": sample_weight,
    }


def _hashed_rows(block: Frames, first: int) -> tuple[Frames, ...]:
    whole = max(0, _WHOLE_ROWS - first)
    rest = block[whole:]
    return block[:whole], rest[-(first + min(whole, len(block))) % _ROW_STEP :: _ROW_STEP]
