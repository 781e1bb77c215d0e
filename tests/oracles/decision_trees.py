"""Decision trees the slow way: each frame, each question, each path through a tree, one by one."""

import numpy as np
from scipy.stats import norm


def log_likelihood(frames, floor):
    """Return the log-likelihood of frames under the Gaussian of their own moments, floored."""
    if not len(frames):
        return 0.0
    deviation = np.sqrt(np.maximum(frames.var(axis=0), floor))
    return float(norm.logpdf(frames, frames.mean(axis=0), deviation).sum())


def answers(context, position, members):
    """Return whether the unit (or state) at a position of a context is one of a set."""
    return context[position] in members


def best_split(frames, contexts, sets, floor, *, min_occupancy=0.0):
    """Return the largest gain of any question, and the frames that answer yes to it.

    `sets` lists (position, members) of all questions.
    """
    found = (-np.inf, None)
    whole = log_likelihood(frames, floor)
    for position, members in sets:
        yes = np.array([answers(context, position, members) for context in contexts.tolist()])
        if min(yes.sum(), (~yes).sum()) < max(min_occupancy, 1):
            continue
        gain = log_likelihood(frames[yes], floor) + log_likelihood(frames[~yes], floor) - whole
        if gain > found[0] + 1e-9:
            found = (gain, yes)
    return found


def leaf(tree, context):
    """Return the leaf of one context, walked node by node."""
    left, centre, right, state = context
    node = int(tree.roots.pdfs(centre)[state])
    while tree.position[node] >= 0:
        question = int(tree.question[node])
        if tree.position[node] == 3:
            members = set(range(question + 1))
        else:
            members = set(np.flatnonzero(tree.questions.members[question]).tolist())
        yes = answers((left, centre, right, state), int(tree.position[node]), members)
        node = int(tree.yes[node] if yes else tree.no[node])
    return node


def read_kaldi_tree(text):
    """Return the nodes of Kaldi's text form of a tree.

    A leaf is its number, a table (key, its entries), a question (key, values, yes, no).
    """
    words = iter(text.split("ToPdf")[1].split())

    def node():
        kind = next(words)
        if kind == "NULL":
            return None
        if kind == "CE":
            return int(next(words))
        key = int(next(words))
        if kind == "TE":
            n_entries, _ = int(next(words)), next(words)
            entries = [node() for _ in range(n_entries)]
            assert next(words) == ")"
            return key, entries
        assert next(words) == "["
        values = frozenset(map(int, iter(lambda: next(words), "]")))
        assert next(words) == "{"
        result = (key, values, node(), node())
        assert next(words) == "}"
        return result

    return node()
