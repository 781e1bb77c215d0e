"""Decision trees against single frames, single questions, and the trees that Kaldi grew."""

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from oracles import decision_trees as oracle

from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.hmm import Topology, Tying
from speakergmm.hmm.models import LEFT, RIGHT, STATE, DecisionTree, PhoneQuestions
from speakergmm.hmm.training import ContextStatistics, TreeOptions, cluster_questions, grow_tree
from speakergmm.records import of_arrays, to_arrays

UNITS = ("SIL", "A", "E", "M", "N")
TOPOLOGIES = [Topology.left_right(n) for n in (1, 3, 3, 2, 3)]
QUESTIONS = PhoneQuestions.of_sets(
    UNITS, {"vowel": ["A", "E"], "nasal": ["M", "N"], "silence": ["SIL"], "open": ["A", "SIL"]}
)
OPEN = {"min_gain": 0.0, "merge": False, "variance_floor": 0.05}


def frames_in_context(seed, *, n=400, d=3):
    """Return frames whose means depend on their contexts, and the contexts."""
    rng = np.random.default_rng(seed)
    contexts = rng.integers([-1, 0, -1, 0], [5, 5, 5, 3], size=(n, 4))
    contexts[:, STATE] %= np.array([t.n_states for t in TOPOLOGIES])[contexts[:, 1]]
    means = rng.normal(size=(4, 6, d))
    frames = sum(means[column, contexts[:, column]] for column in range(4))
    return frames + rng.normal(size=(n, d)), contexts


def grown(seed=0, roots=None, **given):
    frames, contexts = frames_in_context(seed)
    roots = Tying.roots(TOPOLOGIES, [[0], [1, 2], [3, 4]]) if roots is None else roots
    statistics = ContextStatistics.of_frames(frames, contexts)
    return grow_tree(statistics, roots, QUESTIONS, **(OPEN | given)), frames, contexts


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def floors(frames):
    return 0.05 * frames.var(axis=0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_occupancy", [0.0, 150.0])
def test_the_first_split_is_the_best_of_all(seed, min_occupancy):
    one = Tying.roots(TOPOLOGIES, [range(5)])
    tree, frames, contexts = grown(seed, one, max_leaves=2, min_occupancy=min_occupancy)
    sets = [(STATE, {0}), (STATE, {0, 1})] + [
        (position, set(np.flatnonzero(members).tolist()))
        for position in range(3)
        for members in QUESTIONS.members
    ]
    gain, yes = oracle.best_split(
        frames, contexts, sets, floors(frames), min_occupancy=min_occupancy
    )
    assert tree.gain[0] == pytest.approx(gain, rel=1e-9)
    np.testing.assert_array_equal(tree.leaves(contexts) == tree.yes[0], yes)


@pytest.mark.parametrize("seed", range(6))
def test_of_equal_gains_the_first_question_is_chosen_in_spite_of_rounding(seed):
    # The right neighbour follows from the left one, so both divide the frames in the same way, but
    # their sums are added in different orders.
    rng = np.random.default_rng(seed)
    units = tuple("abcdefghijkl")
    left = rng.integers(0, 10, size=300)
    phone = rng.integers(0, 10, size=300)
    contexts = np.column_stack([left, phone, np.where(left < 5, 10, 11), 0 * left])
    frames = rng.normal(left[:, None] < 5, 1.0, size=(300, 5))
    questions = PhoneQuestions.of_lists(units, ["k", "abcde"])
    statistics = ContextStatistics.of_frames(frames, contexts)
    roots = Tying.roots([Topology.left_right(1)] * 12, [range(12)])
    tree = grow_tree(statistics, roots, questions, min_gain=0.0, max_leaves=2)
    assert (tree.position[0], tree.question[0]) == (LEFT, 1)


@pytest.mark.parametrize("max_leaves", [3, 4, 20, 60])
def test_gains_are_differences_of_likelihoods_of_frames(max_leaves):
    tree, frames, contexts = grown(max_leaves=max_leaves)
    leaves = tree.leaves(contexts)
    roots = tree.roots.pdf_id[tree.roots.first[contexts[:, 1]] + contexts[:, STATE]]

    def total(groups):
        parts = [frames[groups == group] for group in np.unique(groups)]
        return sum(oracle.log_likelihood(part, floors(frames)) for part in parts)

    assert tree.n_leaves == max_leaves
    assert tree.total_gain == pytest.approx(total(leaves) - total(roots), abs=1e-8)
    assert (tree.gain >= 0).all()
    np.testing.assert_array_equal(
        np.bincount(leaves, minlength=len(tree.position))[tree.position < 0],
        tree.occupancy[tree.position < 0],
    )


def test_leaves_are_those_that_a_walk_comes_to():
    tree, _, _ = grown(max_leaves=40)
    every = np.stack(np.meshgrid(*[np.arange(-1, 5)] * 3, range(3)), -1).reshape(-1, 4)
    states = np.array([t.n_states for t in TOPOLOGIES])
    every = every[(every[:, 1] >= 0) & (every[:, STATE] < states[every[:, 1]])]
    assert tree.leaves(every).tolist() == [oracle.leaf(tree, each) for each in every.tolist()]


def test_without_splits_pdfs_are_those_of_monophones():
    independent = Tying.independent(TOPOLOGIES)
    tree, _, contexts = grown(roots=independent, max_leaves=independent.n_pdfs)
    expected = independent.pdf_id[independent.first[contexts[:, 1]] + contexts[:, STATE]]
    np.testing.assert_array_equal(tree.pdfs(contexts), expected)
    assert tree.n_pdfs == independent.n_pdfs


def test_more_leaves_keep_the_splits_of_fewer():
    few, many = grown(max_leaves=10)[0], grown(max_leaves=30)[0]
    asks = np.flatnonzero(few.position >= 0)
    for name in ("position", "question", "yes", "no", "gain"):
        np.testing.assert_array_equal(getattr(many, name)[asks], getattr(few, name)[asks])
    # What was left out gains less than what was chosen at its time: the last split of the few.
    later = many.gain[: len(few.position)][few.position < 0]
    assert later.max() <= few.gain[asks[np.argmax(few.yes[asks])]]


@pytest.mark.parametrize("max_leaves", [12, 50])
def test_the_order_of_utterances_does_not_matter(rng, max_leaves):
    tree, frames, contexts = grown(max_leaves=max_leaves)
    order = rng.permutation(len(frames))
    pieces = [
        ContextStatistics.of_frames(frames[part], contexts[part])
        for part in np.array_split(order, 7)
    ]
    merged = reduce(ContextStatistics.merge, pieces)
    again = grow_tree(merged, tree.roots, QUESTIONS, **OPEN, max_leaves=max_leaves)
    for name in ("position", "question", "yes", "no", "pdf_id"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tree, name))
    np.testing.assert_allclose(again.gain, tree.gain, rtol=1e-9)


def test_the_order_of_units_does_not_matter():
    roots = Tying.roots(TOPOLOGIES, states_shared=False)
    tree, frames, contexts = grown(roots=roots, max_leaves=40)
    order = np.array([3, 0, 4, 2, 1])  # order[new] = old
    new = np.append(np.argsort(order), -1)  # the last one serves -1
    moved = np.column_stack([new[contexts[:, :3]], contexts[:, 3]])
    questions = PhoneQuestions(
        tuple(UNITS[old] for old in order), QUESTIONS.names, QUESTIONS.members[:, order]
    )
    others = grow_tree(
        ContextStatistics.of_frames(frames, moved),
        Tying.roots([TOPOLOGIES[old] for old in order], states_shared=False),
        questions,
        **OPEN,
        max_leaves=40,
    )
    pairs = set(zip(tree.pdfs(contexts).tolist(), others.pdfs(moved).tolist(), strict=True))
    assert len(pairs) == len(np.unique(tree.pdfs(contexts)))
    assert others.total_gain == pytest.approx(tree.total_gain, rel=1e-9)


def test_options_end_the_growth():
    assert grown(max_leaves=600, min_gain=1e9)[0].n_leaves == 3
    many = grown(max_leaves=600, min_gain=20.0)[0]
    assert 3 < many.n_leaves < 600
    assert many.gain[many.position >= 0].min() >= 20.0
    coarse = grown(max_leaves=600, min_occupancy=30.0)[0]
    assert coarse.occupancy.min() >= 30.0
    whole = grown(max_leaves=30, unsplit=[1, 2])[0]
    assert (whole.position[[1, 2]] == -1).all()
    assert whole.pdf_id[[1, 2]].tolist() == [whole.n_pdfs - 2, whole.n_pdfs - 1]


def test_leaves_that_hardly_differ_are_merged_within_their_root():
    apart, frames, contexts = grown(max_leaves=40)
    merged, _, _ = grown(max_leaves=40, merge=True)
    np.testing.assert_array_equal(merged.position, apart.position)
    assert 3 < merged.n_pdfs < merged.n_leaves == 40
    roots = apart.roots.pdf_id[apart.roots.first[contexts[:, 1]] + contexts[:, STATE]]
    pdfs = merged.pdfs(contexts)
    assert all(len(np.unique(roots[pdfs == pdf])) == 1 for pdf in range(merged.n_pdfs))
    # Of the pdfs that are left in one root, no two lose as little as the smallest split gained.
    least, floor = apart.gain[apart.position >= 0].min(), floors(frames)
    for root in range(3):
        left = np.unique(pdfs[roots == root])
        for i, one in enumerate(left):
            for other in left[i + 1 :]:
                loss = (
                    oracle.log_likelihood(frames[pdfs == one], floor)
                    + oracle.log_likelihood(frames[pdfs == other], floor)
                    - oracle.log_likelihood(frames[np.isin(pdfs, [one, other])], floor)
                )
                assert loss > least


def test_a_phonetician_can_read_the_splits():
    # By hand: variances 66.9, of the last 40 frames 25.25, of 20 frames the floor of 0.669. At
    # first the questions about state and right neighbour gain the same: that of the state is asked.
    frames = np.repeat([[0.0], [10.0], [20.0]], 20, axis=0) + np.tile([[-0.5], [0.5]], (30, 1))
    contexts = np.repeat([[4, 1, 0, 0], [2, 1, 0, 1], [2, 1, 3, 1]], 20, axis=0)
    statistics = ContextStatistics.of_frames(frames, contexts)
    tree = grow_tree(statistics, Tying.roots(TOPOLOGIES), QUESTIONS, min_gain=1.0)
    found = tree.report().splitlines()
    assert found == [
        "SIL: 0 frames",
        "  pdf 0, 0 frames",
        "A: 60 frames",
        "  state <= 1? gains 71.8",
        "    yes: pdf 1, 20 frames",
        "    no: right nasal (M N)? gains 85.1",
        "      yes: pdf 2, 20 frames",
        "      no: pdf 3, 20 frames",
        *[f"{line}" for n, unit in ((4, "E"), (5, "M"), (6, "N")) for line in
          (f"{unit}: 0 frames", f"  pdf {n}, 0 frames")],
    ]  # fmt: skip


def test_a_tree_comes_back_from_its_record():
    tree, _, contexts = grown(max_leaves=30, merge=True)
    arrays, rest = to_arrays(tree)
    again = of_arrays(DecisionTree, arrays, rest, kind="decision tree", source="memory")
    np.testing.assert_array_equal(again.pdfs(contexts), tree.pdfs(contexts))
    assert again.report() == tree.report()
    arrays["yes"] = arrays["yes"][::-1].copy()
    with pytest.raises(ModelFormatError, match="memory: damaged decision tree"):
        of_arrays(DecisionTree, arrays, rest, kind="decision tree", source="memory")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"yes": 0}, "stand once each"),
        ({"question": 99}, "question that does not exist"),
        ({"position": 4}, "question that does not exist"),
        ({"pdf_id": 0}, "pdf ids of leaves"),
    ],
)
def test_refuses_nodes_that_are_no_tree(changes, message):
    tree, _, _ = grown(max_leaves=10)
    ((name, value),) = changes.items()
    values = getattr(tree, name).copy()
    values[np.flatnonzero(tree.position >= 0)[0]] = value
    with pytest.raises(InvalidInputError, match=message):
        replace(tree, **{name: values})


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ([0, 5, 0, 0], "units of contexts"),
        ([0, -1, 0, 0], "units of contexts"),
        ([0, 0, 0, 1], "state that its unit does not have"),
        ([0, 0, 0], "4 a context"),
    ],
)
def test_refuses_contexts_that_cannot_be(context, message):
    with pytest.raises(InvalidInputError, match=message):
        grown(max_leaves=5)[0].leaves([context])


def test_refuses_what_does_not_fit_together():
    frames, contexts = frames_in_context(0)
    statistics = ContextStatistics.of_frames(frames, contexts)
    roots = Tying.roots(TOPOLOGIES)
    with pytest.raises(InvalidInputError, match="max_leaves"):
        grow_tree(statistics, roots, QUESTIONS, max_leaves=4)
    with pytest.raises(InvalidInputError, match="unsplit"):
        grow_tree(statistics, roots, QUESTIONS, unsplit=[5])
    few = PhoneQuestions.of_lists(UNITS[:4], [["A"]])
    with pytest.raises(InvalidInputError, match="there are 4 units"):
        grow_tree(statistics, Tying.roots(TOPOLOGIES[:4]), few)
    with pytest.raises(InvalidInputError, match="state that its unit does not have"):
        grow_tree(statistics, Tying.roots([Topology.left_right(1)] * 5), QUESTIONS)
    still = ContextStatistics.of_frames(frames * [1, 0, 1], contexts)
    with pytest.raises(InvalidInputError, match="feature 1 does not vary"):
        grow_tree(still, roots, QUESTIONS)
    with pytest.raises(InvalidInputError, match="no statistics"):
        grow_tree(ContextStatistics.of_frames(frames[:0], contexts[:0]), roots, QUESTIONS)
    with pytest.raises(InvalidInputError, match="min_gain"):
        TreeOptions(min_gain=-1.0)


KALDI_CASES = {
    "tree_60_no_clustering": {"max_leaves": 60, "merge": False},
    "tree_60_clustered_no_rounding": {"max_leaves": 60},
    "tree_200_thresh_0": {"max_leaves": 200, "min_gain": 0.0, "merge": False},
}


@pytest.fixture(scope="module")
def kaldi(data_dir):
    """Kaldi's statistics of phones in context, its questions, and the folder of its trees."""
    folder = data_dir / "kaldi_reference" / "cases" / "tree"
    phones = (folder.parents[1] / "lang" / "phones.txt").read_text().split()[2:82:2]
    made = np.load(folder / "treeacc.npz")
    # Kaldi counts phones from 1, has 0 for none, and -9 here where silence has no neighbours.
    contexts = made["events"][:, [1, 2, 3, 0]] - np.array([1, 1, 1, 0])
    contexts[:, :STATE] = np.maximum(contexts[:, :STATE], -1)
    order = np.lexsort(contexts.T[::-1])
    sums = (made[name][order] for name in ("count", "x", "x2"))
    lines = (folder / "questions.int").read_text().splitlines()
    lists = sorted({tuple(map(int, line.split())) for line in lines})
    questions = PhoneQuestions.of_lists(phones, [[phones[n - 1] for n in each] for each in lists])
    return ContextStatistics(contexts[order], *sums), questions, folder


@pytest.fixture(scope="module")
def like_kaldi_s(kaldi):
    """Trees grown from the same statistics and questions, by the names of Kaldi's trees."""
    statistics, questions, _ = kaldi
    roots = Tying.roots([Topology.silence(5)] + [Topology.left_right(3)] * 39)
    return {
        name: grow_tree(statistics, roots, questions, **options, variance_floor=1e-4)
        for name, options in KALDI_CASES.items()
    }


def same_trees(tree, node, kaldi_node, pdf_of):
    """Compare two trees node by node: positions, sets, and which leaves share a pdf."""
    if isinstance(kaldi_node, int):
        assert tree.position[node] == -1
        assert pdf_of.setdefault(kaldi_node, int(tree.pdf_id[node])) == tree.pdf_id[node]
        return
    key, values, yes, no = kaldi_node
    position, question = int(tree.position[node]), int(tree.question[node])
    if position == STATE:
        asked = (-1, frozenset(range(question + 1)))
    else:
        members = tree.questions.members[question]
        asked = (position, frozenset((np.flatnonzero(members) + 1).tolist()))
    assert (key, values) == asked
    same_trees(tree, int(tree.yes[node]), yes, pdf_of)
    same_trees(tree, int(tree.no[node]), no, pdf_of)


@pytest.mark.parametrize("name", KALDI_CASES)
def test_grows_kaldi_s_trees_with_the_same_questions(kaldi, like_kaldi_s, name):
    tree = like_kaldi_s[name]
    key, roots = oracle.read_kaldi_tree((kaldi[2] / f"{name}.txt").read_text())
    assert (key, roots[0]) == (1, None)
    pdf_of = {}
    for root, kaldi_root in enumerate(roots[1:]):
        same_trees(tree, root, kaldi_root, pdf_of)
    assert sorted(pdf_of.values()) == list(range(tree.n_pdfs))


def test_gains_as_much_as_kaldi_split_by_split(kaldi, like_kaldi_s):
    statistics, _, folder = kaldi
    tree = like_kaldi_s["tree_200_thresh_0"]
    # Splits in the order in which they were made: by their children.
    asks = np.flatnonzero(tree.position >= 0)
    made = np.cumsum(tree.gain[asks[np.argsort(tree.yes[asks])]]) / statistics.counts.sum()
    compared = 0
    for line in (folder / "split_by_split.tsv").read_text().splitlines()[1:]:
        leaves = int(line.split("\t")[1])
        if leaves <= tree.n_leaves:
            logged = float(line.split("like-impr = ")[1].split()[0])
            assert made[leaves - 41] == pytest.approx(logged, rel=1e-5)
            compared += 1
    assert compared >= 82
    assert {LEFT, RIGHT, STATE} <= set(tree.position[asks].tolist())


def test_questions_from_the_bottom_up_serve_as_well_as_kaldi_s(kaldi, like_kaldi_s):
    statistics, questions, _ = kaldi
    theirs = like_kaldi_s["tree_200_thresh_0"]
    own = cluster_questions(statistics, questions.units, state=1)
    options = KALDI_CASES["tree_200_thresh_0"]
    tree = grow_tree(statistics, theirs.roots, own, **options, variance_floor=1e-4)
    assert tree.total_gain >= 0.99 * theirs.total_gain
