"""Every kind of file with some bytes flipped or cut off; `tests/faults` damages them all."""

import pytest
from oracles.damage import check_damage, cuts, flips
from oracles.kept_files import KINDS

N_FLIPS, N_CUTS = 40, 10


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_damage_is_refused_or_without_effect(name, tmp_path):
    kind = KINDS[name]
    path = kind.make(tmp_path)
    content = path.read_bytes()
    # From the whole file, not from its header first, as the long test has it.
    flipped = list(flips(content, kind.n_sampled, seed=1))
    chosen = flipped[:: -(-len(flipped) // N_FLIPS)]
    n_refused, n_harmless = check_damage(path, kind.use, iter(chosen))
    assert n_refused >= 0.5 * kind.refused * (n_refused + n_harmless)
    cut = list(cuts(content, kind.n_sampled))
    n_refused, n_harmless = check_damage(path, kind.use, iter(cut[:: -(-len(cut) // N_CUTS)]))
    assert n_harmless <= 1
