"""Kaldi's decision trees as those of this package: a root for each state of each phone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from speakergmm.errors import IncompatibleModelError
from speakergmm.hmm.models.decision_tree import LEAF, DecisionTree
from speakergmm.hmm.models.phone_questions import LEFT, RIGHT, PhoneQuestions
from speakergmm.hmm.models.tying import Tying
from speakergmm.recognition.imported.kaldi_transitions import KaldiPhone
from speakergmm.recognition.imported.kaldi_tree import (
    PDF_CLASS,
    KaldiTree,
    TreeLeaf,
    TreeSplit,
    TreeTable,
)


def as_decision_tree(
    tree: KaldiTree, names: Mapping[int, str], kinds: Mapping[int, KaldiPhone]
) -> DecisionTree:
    """Return a tree of Kaldi as a tree of questions about the neighbours.

    Kaldi asks for the phone itself and for its state where it asks for neighbours; here each state
    of each phone has a root, below which such questions are answered.

    Parameters
    ----------
    tree : KaldiTree
    names : mapping of int to str
        Name of each numbered phone, in the order in which they become units.
    kinds : mapping of int to KaldiPhone
        States of each phone, and the classes of their pdfs.

    Returns
    -------
    DecisionTree
        Its pdfs are those of Kaldi; gains and occupancies, which Kaldi does not keep, are 0.

    Raises
    ------
    IncompatibleModelError
        If phones beside the nearest neighbours are asked for, pdfs have gaps, or a state has none.
    """
    return _Conversion(tree, names, kinds).run()


class _Conversion:
    """A tree while it is converted."""

    def __init__(
        self, tree: KaldiTree, names: Mapping[int, str], kinds: Mapping[int, KaldiPhone]
    ) -> None:
        self._tree, self._names, self._kinds = tree, names, kinds
        self._place = {number: place for place, number in enumerate(names)}
        self._questions: dict[frozenset[int], int] = {}
        self._columns = {tree.central_position - 1: LEFT, tree.central_position + 1: RIGHT}

    def run(self) -> DecisionTree:
        topologies = [self._kinds[number].topology for number in self._names]
        states = [
            (number, kind) for number in self._names for kind in self._kinds[number].pdf_classes
        ]
        # The roots first, and children after their parents.
        waiting = [(len(self._tree.nodes) - 1, *state) for state in states]
        rows: list[list[int]] = []
        for place, phone, kind in waiting:  # which grows
            node = self._answered(place, phone, kind)
            if isinstance(node, TreeLeaf):
                rows.append([LEAF, LEAF, LEAF, LEAF, node.pdf])
                continue
            position, asked, yes, no = self._question(node)
            question = self._questions.setdefault(asked, len(self._questions))
            first = len(waiting)
            rows.append([position, question, first, first + 1, LEAF])
            waiting += [(yes, phone, kind), (no, phone, kind)]
        units = tuple(self._names.values())
        members = np.zeros((len(self._questions), len(units)), np.bool_)
        for asked, number in self._questions.items():
            members[number, list(asked)] = True
        texts = [" ".join(units[place] for place in sorted(asked)) for asked in self._questions]
        positions, asked_about, follows_yes, follows_no, pdf_ids = np.array(rows, np.int32).T
        pdfs = np.unique(pdf_ids[pdf_ids != LEAF])
        if not np.array_equal(pdfs, np.arange(len(pdfs))):
            raise IncompatibleModelError(
                f"the tree has pdfs up to {pdfs[-1]} and reaches {len(pdfs)} of them"
            )
        return DecisionTree(
            Tying.from_ids(topologies, np.arange(len(states), dtype=np.int32)),
            PhoneQuestions(units, tuple(texts), members),
            position=positions,
            question=asked_about,
            yes=follows_yes,
            no=follows_no,
            pdf_id=pdf_ids,
            gain=np.zeros(len(rows)),
            occupancy=np.zeros(len(rows)),
        )

    def _answered(self, place: int | None, phone: int, kind: int) -> TreeLeaf | TreeSplit:
        """Return the first leaf or question about neighbours below a place."""
        while place is not None:
            node = self._tree.nodes[place]
            if isinstance(node, TreeLeaf):
                return node
            if node.key in (PDF_CLASS, self._tree.central_position):
                value = kind if node.key == PDF_CLASS else phone
                place = node.child(value)
            elif isinstance(node, TreeTable):
                raise IncompatibleModelError(
                    "the tree has a table of neighbours; only questions about sets can be taken"
                )
            else:
                members = self._question(node)[1]
                if members:
                    return node
                place = node.no if 0 not in node.values else node.yes
        raise IncompatibleModelError(
            f"the tree has no pdf for phone {self._names[phone]!r}, class {kind}"
        )

    def _question(self, node: TreeSplit) -> tuple[int, frozenset[int], int, int]:
        """Return position and units of a question, and the nodes of yes and no."""
        if node.key not in self._columns:
            raise IncompatibleModelError(
                f"the tree asks for the phone at place {node.key} of {self._tree.context_width}; "
                "only the nearest neighbours can be asked for"
            )
        position, answers = self._columns[node.key], node.values
        # No neighbour has the number 0, and is in no set: where it answers yes, the question is
        # turned round.
        if 0 in answers:
            others = frozenset(self._place) - answers
            return position, frozenset(self._place[n] for n in others), node.no, node.yes
        known = frozenset(self._place[n] for n in answers if n in self._place)
        return position, known, node.yes, node.no
