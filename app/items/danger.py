"""Danger to life is caught by rules before anything is scored (DESIGN.md §5), and urgency is graded.

The table stands in ``danger_rules``. A hit is taken back only by words (``danger_context``) that clearly
say that nothing is happening here and now: denied, imagined, practised, over, long past. In doubt it stands,
because a needless handover costs a call and a missed one a life.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.items import danger_context as context
from app.items.danger_rules import RULES, DangerRule, Handover
from app.items.ngrams import MAX_CHARS
from app.items.rows import ItemRow

Urgency = Literal["normal", "urgent", "critical"]

_ORDER: dict[Urgency, int] = {"normal": 0, "urgent": 1, "critical": 2}
_URGENCY_NAMES: dict[Urgency, str] = {"normal": "一般", "urgent": "紧急", "critical": "特急"}


@dataclass(frozen=True, slots=True)
class Danger:
    """One recognised danger to life."""

    #: name of the rule in the table, Chinese
    rule: str
    #: words of the text that raised it, in reading order
    words: tuple[str, ...]
    #: service that must be told first: 110 police, 119 fire and rescue, 120 ambulance
    handover: Handover


class UrgencyGrade(NamedTuple):
    """A grade and why, in one Chinese sentence."""

    urgency: Urgency
    reason: str


class _CompiledRule(NamedTuple):
    rule: DangerRule
    pattern: re.Pattern[str]
    except_for: re.Pattern[str] | None
    unless: re.Pattern[str] | None


def _any_of(parts: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(parts)) if parts else None


_RULES = tuple(
    _CompiledRule(rule, re.compile("|".join(rule.patterns)), _any_of(rule.except_for), _any_of(rule.unless))
    for rule in RULES
)
_DENIED_BEFORE = re.compile(context.DENIED_BEFORE)
_IMAGINED_BEFORE = re.compile(context.IMAGINED_BEFORE)
_FEARED_INSIDE = re.compile(context.FEARED_INSIDE)
_TOPIC_AFTER = re.compile(context.TOPIC_AFTER)
_UNREAL = re.compile(context.UNREAL)
_REAL = re.compile(context.REAL)
_OVER = re.compile(context.OVER)
_NOT_OVER = re.compile(context.NOT_OVER)
_PAST = re.compile(context.PAST)
_REPEATED = re.compile(context.REPEATED)
_NOW = re.compile(context.NOW)
_CLAUSE_END = re.compile(r"[,。!?;:\n]")
_SENTENCE_END = re.compile(r"[。!?\n]")
#: Texts typed on a phone: a dot ends a sentence, spaces and quotes inside a word mean nothing.
_PUNCTUATION = str.maketrans({"、": ",", ".": "。", "\r": "\n", **dict.fromkeys(" \t“”")})

#: Not danger to life yet, but nobody may wait for office hours.
_URGENT_WORDS = re.compile(
    r"井盖[^,。]{0,8}(?:丢失|缺失|不见|没了|被偷|翻|移位|掉)|没有?井盖|"
    r"(?:路面|道路|地面|马路)[^,。]{0,6}(?:塌陷|塌了|坍塌|塌方|下沉|空洞)|"
    r"(?:水管|自来水管|管道|管网)[^,。]{0,6}(?:爆裂|爆了|爆管|破裂|喷水)|爆管|水淹|内涝|倒灌|"
    r"(?:树|树木|电线杆|灯杆|广告牌|围墙|围挡|脚手架|塔吊)[^,。]{0,8}"
    r"(?:倒了|倒伏|倒下|摇摇欲坠|快要?倒|要倒|快掉|要掉|倾倒)|"
    r"(?:电线|电缆|线缆|高压线)[^,。]{0,8}(?:脱落|断了|掉|垂|裸露)|"
    r"(?:瓷砖|墙皮|外墙|玻璃幕墙|外立面)[^,。]{0,8}(?:脱落|掉落|坠落|往下掉)|高空抛物|"
    r"占用?[^,。]{0,6}消防通道|消防通道[^,。]{0,8}[堵占]|"
    r"全[小区楼村]{1,2}[^,。]{0,4}停[水电气]|停[水电气暖][^,。]{0,12}(?:老人|孕妇|病人|婴儿|呼吸机)|"
    r"走失|失踪|群体性|堵路|疑似[^,。]{0,4}(?:疫情|传染)|危在旦夕|十万火急|万分紧急|非常紧急|特急"
)


def danger_to_life(text: str) -> Danger | None:
    """The first rule of the table that finds a danger here and now in the first 2,000 characters, or None."""
    plain = _plain(text)
    for compiled in _RULES:
        words = tuple(
            dict.fromkeys(
                match.group() for match in compiled.pattern.finditer(plain) if _stands(compiled, plain, match)
            )
        )
        if words:
            return Danger(compiled.rule.name, words, compiled.rule.handover)
    return None


def urgency_of(
    text: str, item: ItemRow | None = None, hint: Urgency = "normal", *, urgent_limit: bool = False
) -> UrgencyGrade:
    """Grade a report: danger to life is critical; an ``urgent_limit`` or a pressing word makes it urgent.

    ``urgent_limit``: the item's default filing row counts in urgent hours. ``hint``: the source's
    own grade, which is never lowered.
    """
    return graded(text, danger_to_life(text), item, hint, urgent_limit=urgent_limit)


def graded(
    text: str, danger: Danger | None, item: ItemRow | None, hint: Urgency, *, urgent_limit: bool
) -> UrgencyGrade:
    """``urgency_of`` a text whose danger to life is known already: looking for it is most of the work."""
    if danger is not None:
        words = "、".join(danger.words)
        return UrgencyGrade("critical", f"文中“{words}”属于{danger.rule}，危及生命，应先转 {danger.handover}")
    grade = UrgencyGrade("normal", "未见紧急情形")
    if found := _first_real(_URGENT_WORDS, _plain(text)):
        grade = UrgencyGrade("urgent", f"文中“{found}”属于不能等待上班时间的情形")
    elif urgent_limit:
        name = f"“{item.name}”" if item is not None else "该事项"
        grade = UrgencyGrade("urgent", f"{name}的默认立案标准按紧急工作时计")
    if _ORDER[hint] > _ORDER[grade.urgency]:
        grade = UrgencyGrade(hint, f"来源渠道标注为{_URGENCY_NAMES[hint]}")
    return grade


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower().translate(_PUNCTUATION)


def _around(plain: str, match: re.Match[str], ends: re.Pattern[str]) -> tuple[int, int]:
    """Start and end of the clause or sentence that holds a match."""
    start = max((end.end() for end in ends.finditer(plain, 0, match.start())), default=0)
    stop = ends.search(plain, match.end())
    return start, stop.start() if stop else len(plain)


def _stands(compiled: _CompiledRule, plain: str, match: re.Match[str]) -> bool:
    """Whether nothing around a hit takes it back."""
    clause_start, clause_end = _around(plain, match, _CLAUSE_END)
    sentence_start, sentence_end = _around(plain, match, _SENTENCE_END)
    sentence = plain[sentence_start:sentence_end]
    before = plain[clause_start : match.start()]
    if compiled.except_for and any(
        found.start() < match.end() and match.start() < found.end()
        for found in compiled.except_for.finditer(plain, sentence_start, sentence_end)
    ):
        return False
    if _FEARED_INSIDE.search(match.group()):
        return False
    if compiled.unless and compiled.unless.search(plain, clause_start, clause_end):
        return False
    if _DENIED_BEFORE.search(before) or _TOPIC_AFTER.search(plain, match.end(), clause_end):
        return False
    if _IMAGINED_BEFORE.search(before) and not _NOW.search(before):
        return False
    if _UNREAL.search(sentence) and not _REAL.search(sentence):
        return False
    if _is_over(plain, sentence_start, match):
        return False
    if compiled.rule.lingers or _NOW.search(plain, sentence_start):
        return True
    return not (_PAST.search(sentence) or _REPEATED.search(sentence))


def _is_over(plain: str, sentence_start: int, match: re.Match[str]) -> bool:
    """Whether words after a hit say that it has ended, or words before it that nothing since takes back."""
    if _OVER.search(plain, match.end()) and not _NOT_OVER.search(plain, match.end()):
        return True
    ended = _OVER.search(plain, sentence_start, match.start())
    return ended is not None and not (_NOW.search(plain, ended.end()) or _NOT_OVER.search(plain, ended.end()))


def _first_real(pattern: re.Pattern[str], plain: str) -> str | None:
    """The first hit that is neither denied nor over."""
    for match in pattern.finditer(plain):
        start, _ = _around(plain, match, _CLAUSE_END)
        if not _DENIED_BEFORE.search(plain[start : match.start()]) and not _is_over(plain, start, match):
            return match.group()
    return None
