"""The checker of the dispatch catalogue 派单目录; ``check`` is the way in, ``reading`` brings it the masters."""

from app.masters.catalogue.check import ADVICE, SHOWN, TITLES, Finding, FindingKind, Severity, blocking, by_kind
from app.masters.catalogue.rows import CityRows

__all__ = ["ADVICE", "SHOWN", "TITLES", "CityRows", "Finding", "FindingKind", "Severity", "blocking", "by_kind"]
