"""Models of phones: parts that belong together, a flat start, storage."""

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import MixtureBank, PhoneModels, Topology, Transitions, Tying
from speakergmm.records import of_arrays, to_arrays

TOPOLOGIES = {
    "A": Topology.left_right(3),
    "SIL": Topology.silence(3),
    "sp": Topology.short_pause(),
    "B": Topology.left_right(3),
}
SAME = {("sp", 0): ("SIL", 1)}


def make_models(sizes=(2, 1, 3)):
    return oracle.random_models(
        np.random.default_rng(0), TOPOLOGIES, sizes=sizes, n_features=3, same_pdf=SAME
    )


def test_flat_models_are_one_gaussian_everywhere():
    mean, variance = [1.0, -2.0], [4.0, 0.25]
    models = PhoneModels.flat(TOPOLOGIES, mean=mean, variance=variance, same_pdf=SAME)
    assert models.units == ("A", "SIL", "sp", "B")
    assert (models.n_pdfs, models.n_gaussians, models.n_features) == (9, 9, 2)
    assert models.tying.pdfs(2).tolist() == [models.tying.pdfs(1)[1]]
    np.testing.assert_array_equal(models.bank.gaussians.means, [mean] * 9)
    np.testing.assert_array_equal(models.bank.gaussians.variances(), [variance] * 9)
    for unit, topology in TOPOLOGIES.items():
        part = [arc[2] for arc in oracle.arcs_of(models, unit)]
        np.testing.assert_array_equal(part, topology.probability)
        assert models.topology(unit) == topology


def test_log_emissions_are_those_of_the_bank():
    models, X = make_models(), np.random.default_rng(1).normal(size=(20, 3))
    exact = oracle.log_emissions(models.bank, X)
    np.testing.assert_allclose(models.log_emissions(X, precision="float64"), exact, rtol=1e-10)
    single = models.log_emissions(X, [4, 1])
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact[:, [4, 1]], rtol=1e-4, atol=1e-4)
    with pytest.raises(InvalidInputError, match="pdfs"):
        models.log_emissions(X, [9])


def test_units_have_numbers():
    models = make_models()
    assert [models.unit_number(unit) for unit in models.units] == [0, 1, 2, 3]
    with pytest.raises(InvalidInputError, match="no model of 'X'; there are A, SIL, sp, B"):
        models.unit_number("X")


def test_other_parameters_leave_the_rest():
    models, others = make_models(), make_models(sizes=(1,))
    changed = models.with_parameters(bank=others.bank)
    assert changed.bank is others.bank
    assert changed.transitions is models.transitions
    assert models.with_parameters(transitions=others.transitions).bank is models.bank


def test_comes_back_from_a_record():
    models = make_models()
    arrays, metadata = to_arrays(models)
    again = of_arrays(PhoneModels, arrays, metadata, kind="models", source="here")
    assert again.units == models.units
    assert again.topologies == models.topologies
    other_arrays, other_metadata = to_arrays(again)
    assert metadata == other_metadata
    assert arrays.keys() == other_arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, other_arrays[name])
    # Topologies that several units have are stored once.
    assert len(metadata["topologies"]) == 3
    assert metadata["topology_of_unit"] == [0, 1, 2, 0]


@pytest.mark.parametrize("part", ["topologies", "tying", "transitions", "bank", "names", "none"])
def test_refuses_parts_that_do_not_belong_together(part):
    models = make_models()
    kinds = models.topologies
    parts = {
        "units": models.units, "topologies": kinds, "tying": models.tying,
        "transitions": models.transitions, "bank": models.bank,
    }  # fmt: skip
    parts |= {
        "topologies": {"topologies": kinds[:3]},
        "tying": {"tying": Tying.independent(kinds)},
        "transitions": {"transitions": Transitions.from_topologies(kinds[:3])},
        "bank": {"bank": MixtureBank.from_mixtures([models.bank.pdf(0)])},
        "names": {"units": ("A", "SIL", "sp", "A")},
        "none": {"units": (), "topologies": ()},
    }[part]
    with pytest.raises(InvalidInputError):
        PhoneModels(**parts)


@pytest.mark.parametrize(
    "options",
    [
        {"variance": [1.0]},
        {"mean": [[0.0, 0.0]]},
        {"mean": [np.nan, 0.0]},
        {"variance": [1.0, 0.0]},
        {"topologies": {}},
        {"same_pdf": {("sp", 0): ("nowhere", 0)}},
        {"same_pdf": {("nowhere", 0): ("sp", 0)}},
        {"same_pdf": {("sp", 0): ("SIL", 7)}},
    ],
)
def test_flat_refuses_what_makes_no_models(options):
    given = {"topologies": TOPOLOGIES, "mean": [0.0, 0.0], "variance": [1.0, 1.0]} | options
    with pytest.raises(InvalidInputError):
        PhoneModels.flat(given.pop("topologies"), **given)
