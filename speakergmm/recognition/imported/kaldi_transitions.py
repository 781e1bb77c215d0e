"""Topologies and transition probabilities of Kaldi's models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.kaldi_values import KaldiValues
from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.topology import ENTRY, Topology

# Kaldi keeps probabilities in float32, and writes seven digits.
_CLOSE = 1e-3
# More states of a phone than any model has; checks take time with their square.
_MOST_STATES = 200

# The class of the pdf of a state, and the target and probability of each of its arcs.
_State = tuple[int, list[tuple[int, float]]]


@dataclass(frozen=True, eq=False)
class KaldiPhone:
    """States and arcs of a phone of Kaldi.

    Parameters
    ----------
    topology : Topology
        Emitting states, entered at the first; arcs of a state are in Kaldi's order.
    pdf_classes : tuple of int
        Class of the pdf of each state, which trees ask for.
    """

    topology: Topology
    pdf_classes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class KaldiTransitions:
    """The transition model of Kaldi: which transition-ids there are.

    Parameters
    ----------
    phones : dict of int to KaldiPhone
        States of each phone, by its number in ``phones.txt``.
    states : array of int, shape (S, 3)
        Phone, state and pdf of each transition-state.
    log_probability : array, shape (T,)
        Natural logarithm of the probability of each transition-id, of which the first is 1.
    """

    phones: dict[int, KaldiPhone]
    states: NDArray[np.int32]
    log_probability: NDArray[np.float64]

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Place of the first transition of each transition-state, shape (S + 1,)."""
        sizes = [self._arcs_of(phone, state) for phone, state, _ in self.states.tolist()]
        return np.cumsum([0, *sizes])

    @property
    def pdf_of_transition(self) -> NDArray[np.int32]:
        """Pdf of each transition-id, shape (T,)."""
        return np.repeat(self.states[:, 2], np.diff(self.first))

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs that are named."""
        return int(self.states[:, 2].max()) + 1

    def _arcs_of(self, phone: int, state: int) -> int:
        return int((self.phones[phone].topology.source == state).sum())


def read_transitions(values: KaldiValues) -> KaldiTransitions:
    """Read ``<TransitionModel>``, with which a model of Kaldi begins.

    Raises
    ------
    ModelFormatError
        If it is damaged, or contradicts itself.
    """
    values.expect("<TransitionModel>")
    phones = read_topology(values)
    kind = values.expect("<Triples>", "<Tuples>")
    rows = [
        _state(values, phones, has_loop=kind == "<Tuples>") for _ in range(values.count(least=1))
    ]
    values.expect(kind.replace("<", "</"))
    values.expect("<LogProbs>")
    logs = values.vector()
    values.expect("</LogProbs>")
    values.expect("</TransitionModel>")
    found = KaldiTransitions(phones, np.array(rows, np.int32), logs[1:])
    if len(set(rows)) < len(rows):
        values.refuse("a transition-state occurs twice")
    if len(found.log_probability) != found.first[-1]:
        values.refuse(f"{len(logs) - 1} probabilities for {found.first[-1]} transitions")
    with np.errstate(over="ignore"):
        totals = np.add.reduceat(np.exp(found.log_probability), found.first[:-1])
    if not (np.abs(totals - 1) < _CLOSE).all():
        values.refuse("the probabilities of the transitions of a state do not sum to 1")
    return found


def _state(
    values: KaldiValues, phones: dict[int, KaldiPhone], *, has_loop: bool
) -> tuple[int, int, int]:
    """Read the phone, the state and the pdf of a transition-state."""
    phone = values.integer(least=1)
    if phone not in phones:
        values.refuse(f"phone {phone} has no topology")
    state = values.integer(least=0, most=phones[phone].topology.n_states - 1)
    pdf = values.integer(least=0)
    if has_loop and values.integer() != pdf:
        values.refuse("pdfs of self-loops of their own (chain models) are not supported")
    return phone, state, pdf


def read_topology(values: KaldiValues) -> dict[int, KaldiPhone]:
    """Read ``<Topology>``, in a model or in a file of its own, such as ``topo``.

    Returns
    -------
    dict of int to KaldiPhone
        States of each phone, by its number.

    Raises
    ------
    ModelFormatError
        If it is damaged, or has states without a pdf, or pdfs of self-loops of their own.
    """
    values.expect("<Topology>")
    return _binary_topology(values) if values.is_binary else _text_topology(values)


def _binary_topology(values: KaldiValues) -> dict[int, KaldiPhone]:
    phones, entry_of_phone = values.integers(), values.integers()
    n_entries = values.integer()
    has_loops = n_entries == -1
    n_entries = values.count(least=1) if has_loops else n_entries
    entries = []
    for _ in range(n_entries):
        states = []
        for _ in range(values.integer(least=1, most=_MOST_STATES)):
            pdf_class = values.integer(least=-1)
            if has_loops and values.integer(least=-1) != pdf_class:
                values.refuse("pdfs of self-loops of their own (chain models) are not supported")
            arcs = [(values.integer(), values.real()) for _ in range(values.count())]
            states.append((pdf_class, arcs))
        entries.append(_phone(values, states))
    values.expect("</Topology>")
    if len(set(phones)) < len(phones) or not phones:
        values.refuse("a phone of the topology occurs twice, or there is none")
    found = {}
    for phone in phones:
        place = entry_of_phone[phone] if 0 < phone < len(entry_of_phone) else -1
        if not 0 <= place < len(entries):
            values.refuse(f"phone {phone} has no topology")
        found[phone] = entries[place]
    return found


def _text_topology(values: KaldiValues) -> dict[int, KaldiPhone]:
    found: dict[int, KaldiPhone] = {}
    while values.expect("<TopologyEntry>", "</Topology>") == "<TopologyEntry>":
        values.expect("<ForPhones>")
        phones = []
        while (word := values.token()) != "</ForPhones>":
            if not word.isdecimal() or len(word) > 9 or int(word) < 1 or int(word) in found:
                values.refuse(f"{word[:20]!r} is no phone, or has a topology already")
            phones.append(int(word))
        states: list[_State] = []
        while values.expect("<State>", "</TopologyEntry>") == "<State>":
            values.integer(least=len(states), most=min(len(states), _MOST_STATES))
            states.append(_text_state(values))
        entry = _phone(values, states)
        found |= dict.fromkeys(phones, entry)
    if not found:
        values.refuse("the topology has no phone")
    return found


def _text_state(values: KaldiValues) -> _State:
    pdf_class, arcs = -1, []
    while (word := values.token()) != "</State>":
        if word == "<PdfClass>":
            pdf_class = values.integer(least=0)
        elif word == "<Transition>":
            arcs.append((values.integer(), values.real()))
        elif word == "<ForwardPdfClass>":
            values.refuse("pdfs of self-loops of their own (chain models) are not supported")
        else:
            values.refuse(f"found {word!r} within a state")
    return pdf_class, arcs


def _phone(values: KaldiValues, states: list[_State]) -> KaldiPhone:
    """Return the states of a phone; the last one of Kaldi's is the exit, without pdf and arcs."""
    *emitting, (last_class, last_arcs) = states or [(0, [])]
    if last_arcs or last_class >= 0 or not emitting:
        values.refuse("the last state of a topology must be its only one without pdf and arcs")
    arcs = [(ENTRY, 0, 1.0)]
    for number, (pdf_class, ways) in enumerate(emitting):
        total = sum(probability for _, probability in ways)
        if pdf_class < 0:
            values.refuse(f"state {number} of a topology has no pdf, which is not supported")
        if not abs(total - 1) < _CLOSE:
            values.refuse(f"the probabilities of state {number} of a topology sum to {total:g}")
        arcs += [(number, target, probability / total) for target, probability in ways]
    try:
        topology = Topology.from_arcs(len(emitting), arcs)
    except (InvalidInputError, OverflowError) as error:
        values.refuse(str(error))
    return KaldiPhone(topology, tuple(pdf_class for pdf_class, _ in emitting))
