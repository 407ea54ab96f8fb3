"""What a unit may read of a person: names, phone numbers and ID numbers with their middle taken out
(DOMAIN.md §10)."""

import re
import unicodedata
from typing import Final

from app.intake.phones import normal_phone

# People break numbers up with spaces, dashes, dots and brackets, sometimes to get past a filter. Bounded,
# so that no text makes the search slow.
_SEP: Final = "[ \t\u00a0\u3000\u200b-\u200d\ufeff\\-\u2010-\u2015\uff0d_.\u00b7()\uff08\uff09]{0,3}"
_COUNTRY: Final = rf"(?:(?:\+|00)?86{_SEP})"

_ID_NUMBER: Final = (
    rf"(?P<id>[1-9](?:{_SEP}[0-9]){{5}}{_SEP}(?:1{_SEP}[89]|2{_SEP}0)(?:{_SEP}[0-9]){{2}}"
    rf"{_SEP}(?:0{_SEP}[1-9]|1{_SEP}[0-2]){_SEP}(?:0{_SEP}[1-9]|[12]{_SEP}[0-9]|3{_SEP}[01])"
    rf"(?:{_SEP}[0-9]){{3}}{_SEP}[0-9Xx\uff38\uff58])"
)
_MOBILE: Final = rf"(?P<mobile>(?:{_COUNTRY}|0)?1{_SEP}[3-9](?:{_SEP}[0-9]){{9}})"
_LANDLINE: Final = (
    rf"(?P<landline>(?:(?:\+|00)86{_SEP}0?|0)(?P<area>10|2[0-9]|[3-9][0-9]{{2}})"
    rf"{_SEP}(?:[2-9][0-9]{{6,7}}(?![0-9])|[2-9][0-9]{{2,3}}{_SEP}[0-9]{{4}}(?![0-9])|[2-9](?:{_SEP}[0-9]){{6,7}}))"
)
_PERSONAL: Final = re.compile(rf"(?<![0-9])(?:{_ID_NUMBER}|{_MOBILE}|{_LANDLINE})(?![0-9])")
_DIGIT: Final = re.compile(r"\d")


def mask_personal_numbers(text: str) -> str:
    """Free text with mobile numbers as ``138****5678``, landlines with area code as ``025-****5678`` and
    18-digit ID numbers as first and last character only. Full-width digits and separators inside a number
    are understood; the rest is untouched.

    Numbers inside a longer run of digits (order numbers) stay as they are.
    """
    # Every decimal digit of any script becomes its ASCII twin, one for one, so that positions agree with
    # the original.
    plain = text if text.isascii() else _DIGIT.sub(lambda m: str(unicodedata.decimal(m[0])), text)
    pieces: list[str] = []
    end = 0
    for found in _PERSONAL.finditer(plain):
        pieces.append(text[end : found.start()])
        pieces.append(_masked(found))
        end = found.end()
    pieces.append(text[end:])
    return "".join(pieces)


def _masked(found: re.Match[str]) -> str:
    if found["id"]:
        last = found["id"][-1]
        return f"{found['id'][0]}{'*' * 16}{last if last.isdecimal() else 'X'}"
    digits = "".join(c for c in found[0] if c in "0123456789")
    if found["mobile"]:
        return f"{digits[-11:-8]}****{digits[-4:]}"
    return f"0{found['area']}-****{digits[-4:]}"


def mask_name(name: str) -> str:
    """``某某某`` as ``某**``: the first character, at most two asterisks; a lone character is hidden."""
    stripped = name.strip()
    if len(stripped) < 2:
        return "*" * len(stripped)
    return stripped[0] + "*" * min(len(stripped) - 1, 2)


def mask_phone(phone: str) -> str:
    """``138****5678``, ``025-****5678``, else the last four digits; short numbers are hidden."""
    number = normal_phone(phone)
    if number is None:
        return "****"
    masked = mask_personal_numbers(number.partition("转")[0])
    if "*" in masked:
        return masked
    return f"****{number[-4:]}" if len(number) >= 7 else "****"
