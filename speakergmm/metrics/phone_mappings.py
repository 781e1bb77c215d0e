"""Mappings between phone sets, so that phone error rates of two systems are comparable.

A phone error rate is meaningless without the phone set in which errors are counted: each mapping
has a name, which is part of the results.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from speakergmm.errors import InvalidInputError
from speakergmm.text_files import FaultList, FaultyFileError, read_lines

# Vowels of ARPAbet, which CMUdict marks with a stress digit 0, 1 or 2.
_STRESSED = re.compile("(A[AEHOWXY]|AXR|E[HRY]|I[HXY]|O[WY]|U[HWX])[012]$")

_CMU_39 = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W "
    "Y Z ZH"
)
# Phones of TIMIT that remain, and those that are mapped to others.
_TIMIT_KEPT = (
    "aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh sil t th uh uw "
    "v w y z"
)
_TIMIT_FOLDED = {
    "aa": "ao",
    "ah": "ax ax-h",
    "er": "axr",
    "hh": "hv",
    "ih": "ix",
    "l": "el",
    "m": "em",
    "n": "en nx",
    "ng": "eng",
    "sh": "zh",
    "sil": "bcl cl dcl epi gcl h# kcl pau pcl tcl vcl",
    "uw": "ux",
}


def fold_stress(phone: str) -> str:
    """Remove the stress digit of an ARPAbet vowel.

    Parameters
    ----------
    phone : str

    Returns
    -------
    str
        The vowel without its digit; any other phone as it is.

    Examples
    --------
    >>> fold_stress("AH0"), fold_stress("a1"), fold_stress("T")
    ('AH', 'a1', 'T')
    """
    return phone[:-1] if _STRESSED.match(phone) else phone


@dataclass(frozen=True, slots=True)
class PhoneMapping:
    """A mapping that is applied to phones before they are compared.

    Parameters
    ----------
    name : str
        Name in the results.
    phones : mapping of str to str or None, optional
        The phone to which each phone is mapped; None for a phone that is left out. Other phones are
        refused. Without it, every phone is mapped to itself.
    stress : bool, default=False
        Remove the stress digits of ARPAbet vowels first.

    Examples
    --------
    >>> PHONE_MAPPINGS["stress"].apply(["HH", "AH0", "L", "OW1"])
    ('HH', 'AH', 'L', 'OW')
    >>> PHONE_MAPPINGS["timit-39"].apply(["bcl", "b", "ix", "q"])
    ('sil', 'b', 'ih')
    """

    name: str
    phones: Mapping[str, str | None] | None = field(default=None, repr=False)
    stress: bool = False

    def apply(self, phones: Iterable[str]) -> tuple[str, ...]:
        """Map a sequence of phones.

        Parameters
        ----------
        phones : iterable of str

        Returns
        -------
        tuple of str
            The mapped phones, without those that are left out.

        Raises
        ------
        InvalidInputError
            If phones are not in the mapping; the message names all of them.
        """
        folded = [fold_stress(phone) for phone in phones] if self.stress else list(phones)
        if self.phones is None:
            return tuple(folded)
        unknown = sorted({phone for phone in folded if phone not in self.phones})
        if unknown:
            raise InvalidInputError(
                f"phones that are not in the mapping {self.name}: {' '.join(unknown)}; add them "
                "to it, or compare without a mapping"
            )
        mapped = (self.phones[phone] for phone in folded)
        return tuple(phone for phone in mapped if phone is not None)


def _timit_39() -> dict[str, str | None]:
    phones: dict[str, str | None] = {phone: phone for phone in _TIMIT_KEPT.split()}
    for kept, folded in _TIMIT_FOLDED.items():
        phones |= dict.fromkeys(folded.split(), kept)
    return phones | {"q": None}


PHONE_MAPPINGS: Mapping[str, PhoneMapping] = MappingProxyType(
    {
        "identity": PhoneMapping("identity"),
        "stress": PhoneMapping("stress", stress=True),
        "cmu-39": PhoneMapping(
            "cmu-39",
            MappingProxyType({p: p for p in (*_CMU_39.split(), "SIL")}),
            stress=True,
        ),
        "timit-39": PhoneMapping("timit-39", MappingProxyType(_timit_39())),
    }
)
"""Mappings by name.

``identity`` changes nothing; ``stress`` removes stress digits; ``cmu-39`` removes them and refuses
all but the 39 phones of CMUdict and SIL; ``timit-39`` maps the 61 phones of TIMIT, or the 48 phones
of models, to the 39 in which errors are counted, and leaves out the glottal stop, as in Lee and
Hon, "Speaker-independent phone recognition using hidden Markov models", IEEE Trans. ASSP 37 (1989).
"""


def read_phone_mapping(path: str | os.PathLike[str]) -> PhoneMapping:
    """Read a mapping from a file with two phones per line: a phone, and the one it is mapped to.

    Parameters
    ----------
    path : path
        UTF-8 text; a phone that is alone on its line is left out of comparisons. Phones that are
        not in the file are refused when the mapping is applied.

    Returns
    -------
    PhoneMapping
        Its name is the path of the file.

    Raises
    ------
    FaultyFileError
        With every fault and its line: more than two words on a line, or a phone on two lines.
    """
    faults = FaultList(os.fspath(path))
    phones: dict[str, str | None] = {}
    lines: dict[str, int] = {}
    for line, text in read_lines(path, faults):
        phone, *rest = text.split()
        if len(rest) > 1:
            faults.add(line, f"{len(rest) + 1} words; a line must be a phone and its image")
        elif phone in lines:
            faults.add(line, f"phone {phone!r} is on line {lines[phone]} as well")
        else:
            phones[phone], lines[phone] = (rest[0] if rest else None), line
    if not phones and not faults.faults:
        faults.add(None, "contains no phones; a line must be a phone and its image")
    faults.refuse(FaultyFileError)
    return PhoneMapping(os.fspath(path), MappingProxyType(phones))
