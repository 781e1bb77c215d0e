"""Kaldi's decision trees: the pdf of each phone in its context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from speakergmm.corpora import AnyPath
from speakergmm.corpora.kaldi_values import KaldiValues

PDF_CLASS = -1
"""Key of the class of a pdf (mostly the number of the state); other keys are places of phones."""


@dataclass(frozen=True, slots=True)
class TreeLeaf:
    """A leaf: the pdf, from 0."""

    pdf: int


@dataclass(frozen=True, slots=True)
class TreeSplit:
    """A question: whether the phone, or the class, at a place is one of some.

    Parameters
    ----------
    key : int
        Place in the context, from 0, or `PDF_CLASS`.
    values : frozenset of int
        Numbers of phones, or classes.
    yes, no : int
        Places of the nodes that follow.
    """

    key: int
    values: frozenset[int]
    yes: int
    no: int

    def child(self, value: int) -> int:
        """Return the place of the node that follows for a value."""
        return self.yes if value in self.values else self.no


@dataclass(frozen=True, slots=True)
class TreeTable:
    """A choice by the phone, or the class, at a place; see `TreeSplit`.

    Parameters
    ----------
    key : int
        Place in the context, from 0, or `PDF_CLASS`.
    children : tuple of int or None
        Place of the node that follows for each value from 0; None where there is none.
    """

    key: int
    children: tuple[int | None, ...]

    def child(self, value: int) -> int | None:
        """Return the place of the node that follows for a value; None if there is none."""
        return self.children[value] if 0 <= value < len(self.children) else None


Node = TreeLeaf | TreeSplit | TreeTable


@dataclass(frozen=True, slots=True)
class KaldiTree:
    """A decision tree of Kaldi.

    Parameters
    ----------
    context_width : int
        Number of phones that decide, N.
    central_position : int
        Place of the phone itself among them, from 0.
    nodes : tuple of TreeLeaf, TreeSplit or TreeTable
        All nodes, each after those that follow it; the last one is the root.
    """

    context_width: int
    central_position: int
    nodes: tuple[Node, ...]

    @property
    def n_leaves(self) -> int:
        """Number of different pdfs at the leaves."""
        return len({node.pdf for node in self.nodes if isinstance(node, TreeLeaf)})

    def pdf(self, phones: Sequence[int], pdf_class: int) -> int | None:
        """Return the pdf of a phone in its context; None if the tree has none.

        Parameters
        ----------
        phones : sequence of int, length N
            Numbers of the phones; 0 where there is none, before the first and after the last.
        pdf_class : int
            Class of the pdf.

        Examples
        --------
        >>> tree = KaldiTree(1, 0, (TreeLeaf(0), TreeLeaf(1), TreeSplit(0, frozenset([7]), 1, 0)))
        >>> tree.pdf([7], 0), tree.pdf([8], 0)
        (1, 0)
        """
        place: int | None = len(self.nodes) - 1
        while place is not None:
            node = self.nodes[place]
            if isinstance(node, TreeLeaf):
                return node.pdf
            value = pdf_class if node.key == PDF_CLASS else phones[node.key]
            place = node.child(value)
        return None


def read_kaldi_tree(path: AnyPath, content: bytes | None = None) -> KaldiTree:
    """Read ``tree``, in binary or text form.

    Parameters
    ----------
    path : path
        The file.
    content : bytes, optional
        Its content, if it has been read already, as from a zip.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    ModelFormatError
        With file and byte, if it is no tree, damaged, or asks for places outside of the context.
    """
    values = KaldiValues(path, content)
    values.expect("ContextDependency")
    width = values.integer(least=1, most=99)
    centre = values.integer(least=0, most=width - 1)
    if values.expect("ToPdf", "ToLength") == "ToLength":  # in old trees, of no use
        _read_nodes(values, width)
        values.expect("ToPdf")
    nodes = _read_nodes(values, width)
    values.expect("EndContextDependency")
    values.end()
    return KaldiTree(width, centre, nodes)


@dataclass(slots=True)
class _Open:
    """A node of which not all children have been read."""

    key: int
    values: frozenset[int] | None
    n_children: int
    children: list[int | None]

    def closed(self) -> Node:
        if self.values is None:
            return TreeTable(self.key, tuple(self.children))
        yes, no = self.children
        assert yes is not None
        assert no is not None
        return TreeSplit(self.key, self.values, yes, no)


def _read_nodes(values: KaldiValues, width: int) -> tuple[Node, ...]:
    """Read a tree without recursion, since files may nest nodes to any depth."""
    nodes: list[Node] = []
    opened: list[_Open] = []
    while True:
        in_table = bool(opened) and opened[-1].values is None
        kind = values.expect("CE", "SE", "TE", *(["NULL"] if in_table else []))
        if kind in ("SE", "TE"):
            opened.append(_read_open(values, kind, width))
            if opened[-1].n_children:
                continue
        else:
            if kind == "CE":
                nodes.append(TreeLeaf(values.integer(least=0)))
            if not opened:
                return tuple(nodes)
            opened[-1].children.append(None if kind == "NULL" else len(nodes) - 1)
        for node in _complete(values, opened):
            nodes.append(node)
            if not opened:
                return tuple(nodes)
            opened[-1].children.append(len(nodes) - 1)


def _complete(values: KaldiValues, opened: list[_Open]) -> Iterator[Node]:
    """Yield the nodes whose last child has been read, from the bottom to the top."""
    while opened and len(opened[-1].children) == opened[-1].n_children:
        values.expect(")" if opened[-1].values is None else "}")
        yield opened.pop().closed()


def _read_open(values: KaldiValues, kind: str, width: int) -> _Open:
    key = values.integer(least=PDF_CLASS, most=width - 1)
    if kind == "SE":
        answers = frozenset(values.integers())
        values.expect("{")
        return _Open(key, answers, 2, [])
    n_children = values.count()
    values.expect("(")
    return _Open(key, None, n_children, [])
