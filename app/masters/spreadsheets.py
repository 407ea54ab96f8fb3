"""What spreadsheets do to texts, in both directions: what they would run or rewrite, and how they save Chinese.

A cell that begins as a formula is run when the file is opened; a number that begins with 0 loses it, one of twelve
digits and more becomes 3.2E+11, 12E3 becomes 12000, 1.10 becomes 1.1, 2-3 the third of February, and true TRUE. Such
a text is written behind an apostrophe, which reading takes away again. A whole number of fewer digits stays what it
is and is written as it is. Pure.
"""

import re
from typing import Final
from unicodedata import normalize

_APOSTROPHE: Final = "'"
_RUN: Final = r"[=+\-@\t\r]"
#: numbers, dates, times, shares and truth values
_READ: Final = (
    r"[.(]?\d[\d.,:/%年月日时分秒 -]*(?:[ap]m?|\))?",
    r"\.?\d+(?:\.\d*)?e[+-]?\d+",
    r"(?:\d+[ -/]*)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ./-]*\d*",
    r"true|false",
)
_PLAIN: Final = re.compile(r"0|[1-9][0-9]{0,10}")
_SPOILT: Final = re.compile(rf"{_RUN}|(?:{'|'.join(_READ)})\s*\Z", re.IGNORECASE)
_REWRITTEN: Final = re.compile(r"\d(?:\.\d+)?E\+\d{2,3}")


class NotText(ValueError):
    """The bytes are neither UTF-8 nor GB 18030. ``line``: the first that cannot be read, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


def shield(text: str) -> str:
    """A text as a cell that no spreadsheet runs or rewrites; ``unshield`` gives it back."""
    return _APOSTROPHE + text if _spoilt(text) and not _PLAIN.fullmatch(text) else text


def unshield(cell: str) -> str:
    """The text of a cell that ``shield`` or a person wrote."""
    return cell[1:] if cell.startswith(_APOSTROPHE) and _spoilt(cell[1:]) else cell


def _spoilt(text: str) -> bool:
    """Also behind apostrophes of its own: else one of them would be taken for ours.

    In full-width letters as well: a Chinese spreadsheet takes them for the same.
    """
    return _SPOILT.match(normalize("NFKC", text.lstrip(_APOSTROPHE)).lstrip()) is not None


def rewritten(cell: str) -> bool:
    """Whether a spreadsheet has made 3.20102E+14 of a long number, whose digits are lost. Of a cell as it stands: a
    text that is written so stands behind an apostrophe."""
    return _REWRITTEN.fullmatch(cell.strip()) is not None


def decode(content: bytes) -> str:
    """A file's text: UTF-8 with or without its mark, else GB 18030, as Excel and WPS in China save CSV.

    Raises NotText. Nearly any bytes read as GB 18030, so a UTF-8 file with a broken place is not taken for one.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
    read = content.decode("utf-8-sig", errors="replace")
    broken = read.count("\ufffd")
    whole = sum(letter > "\x7f" for letter in read) - broken
    if whole > broken:
        raise NotText(line)
    try:
        return content.decode("gb18030")
    except UnicodeDecodeError as error:
        raise NotText(content[: error.start].count(b"\n") + 1) from None
