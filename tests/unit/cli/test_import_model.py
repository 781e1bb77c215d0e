"""``speakergmm import``, as people call it."""

from oracles.kaldi_files import META_JSON, PHONE_NAMES, mfa_zip, repeated_model, zipped

from speakergmm.recognition import AcousticModel


def test_a_model_is_imported_and_what_is_wrong_is_told(speakergmm, tmp_path):
    model, words, output = tmp_path / "a.zip", tmp_path / "a.dict", tmp_path / "am.safetensors"
    model.write_bytes(mfa_zip())
    words.write_text("aa\t0.9\t0.5\t1.0\t1.0\ta a\nah\t0.5\t0.5\t1.0\t1.0\ta\n")
    done = speakergmm("import", model, "--lexicon", words, "-o", output, "--json")
    assert (done.code, done.err) == (0, "")
    found = AcousticModel.load(output)
    assert done.json["digest"] == found.digest
    assert done.json["provenance"]["imported_from"] == "Montreal Forced Aligner 3.0.0"
    assert found.lexicon["aa"][0].probability == 0.9
    before = output.read_bytes()
    words.write_text("b\tb\n")
    done = speakergmm("import", model, "--lexicon", words, "-o", output)
    assert done.code == 2
    assert "the model lacks phones of the lexicon" in done.err
    files = {"final.mdl": repeated_model(39), "meta.json": META_JSON, "phones.txt": PHONE_NAMES}
    model.write_bytes(zipped(files | {"lda.mat": b"x"}))
    done = speakergmm("import", model, "--lexicon", words, "-o", output)
    assert done.code == 2
    assert "lda.mat: byte 0" in done.err
    assert output.read_bytes() == before
