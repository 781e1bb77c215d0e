"""Files of Kaldi's i-vector programs, as arrays: mixtures, extractors, posteriors and vectors."""

import lzma
import re
import struct

import numpy as np


class Reader:
    """Tokens and arrays of a binary file, in their order."""

    def __init__(self, path):
        self.content = path.read_bytes()
        assert self.content[:2] == b"\0B"
        self.place = 2

    def token(self, expected):
        end = self.content.index(b" ", self.place)
        found = self.content[self.place : end].decode()
        assert found == expected, (found, expected)
        self.place = end + 1

    def number(self, code):
        size = self.content[self.place]
        (value,) = struct.unpack_from(f"<{code}", self.content, self.place + 1)
        self.place += 1 + size
        return value

    def array(self):
        """A vector, a matrix, or a symmetric matrix from its packed lower triangle."""
        end = self.content.index(b" ", self.place)
        kind = self.content[self.place : end].decode()
        self.place = end + 1
        dtype = {"F": "<f4", "D": "<f8"}[kind[0]]
        rows = self.number("i")
        shape = {"V": (rows,), "P": (rows * (rows + 1) // 2,)}.get(kind[1])
        if shape is None:
            shape = (rows, self.number("i"))
        count = int(np.prod(shape))
        values = np.frombuffer(self.content, dtype, count, self.place).astype(np.float64)
        self.place += values.size * int(dtype[-1])
        return symmetric(values) if kind[1] == "P" else values.reshape(shape)


def symmetric(packed):
    """Matrix of a lower triangle, row by row."""
    size = int((2 * len(packed)) ** 0.5)
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = packed
    return matrix + np.tril(matrix, -1).T


def read_full_mixture(path):
    """Weights, means and covariances of a full-covariance mixture."""
    reader = Reader(path)
    reader.token("<FullGMM>")
    reader.token("<GCONSTS>")
    reader.array()
    reader.token("<WEIGHTS>")
    weights = reader.array()
    reader.token("<MEANS_INVCOVARS>")
    linear = reader.array()
    reader.token("<INV_COVARS>")
    covariances = np.array([np.linalg.inv(reader.array()) for _ in weights])
    means = np.einsum("kij,kj->ki", covariances, linear)
    return weights / weights.sum(), means, (covariances + covariances.swapaxes(1, 2)) / 2


def read_extractor(path):
    """Loadings (K, D, R), covariances (K, D, D) and prior offset of an extractor."""
    reader = Reader(path)
    reader.token("<IvectorExtractor>")
    reader.token("<w>")
    reader.array()
    reader.token("<w_vec>")
    reader.array()
    reader.token("<M>")
    loadings = [reader.array() for _ in range(reader.number("i"))]
    reader.token("<SigmaInv>")
    covariances = np.array([np.linalg.inv(reader.array()) for _ in loadings])
    reader.token("<IvectorOffset>")
    offset = reader.number("d")
    return np.array(loadings), (covariances + covariances.swapaxes(1, 2)) / 2, offset


def read_vectors(path):
    """Vectors of a text archive, by name."""
    text = path.read_text()
    rows = re.findall(r"^(\S+)\s+\[(.*?)\]", text, re.DOTALL | re.MULTILINE)
    return {name: np.array(row.split(), float) for name, row in rows}


def read_statistics(path, features, n_components):
    """Zeroth and first order from a text archive of posteriors, and the scatter of all frames."""
    names, counts, sums = [], [], []
    scatter = 0.0
    for line in lzma.decompress(path.read_bytes()).decode().splitlines():
        name, rest = line.split(None, 1)
        posteriors = np.zeros((len(features[name]), n_components))
        for frame, text in enumerate(re.findall(r"\[([^\]]*)\]", rest)):
            words = text.split()
            posteriors[frame, np.array(words[::2], int)] = np.array(words[1::2], float)
        frames = features[name].astype(np.float64)
        names.append(name)
        counts.append(posteriors.sum(axis=0))
        sums.append(posteriors.T @ frames)
        scatter = scatter + np.einsum("tk,ti,tj->kij", posteriors, frames, frames, optimize=True)
    return names, np.array(counts), np.array(sums), scatter
