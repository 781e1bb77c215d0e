"""The recipe of scale on a little synthetic speech; its figures stand in its RESULTS.md."""

import pytest
from typer.testing import CliRunner

MODULES = ("engines", "material")


@pytest.fixture(scope="module")
def recipe(imported):
    with imported("scale", MODULES) as module:
        yield module


@pytest.fixture(scope="module")
def folder(tmp_path_factory, recipe):
    made = tmp_path_factory.mktemp("scale")
    recipe.read_synthetic(made, speakers=2)
    return made


def rows_of(recipe, folder, *ways):
    """Run the recipe; return its rows by the way of training, and all that it printed."""
    arguments = ["--folder", str(folder), "--components", "4", "--shard-frames", "1000"]
    for way in ways:
        arguments += ["--way", way]
    done = CliRunner().invoke(recipe.app, arguments, catch_exceptions=False)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line]
    return {name: cells for name, *cells in rows[2:]}, done


@pytest.mark.slow
def test_serial_and_parallel_models_are_the_same(recipe, folder):
    rows, done = rows_of(recipe, folder, "serial", "processes")
    assert done.exit_code == 0
    assert "the same, bit for bit" in done.stdout
    assert rows["serial"][3] == rows["processes"][3]
    assert [cells[2] for cells in rows.values()] == ["10", "10"]


def test_models_that_differ_are_an_error(recipe, folder, monkeypatch):
    train = recipe.train
    sizes = iter((4, 5))
    monkeypatch.setattr(
        recipe, "train", lambda store, engine, _, callback: train(store, 1, next(sizes), callback)
    )
    rows, done = rows_of(recipe, folder, "serial", "processes")
    assert done.exit_code == 1
    assert "The models differ" in done.stdout
    assert rows["serial"][3] != rows["processes"][3]
