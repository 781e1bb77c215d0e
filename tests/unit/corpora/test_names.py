import pytest

from speakergmm.corpora import (
    Spellings,
    check_speaker_name,
    comparison_key,
    quoted,
    shown,
    unlistable_character,
)
from speakergmm.errors import InvalidInputError


@pytest.mark.parametrize(
    "name", ["ana", "S01", "Ana María", "Ólafur", "李", "a" * 200, "...", "id10001", "<b>&'\""]
)
def test_ordinary_names_pass_unchanged(name):
    assert check_speaker_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (".", "denotes a folder"),
        ("..", "denotes a folder"),
        ("../ana", "contains '/'"),
        ("a\\b", r"contains '\\'"),
        ("a\0b", "contains U+0000"),
        ("a\nb", "contains U+000A"),
        ("a\u200bb", "contains U+200B"),  # zero width: two such names would look the same
        ("a\udcffb", "contains U+DCFF"),
        (" ana", "begins or ends with a space"),
        ("ana ", "begins or ends with a space"),
        (" ", "begins or ends with a space"),
        ("a" * 201, "has 201 characters"),
    ],
)
def test_other_names_are_refused_in_one_line(name, reason):
    with pytest.raises(InvalidInputError) as caught:
        check_speaker_name(name)
    message = str(caught.value)
    assert reason in message
    assert message.isprintable()
    assert len(message) < 250


def test_a_name_must_be_text():
    with pytest.raises(InvalidInputError, match="must be text, not int"):
        check_speaker_name(7)


def test_length_is_counted_after_normalising():
    # 200 letters, each spelled with a combining accent: 400 code points, 200 characters.
    assert len(check_speaker_name("e\u0301" * 200)) == 200


def test_spellings_of_one_name_have_one_key():
    assert comparison_key("STRASSE") == comparison_key("straße")
    assert comparison_key("Zoë") == comparison_key("ZOE\u0308")
    assert comparison_key("ana") != comparison_key("anna")


def test_every_later_row_of_a_clashing_spelling_is_noticed():
    spellings = Spellings()
    assert spellings.take("ana", "line 1") == "ana"
    for line in (2, 3):
        with pytest.raises(InvalidInputError, match=r"speaker 'ANA' differs .* 'ana' \(line 1\)"):
            spellings.take("ANA", f"line {line}")
    assert spellings.take("ana", "line 4") == "ana"
    with pytest.raises(InvalidInputError, match="contains '/'"):
        spellings.take("a/b", "line 5")


@pytest.mark.parametrize("text", ["a\nb", "a\0", "\x7f", "a\u2028b", "\udc80", "\x85"])
def test_unlistable_characters_are_found(text):
    assert unlistable_character(text) is not None


@pytest.mark.parametrize("text", ["a b", "日本\u3000語.wav", "می\u200cرود.wav"])
def test_foreign_file_names_are_listable(text):
    assert unlistable_character(text) is None


def test_messages_show_any_text_on_one_short_line():
    assert shown("dir/list.tsv") == "dir/list.tsv"
    assert shown("dir\n/list.tsv").isprintable()
    assert quoted("x" * 1000) == repr("x" * 80) + "..."


@pytest.mark.parametrize("odd", ["An\u00ada", "\ufeffAna", "A\u2060na"])
def test_invisible_characters_make_no_other_name(odd):
    assert comparison_key(odd) == comparison_key("ana")
