"""Vocabulary of the artificial language, with the pronunciation of each word."""

from typing import Final

_PRONUNCIATIONS: Final = """
r i k ae | sh ai h e | x ax s er l | d au j ax f
v u m ai | z i t er z | r e x a n e | l o p au
p ai h a v | f a t u s | w e w o ng | d u d ax
g i sh | x ai m | n ae z | j ae k er
w au b | r ax t au p | l er g | v e v o
g ai j i p | k u m ae s | w ai sh | n a h ax
d o b | l e r au j u | h ai f er x | f ae ng
t i k a s | s er f ax z | h u n o d au | sh u sh ax
p e p i g | k o r ae m au | x ae v e n | t i t a
w o k ax | sh ai b ae | m au z i | w u f a l er n
z er g u ng | j ai h o r ax b | j i x | v e p er ng
s ae l u x ae | r au m | b i k ai v | f a z
t ae m ax | l o x au n | s ai g | d au k er
r er h a z | sh e w e v ae ng | t e p ax n | d o l a
s ae m a | b ai j i | k o w u f | h er g u t
sh au f u ng | sh ax p | f er h ax m o g | d i v
z u z ai | l a ng | w au f ai s o r | l i ng
j er x a r | w au w e x | n ae k e d | h i t o
g ai s au ng | p ax d ax b er m | v a ng | k u s au p
r ai r ae | h i v ax | z e s e sh | m ax j au
l ai m er | w e n ae | n er x | x i sh ai b u
"""

LEXICON: Final[dict[str, tuple[str, ...]]] = {
    word.replace(" ", ""): tuple(word.split())
    for word in _PRONUNCIATIONS.replace("\n", " | ").split(" | ")
    if word.strip(" |")
}
"""Phones of each word, in a fixed order on which the corpus depends."""

ENROLMENT_WORDS: Final = tuple(LEXICON)[0::2]
"""Words of enrolment recordings."""

TRIAL_WORDS: Final = tuple(LEXICON)[1::2]
"""Words of trial recordings; none of them is an enrolment word."""
