"""Spellings that several channels share."""

from types import MappingProxyType
from typing import Annotated, Final

from app.intake.channels.fields import Choice, Code
from app.intake.normalised import Crs, DemandType, Urgency

#: 诉求性质 (GLOSSARY.md); 求决 and 感谢 are used by some cities (DOMAIN.md §6.1)
DEMAND_TYPES: Final = MappingProxyType[str, DemandType](
    {
        "咨询": "inquiry",
        "求助": "help",
        "求决": "help",
        "投诉": "complaint",
        "举报": "accusation",
        "建议": "suggestion",
        "表扬": "praise",
        "感谢": "praise",
        "inquiry": "inquiry",
        "help": "help",
        "complaint": "complaint",
        "accusation": "accusation",
        "suggestion": "suggestion",
        "praise": "praise",
    }
)
URGENCIES: Final = MappingProxyType[str, Urgency](
    {
        "一般": "normal",
        "紧急": "urgent",
        "特急": "critical",
        "normal": "normal",
        "urgent": "urgent",
        "critical": "critical",
    }
)
GENDERS: Final = MappingProxyType(
    {
        "男": "male",
        "女": "female",
        "未知": None,
        "0": None,
        "1": "male",
        "2": "female",
        "male": "male",
        "female": "female",
    }
)
DATUMS: Final = MappingProxyType[str, Crs]({"wgs84": "wgs84", "gcj02": "gcj02", "bd09": "bd09", "cgcs2000": "cgcs2000"})

DemandTypeField = Annotated[DemandType, Choice(DEMAND_TYPES)]
UrgencyField = Annotated[Urgency, Choice(URGENCIES)]
CrsField = Annotated[Crs, Choice(DATUMS)]
#: division code of a district, street or community
AreaCodeField = Annotated[str, Code(12, r"[0-9]{6}(?:[0-9]{3}){0,2}", "为 6、9 或 12 位区划代码")]
#: as the label on a facility has it: the register may not know it yet
ComponentField = Annotated[str, Code(64)]
Sha256Field = Annotated[str, Code(64, r"[0-9A-Fa-f]{64}", "为 64 位十六进制的 SHA-256 摘要")]
