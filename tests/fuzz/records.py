"""Targets that read records: models, statistics, checkpoints and stores, damaged or forged.

A damaged record is refused because of its hash, so that its fields would never be reached. Bytes
that are still a safetensors file are therefore given the hash of what they contain.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from speakergmm.containers import content_hash

_KEY = "speakergmm"


def resealed(content: bytes) -> bytes:
    """Return a record whose hash is right for its content; any other bytes as they are."""
    from safetensors.numpy import load

    try:
        length = int.from_bytes(content[:8], "little")
        entries: dict[str, Any] = json.loads(content[8 : 8 + length])
        header = json.loads(entries["__metadata__"][_KEY])
        arrays = load(content)
        header["content_sha256"] = content_hash(arrays, header["kind"], header["metadata"])
        entries["__metadata__"][_KEY] = json.dumps(header)
    except Exception:
        return content
    packed = json.dumps(entries).encode()
    return len(packed).to_bytes(8, "little") + packed + content[8 + length :]


@cache
def kept(name: str) -> tuple[Path, bytes]:
    """Return the folder, and the content, of a file of some kind that is made once."""
    from oracles.kept_files import KINDS

    path = KINDS[name].make(Path(tempfile.mkdtemp(prefix="kept-")))
    return path, path.read_bytes()


def use(name: str, path: Path) -> object:
    """Use bytes as a file of some kind, in the place where such a file was made."""
    from oracles.kept_files import KINDS

    place, _ = kept(name)
    for beside in place.parent.glob(f"{place.name}-*"):  # logs of a database
        beside.unlink()
    content = path.read_bytes()
    place.write_bytes(content if name == "speaker store" else resealed(content))
    return KINDS[name].use(place)
