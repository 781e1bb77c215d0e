"""Small files of Kaldi in binary and text form, written value by value as its sources do."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np


def token(word: str) -> bytes:
    """Return a token, after which there is a space."""
    return word.encode() + b" "


def whole(*values: int) -> bytes:
    """Return whole numbers, each after its size."""
    return b"".join(b"\4" + struct.pack("<i", value) for value in values)


def real(value: float) -> bytes:
    """Return a number in single precision, after its size."""
    return b"\4" + struct.pack("<f", value)


def whole_list(*values: int) -> bytes:
    """Return a list of whole numbers."""
    return whole(len(values)) + np.array(values, "<i4").tobytes()


def array(values: object) -> bytes:
    """Return a vector or matrix in single precision."""
    found = np.array(values, "<f4")
    return (b"FV " if found.ndim == 1 else b"FM ") + whole(*found.shape) + found.tobytes()


PHONES = {1: [(0, [(0, 0.25), (1, 0.75)])], 2: [(0, [(0, 0.5), (1, 0.5)])]}
"""Two phones of one state: the class of its pdf and its arcs."""

MIXTURES = [
    ([1.0], [[0.5, -1.0]], [[1.0, 2.0]]),
    ([0.25, 0.75], [[2.0, 0.0], [1.0, 4.0]], [[4.0, 0.5], [1.0, 1.0]]),
]
"""Weights, means and variances of two pdfs."""

PROBABILITIES = [0.75, 0.25, 0.5, 0.5]


def constants(weights: list[float], means: object, variances: object) -> np.ndarray:
    """Return the constants of the Gaussians of a pdf, one after the other."""
    found = []
    for weight, mean, variance in zip(weights, means, variances, strict=True):
        total = np.log(weight)
        for m, v in zip(mean, variance, strict=True):
            total -= 0.5 * (np.log(2 * np.pi * v) + m * m / v)
        found.append(total)
    return np.array(found)


def binary_topology() -> bytes:
    """Return the topology of `PHONES`, an entry for each."""
    made = token("<Topology>") + whole_list(1, 2) + whole_list(-1, 0, 1) + whole(2)
    for states in PHONES.values():
        made += whole(2)
        for pdf_class, arcs in states:
            made += whole(pdf_class, len(arcs))
            made += b"".join(whole(target) + real(p) for target, p in arcs)
        made += whole(-1, 0)
    return made + token("</Topology>")


def binary_model(kind: str = "Triples") -> bytes:
    """Return a model of two phones, with triples or with tuples."""
    states = [(1, 0, 0), (2, 0, 1)]
    rows = [row + (row[2],) * (kind == "Tuples") for row in states]
    made = b"\0B" + token("<TransitionModel>") + binary_topology() + token(f"<{kind}>") + whole(2)
    made += b"".join(whole(*row) for row in rows) + token(f"</{kind}>") + token("<LogProbs>")
    made += array([0, *np.log(PROBABILITIES)]) + token("</LogProbs>") + token("</TransitionModel>")
    made += token("<DIMENSION>") + whole(2) + token("<NUMPDFS>") + whole(2)
    for weights, means, variances in MIXTURES:
        scaled, inverse = np.divide(means, variances), np.divide(1, variances)
        made += token("<DiagGMM>") + token("<GCONSTS>")
        made += array(constants(weights, means, variances)) + token("<WEIGHTS>") + array(weights)
        made += token("<MEANS_INVVARS>") + array(scaled) + token("<INV_VARS>") + array(inverse)
        made += token("</DiagGMM>")
    return made


TEXT_MODEL = b"""<TransitionModel>
<Topology>
<TopologyEntry>
<ForPhones>
1
</ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.25 <Transition> 1 0.75 </State>
<State> 1 </State>
</TopologyEntry>
<TopologyEntry>
<ForPhones>
2
</ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State>
<State> 1 </State>
</TopologyEntry>
</Topology>
<Triples> 2
1 0 0
2 0 1
</Triples>
<LogProbs>
 [ 0 -0.2876821 -1.386294 -0.6931472 -0.6931472 ]
</LogProbs>
</TransitionModel>
<DIMENSION> 2 <NUMPDFS> 2 <DiagGMM>
<WEIGHTS>  [ 1 ]
<MEANS_INVVARS>  [
  0.5 -0.5 ]
<INV_VARS>  [
  1 0.5 ]
</DiagGMM>
<DiagGMM>
<WEIGHTS>  [ 0.25 0.75 ]
<MEANS_INVVARS>  [
  0.5 0
  1 4 ]
<INV_VARS>  [
  0.25 2
  1 1 ]
</DiagGMM>
"""

TEXT_TREE = b"""ContextDependency 3 1 ToPdf TE 1 3 ( NULL CE 0 SE -1 [ 0 ]
{ SE 0 [ 1 2 ]
{ CE 1 CE 2 }
TE 2 2 ( CE 3 NULL )
}
)
EndContextDependency
"""


def binary_tree() -> bytes:
    """Return the tree of `TEXT_TREE`."""

    def leaf(pdf: int) -> bytes:
        return token("CE") + whole(pdf)

    def size(number: int) -> bytes:  # without a sign
        return b"\xfc" + struct.pack("<I", number)

    inner = token("SE") + whole(0) + whole_list(1, 2) + token("{") + leaf(1) + leaf(2) + token("}")
    table = token("TE") + whole(2) + size(2) + token("(") + leaf(3) + token("NULL") + token(")")
    split = token("SE") + whole(-1) + whole_list(0) + token("{") + inner + table + token("}")
    root = token("TE") + whole(1) + size(3) + token("(") + token("NULL") + leaf(0) + split
    made = b"\0B" + token("ContextDependency") + whole(3, 1) + token("ToPdf") + root
    return made + token(")") + token("EndContextDependency")


PHONE_NAMES = b"<eps> 0\nsil 1\na 2\n#0 3\n"

META_YAML = b"""architecture: gmm-hmm
features:
  deltas: true
  frame_shift: 10
  pitch: false
  splice_left_context: null
  type: mfcc
  use_energy: false
phones: [a, 'on', no,
  "\\u0301"]
version: 2.0.0
"""

META_JSON = b"""{"phones": ["a"], "version": "3.0.0", "architecture": "gmm-hmm",
"dictionaries": {"oov_word": "<unk>", "position_dependent_phones": false},
"features": {"type": "mfcc", "use_energy": false, "frame_shift": 10, "snip_edges": true,
"high_frequency": 7800, "num_coefficients": 13, "uses_cmvn": true, "uses_deltas": true,
"uses_splices": false, "uses_speaker_adaptation": false, "use_pitch": false, "min_f0": 50},
"oov_phone": "sil", "optional_silence_phone": "sil", "silence_probability": 0.25,
"initial_silence_probability": 0.75}"""


def repeated_model(n_features: int, phones: int = 2) -> bytes:
    """Return a model in text form of phones of one state and one Gaussian each."""
    numbers = range(1, phones + 1)
    made = "<TransitionModel> <Topology> <TopologyEntry> <ForPhones> "
    made += f"{' '.join(map(str, numbers))} </ForPhones> <State> 0 <PdfClass> 0 <Transition> 0 0.5 "
    made += "<Transition> 1 0.5 </State> <State> 1 </State> </TopologyEntry> </Topology> "
    made += f"<Triples> {phones} {' '.join(f'{n} 0 {n - 1}' for n in numbers)} </Triples> "
    made += f"<LogProbs> [ 0 {' -0.6931472' * (2 * phones)} ] </LogProbs> </TransitionModel> "
    made += f"<DIMENSION> {n_features} <NUMPDFS> {phones} "
    for number in numbers:
        made += f"<DiagGMM> <WEIGHTS> [ 1 ] <MEANS_INVVARS> [ {f'{number} ' * n_features}] "
        made += f"<INV_VARS> [ {'1 ' * n_features}] </DiagGMM> "
    return made.encode()


def zipped(files: dict[str, bytes], method: int = 8) -> bytes:
    """Return a zip of some files."""
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def mfa_zip(*, yaml: bool = False) -> bytes:
    """Return a small model of the Montreal Forced Aligner, of version 3 or of version 2.0."""
    if yaml:
        # Three silences and four phones, each with five or four places.
        files = {"final.mdl": repeated_model(39, 31), "meta.yaml": META_YAML}
        return zipped({f"model/{name}": content for name, content in files.items()})
    return zipped(
        {"final.mdl": repeated_model(39), "meta.json": META_JSON, "phones.txt": PHONE_NAMES}
    )


def text_matrices(path: Path) -> dict[str, np.ndarray]:
    """Return the matrices of an archive in text form by their names."""
    found = re.findall(r"^(\S+)\s+\[(.*?)\]", path.read_text(), re.DOTALL | re.MULTILINE)
    return {
        name: np.array([row.split() for row in rows.strip().splitlines()], float)
        for name, rows in found
    }


def speaker_means(path: Path) -> dict[str, np.ndarray]:
    """Return the means of statistics of cepstra in text form by speaker."""
    return {name: sums[0, :-1] / sums[0, -1] for name, sums in text_matrices(path).items()}
