"""Phone numbers as people and switchboards write them, brought to one spelling."""

import re
import unicodedata
from typing import Final

#: mainland mobile, after separators are gone
_MOBILE: Final = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
#: area code 010, 02x or 03xx–09xx, number
_LANDLINE: Final = re.compile(r"(?:\+?86|0086)?(0(?:10|2[0-9]|[3-9][0-9]{2}))([2-9][0-9]{6,7})")
_OTHER: Final = re.compile(r"\+?[0-9]{3,20}")
_BETWEEN: Final = re.compile(r"[,，;；、/|\n]")
_INSIDE: Final = re.compile(r"[\s\-‐‑–—_.·()]")
_EXTENSION: Final = re.compile(r"(?:-|转|#|ext\.?)\s?([0-9]{1,6})$", re.IGNORECASE)


def normal_phone(text: str) -> str | None:
    """One number in its normal form, or None when it is none (hidden, masked with asterisks, a word).

    A mainland mobile is 11 digits without a country code, a landline its area code and number with ``转``
    before an extension; anything else of 3 to 20 digits keeps its digits and a leading plus.
    """
    if len(text) > 60:
        return None
    folded = unicodedata.normalize("NFKC", text).strip()
    compact = _INSIDE.sub("", folded)
    if mobile := _MOBILE.fullmatch(compact):
        return mobile[1]
    extension = _EXTENSION.search(folded)
    if extension:
        main = _LANDLINE.fullmatch(_INSIDE.sub("", folded[: extension.start()]))
        if main:
            return f"{main[1]}{main[2]}转{extension[1]}"
    if landline := _LANDLINE.fullmatch(compact):
        return f"{landline[1]}{landline[2]}"
    return compact if _OTHER.fullmatch(compact) else None


def normal_phones(text: str) -> tuple[str, ...]:
    """Every number in a field that may hold several ("A、B", "A/B"), in order, each once."""
    found = (normal_phone(part) for part in _BETWEEN.split(text))
    return tuple(dict.fromkeys(number for number in found if number))
