"""Models of Kaldi and of the Montreal Forced Aligner, imported: the paths that Kaldi has found."""

import io
import lzma
import stat
import zipfile

import numpy as np
import pytest
from oracles.kaldi_files import (
    META_JSON,
    META_YAML,
    PHONE_NAMES,
    array,
    mfa_zip,
    repeated_model,
    speaker_means,
    text_matrices,
    zipped,
)

from speakergmm.documents import DocumentError, parse_yaml
from speakergmm.errors import IncompatibleModelError, InvalidInputError, ModelFormatError
from speakergmm.features import with_deltas
from speakergmm.hmm import viterbi
from speakergmm.recognition import AcousticModel, import_model
from speakergmm.recognition.imported import (
    ImportedModel,
    as_decision_tree,
    kaldi_features,
    parse_options,
    read_kaldi_model,
    read_kaldi_tree,
    read_symbols,
)

FILES = {"final.mdl": repeated_model(39), "meta.json": META_JSON, "phones.txt": PHONE_NAMES}


@pytest.fixture(scope="module")
def kaldi(data_dir):
    return data_dir / "kaldi_reference"


@pytest.fixture(scope="module")
def mono(kaldi, tmp_path_factory):
    path = tmp_path_factory.mktemp("lang") / "lexiconp.txt"
    lines = lzma.decompress((kaldi / "lang" / "lexiconp.txt.xz").read_bytes()).decode().splitlines()
    said = {word for words in texts(kaldi).values() for word in words}
    path.write_text("\n".join(line for line in lines if line.split()[0] in said))
    lang = kaldi / "lang"
    return import_model(
        kaldi / "mono", path, phones=lang / "phones.txt", options=lang / "mfcc.conf"
    )


@pytest.fixture
def write(tmp_path):
    def written(content, name="model.zip"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written


def texts(kaldi):
    rows = (line.split() for line in (kaldi / "features" / "text").read_text().splitlines())
    return {name: words for name, *words in rows}


def scaled_as_kaldi(models):
    """Log-probabilities with the weights of Kaldi's aligner, in units of acoustic scores.

    It weighs acoustics by 0.1, self-loops by 0.1, and the choice among the other arcs by 1.
    """
    logs, first = [], 0
    for topology in models.topologies:
        probability = models.transitions.probability[first : first + topology.n_arcs]
        first += topology.n_arcs
        loops = dict.fromkeys(range(-1, topology.n_states), 0.0)
        arcs = list(zip(topology.source.tolist(), topology.target.tolist(), strict=True))
        loops |= {s: p for (s, t), p in zip(arcs, probability, strict=True) if s == t}
        for (source, target), p in zip(arcs, probability, strict=True):
            stay = np.log1p(-loops[source])
            logs.append(np.log(p) if source == target else stay + 10 * (np.log(p) - stay))
    return np.array(logs)


def agreement(kaldi, model, features, logs=None, stage="mono"):
    """Share of frames whose pdf is that of Kaldi's alignment."""
    aligned = np.load(kaldi / "alignments" / f"{stage}.npz")
    same = []
    for name, words in texts(kaldi).items():
        compiled = model.compile(words)
        graph = compiled.graph(model.models.transitions)
        if logs is not None:
            graph = compiled.graph_from_logs(logs)
        emissions = model.models.log_emissions(features[name], compiled.pdfs)
        states = viterbi(graph, emissions).states
        same.append(compiled.pdfs[graph.pdf[states]] == aligned[f"{name}.pdf_ids"])
    assert len(same) == 10
    return np.concatenate(same).mean()


def test_frames_have_the_pdfs_of_kaldis_alignments(kaldi, mono):
    features = np.load(kaldi / "features" / "delta.npz")
    assert agreement(kaldi, mono, features, scaled_as_kaldi(mono.models)) >= 0.999
    # With all weights at 1, as `align` has them.
    assert agreement(kaldi, mono, features) >= 0.99


def test_deltas_and_normalisation_of_this_package_change_few_frames(kaldi, mono):
    cepstra = np.load(kaldi / "features" / "mfcc.npz")
    rows = (line.split() for line in (kaldi / "features" / "utt2spk").read_text().splitlines())
    speakers = dict(rows)
    made = {name: with_deltas(cepstra[name], order=2) for name in cepstra.files}
    # The means of all utterances of a speaker are known of the training set alone: one each.
    stated = speaker_means(kaldi / "features" / "cmvn_stats.txt")
    centred = {
        name: np.hstack([v[:, :13] - stated[speakers[name]], v[:, 13:]]) for name, v in made.items()
    }
    assert agreement(kaldi, mono, centred, scaled_as_kaldi(mono.models)) >= 0.995


def test_a_model_of_kaldi_is_saved_with_its_features_and_lexicon(mono, tmp_path):
    mono.save(tmp_path / "am.safetensors")
    loaded = AcousticModel.load(tmp_path / "am.safetensors")
    assert loaded.digest == mono.digest
    config = mono.features
    assert (config.energy, config.window, config.deltas, config.n_ceps) == ("c0", "povey", 2, 12)
    assert (mono.normalisation.scope, mono.normalisation.variance) == ("speaker", False)
    assert (mono.silence.unit, len(mono.models.units), mono.models.n_pdfs) == ("SIL", 40, 122)


def test_models_of_mfa(data_dir):
    folder = data_dir / "mfa_models"
    found = ImportedModel.read(folder / "mono_model.zip")
    model = found.acoustic_model({"ah": "aa", "yah": "y aa", "yahoo": ["y aa hh"]})
    assert model.lexicon["ah"][0].phones == ("aa_S",)
    assert model.lexicon["yahoo"][0].phones == ("y_B", "aa_I", "hh_E")
    assert (model.unknown, model.lexicon["<unk>"][0].phones) == ("<unk>", ("spn",))
    assert (len(model.models.units), model.models.n_pdfs) == (171, 132)
    # Silences have five states, all other phones three.
    sizes = {unit: model.models.topology(unit).n_states for unit in model.models.units}
    assert {unit.split("_")[0] for unit, size in sizes.items() if size == 5} == {"sil", "sp", "spn"}
    spliced = ImportedModel.read(folder / "acoustic_g2p_output_model.zip")
    assert (spliced.transform.matrix.shape, spliced.features.splice) == ((40, 91), (3, 3))
    assert spliced.unadapted.bank.n_features == spliced.model.bank.n_features == 40
    for found in (spliced, ImportedModel.read(folder / "dine_bizaad_navajo.zip")):
        models = found.phone_models()
        assert models.tree.n_pdfs == models.bank.n_pdfs == found.tree.n_leaves
        assert models.n_features == found.model.bank.n_features


def triphones(kaldi, stage, lexicon):
    lang = kaldi / "lang"
    return import_model(
        kaldi / stage, lexicon, phones=lang / "phones.txt", options=lang / "mfcc.conf"
    )


@pytest.mark.parametrize("stage", ["tri1", "tri3b"])
def test_phones_in_context_have_the_pdfs_of_kaldis_tree(kaldi, stage):
    tree = read_kaldi_tree(kaldi / stage / "tree")
    model = read_kaldi_model(kaldi / stage / "final.mdl")
    phones = sorted(model.transitions.phones)
    kinds = model.transitions.phones
    found = as_decision_tree(tree, {number: str(number) for number in phones}, kinds)
    rng = np.random.default_rng(0)
    drawn = rng.integers([-1, 0, -1], len(phones), size=(3000, 3))
    states = [rng.integers(len(kinds[phones[centre]].pdf_classes)) for _, centre, _ in drawn]
    expected = [
        tree.pdf(
            [phones[n] if n >= 0 else 0 for n in context],
            kinds[phones[context[1]]].pdf_classes[state],
        )
        for context, state in zip(drawn.tolist(), states, strict=True)
    ]
    np.testing.assert_array_equal(found.pdfs(np.column_stack([drawn, states])), expected)


def test_triphones_align_frames_as_kaldi_does(kaldi, mono):
    model = triphones(kaldi, "tri1", mono.lexicon)
    assert model.models.tree.n_pdfs == model.models.n_pdfs
    features = np.load(kaldi / "features" / "delta.npz")
    logs = scaled_as_kaldi(model.models)
    assert agreement(kaldi, model, features, logs, stage="tri1") >= 0.995


def test_a_tree_of_another_model_is_refused(kaldi, write):
    stage = {
        name: (kaldi / folder / name).read_bytes()
        for name, folder in (("final.mdl", "tri1"), ("tree", "tri3b"))
    }
    lang = {name: (kaldi / "lang" / name).read_bytes() for name in ("phones.txt", "mfcc.conf")}
    with pytest.raises(IncompatibleModelError, match="do not belong together"):
        ImportedModel.read(write(zipped(stage | lang))).phone_models()
    del stage["tree"]
    with pytest.raises(IncompatibleModelError, match="there is no file 'tree'"):
        ImportedModel.read(write(zipped(stage | lang))).phone_models()


@pytest.mark.parametrize("stage", ["tri2b", "tri3b"])
def test_cepstra_have_the_log_likelihoods_of_kaldi_after_the_transforms(kaldi, tmp_path, stage):
    options = tmp_path / "options"
    mfcc = (kaldi / "lang" / "mfcc.conf").read_text()
    options.write_text(f"{mfcc}\n--left-context=3 --right-context=3\n")
    name, speaker = "367-130732-0006", "367"
    folder = tmp_path / stage
    folder.mkdir()
    for file, source in (("final.mdl", stage), ("final.mat", "tri2b")):  # tri3b takes tri2b's
        (folder / file).write_bytes((kaldi / source / file).read_bytes())
    found = ImportedModel.read(folder, phones=kaldi / "lang" / "phones.txt", options=options)
    transform = found.transform
    if stage == "tri3b":
        own = text_matrices(kaldi / "cases" / "fmllr" / "full_test_trans.txt")
        transform = transform.then(own[speaker])
    means = speaker_means(kaldi / "features" / "cmvn_stats.txt")[speaker]
    cepstra = np.load(kaldi / "features" / "mfcc.npz")[name] - means
    true = np.load(kaldi / "all_pdf_loglikes" / f"{stage}.npz")[name]
    scores = found.model.bank.evaluate(transform(cepstra), precision="float64").log_emissions
    # Features that differ by 1e-5 move values of -34,000 by 0.1: likely pdfs are held to 1e-2.
    likely = true > -300
    assert likely.mean() > 0.9
    np.testing.assert_allclose(scores[likely], true[likely], rtol=0, atol=1e-2)
    np.testing.assert_allclose(scores, true, rtol=1e-5, atol=1e-2)


def spliced(**more):
    """Return the files of a small model over spliced frames, three in all or nine."""
    n = more.pop("n_frames", 7)
    matrix = np.random.default_rng(0).normal(size=(5, 13 * n))
    return FILES | {"final.mdl": repeated_model(5), "lda.mat": b"\0B" + array(matrix)} | more


def test_monophones_over_spliced_frames(write, tmp_path):
    model = import_model(write(zipped(spliced())), {"aa": "a a"})
    assert (model.transform.left, model.transform.right, model.models.n_features) == (3, 3, 5)
    assert model.features.deltas == 0
    model.save(tmp_path / "am.safetensors")
    assert AcousticModel.load(tmp_path / "am.safetensors").digest == model.digest
    given = {"phones.txt": PHONE_NAMES, "mfcc.conf": b"--use-energy=false"}
    files = {name: content for name, content in spliced(n_frames=9).items() if "meta" not in name}
    kaldis = import_model(write(zipped(files | given)), {"aa": "a a"})
    assert (kaldis.transform.left, kaldis.transform.right) == (4, 4)  # by default


def test_without_a_speakers_transform_a_model_is_that_for_features_without(write):
    other = repeated_model(5).replace(b"<INV_VARS> [ 1 1", b"<INV_VARS> [ 4 4")
    files = spliced() | {"final.alimdl": other}
    found = ImportedModel.read(write(zipped(files)))
    assert found.model.bank.gaussians.covariances[0, 0] == 1
    assert found.acoustic_model({"aa": "a"}).models.bank.gaussians.covariances[0, 0] == 0.25


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (spliced(n_frames=3), r"lda\.mat: .* needs 91 columns, or one more .* \(5, 39\)"),
        (spliced(**{"final.mdl": repeated_model(4)}), "have 4 .* the transform makes 5"),
        (
            FILES | {"meta.json": META_JSON.replace(b'splices": false', b'splices": true')},
            r"frames are spliced, but there is no transform of them \(lda\.mat or final\.mat\)",
        ),
    ],
)
def test_transforms_that_do_not_fit_are_refused(write, files, message):
    with pytest.raises(IncompatibleModelError, match=message):
        import_model(write(zipped(files)), {"aa": "a a"})


def test_small_models_of_two_versions(write):
    found = import_model(write(mfa_zip()), {"aa": "a a"})
    assert found.models.units == ("sil", "a")
    assert (found.silence.probability, found.silence.edge_probability) == (0.25, 0.75)
    assert (found.features.high_frequency, found.features.frame_shift) == (7800, 0.01)
    assert found.lexicon["<unk>"][0].phones == ("sil",)
    older = ImportedModel.read(write(mfa_zip(yaml=True)))
    # A phone "no" is not false, and one "on" not true.
    assert list(older.phones.values())[15:20] == ["a_B", "a_E", "a_I", "a_S", "no_B"]
    assert older.phones[31] == "\u0301_S"


def test_a_folder_and_a_zip_are_the_same(write, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    words = {"aa": "a a"}
    assert import_model(folder, words).digest == import_model(write(zipped(FILES)), words).digest


def test_phones_that_a_model_lacks_are_all_named_with_counts(write):
    words = {"x": ["a b", "b b c"], "y": "a"}
    with pytest.raises(IncompatibleModelError, match=r"b \(2\), c \(1\); it has a, sil"):
        import_model(write(mfa_zip()), words)


def packed(name, content=b"x", attributes=0):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = attributes << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK", "is no whole zip"),
        (zipped(FILES)[:-40], "is no whole zip"),
        (packed("../final.mdl"), "outside of it"),
        (packed("/final.mdl"), "outside of it"),
        (packed("a\\b"), "outside of it"),
        (packed("final.mdl", b"/etc/passwd", stat.S_IFLNK | 0o777), "is a link"),
        (zipped({"final.mdl": bytes(1 << 23)}), "over 100 times its length"),
        (zipped({"x": b"", **{f"f{n}": b"" for n in range(1000)}}), "more than 1000"),
        (zipped({"final.mdl": b"x"}, zipfile.ZIP_LZMA), "other than deflate"),
        (zipped({}), "has no file"),
        (zipped({"meta.json": META_JSON}), r"no file final\.mdl; it has meta\.json"),
        (zipped(FILES, 0).replace(b"<Triples>", b"<Tuples>"), "is no whole zip"),
        (zipped(FILES | {"final.mdl": b"x"}), r"model\.zip/final\.mdl: byte 0"),
    ],
)
def test_zips_that_could_do_harm_are_refused(write, content, message):
    with pytest.raises(ModelFormatError, match=message):
        ImportedModel.read(write(content))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"use_pitch": false', b'"use_pitch": true', r"pitch \(use_pitch\)"),
        (b'"gmm-hmm"', b'"nnet3"', "'nnet3' is not supported"),
        (b'"snip_edges": true', b'"snip_edges": false', "--snip-edges=false"),
        (b'"mfcc"', b'"plp"', "of type mfcc"),
        (b": 7800", b': "x"', "--high-freq must be a number"),
        (b"{", b"[", "meta.json: is not valid JSON"),
    ],
)
def test_what_is_lacking_is_named(write, old, new, message):
    files = FILES | {"meta.json": META_JSON.replace(old, new, 1)}
    with pytest.raises(IncompatibleModelError, match=message):
        ImportedModel.read(write(zipped(files)))


def test_options_of_features_are_those_of_kaldi():
    found = kaldi_features(parse_options("--num-mel-bins=40 --high-freq=-400\n--use-energy=true"))
    config = found.config
    assert (config.n_filters, config.high_frequency, config.energy) == (40, 7600, "log_energy")
    spliced = kaldi_features({"left-context": "3", "right-context": "3", "norm-vars": "true"})
    assert (spliced.splice, spliced.config.deltas) == ((3, 3), 0)
    assert spliced.normalisation.variance
    for given, message in (
        ({"add-pitch": "true"}, "not supported: add-pitch"),
        ({"window-type": "blackman"}, "--window-type must be one of povey"),
        ({"vtln-warp": "0.9"}, "--vtln-warp=0.9 is not supported"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            kaldi_features(given)
    with pytest.raises(InvalidInputError, match="line 2: 'x' is no option"):
        parse_options("--dither=0\nx")


def test_yaml_remains_text_and_its_bombs_are_refused():
    found = parse_yaml(META_YAML)
    assert found["phones"] == ["a", "on", "no", "\u0301"]
    assert found["version"] == "2.0.0"
    for content, message in (
        (b"a: &a [x]\nb: [*a, *a]", "has an alias"),
        (b"a: [", "is not valid YAML"),
        (b"[" * 5000, "nested|not valid"),
        (b"a: " + b"x" * (1 << 16), "is longer than"),
        (b"? [a]\n: b", "not valid YAML"),
    ):
        with pytest.raises(DocumentError, match=message):
            parse_yaml(content)
    assert parse_yaml(b"!!python/object/apply:os.system ['false']") == ["false"]


def test_tables_of_symbols(write):
    assert read_symbols(write(PHONE_NAMES)) == {"<eps>": 0, "sil": 1, "a": 2, "#0": 3}
    for content, message in ((b"a 1\na 2\n", ":2: .*twice"), (b"a b\n", ":1: .*no name")):
        with pytest.raises(ModelFormatError, match=message):
            read_symbols(write(content))
    with pytest.raises(ModelFormatError, match="has no symbol"):
        read_symbols(write(b""))
