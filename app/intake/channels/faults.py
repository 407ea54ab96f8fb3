"""What is wrong with a channel's message, told field by field in sentences a person can act on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, LiteralString

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from app.core.errors import Malformed

#: characters of ``Fault.got`` and of ``Fault.field``
GOT_CHARS: Final = 60
PATH_CHARS: Final = 100
#: a hostile message may be wrong in thousands of places; nobody reads more than this
MAX_FAULTS: Final = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. ``field`` is the path as the client wrote it (``pictures[0].data``), empty for the
    message itself.

    ``code`` is stable and for machines, ``message`` is a Chinese sentence. ``got`` quotes at most 60
    characters of the value, and is None for every field that may hold personal data.
    """

    field: str
    code: str
    message: str
    got: str | None = None


class MalformedMessage(Exception):
    """The message cannot become a report; ``faults`` holds everything found, 1 to 100."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults[:MAX_FAULTS]
        super().__init__("；".join(f"{fault.field or '报文'}: {fault.code}" for fault in self.faults[:5]))

    def as_error(self) -> Malformed:
        """The answer to the client, with every fault by the channel's own field names."""
        faults = [{"path": one.field, "code": one.code, "message": one.message, "got": one.got} for one in self.faults]
        return Malformed(f"上报内容有 {len(faults)} 处错误，请逐项改正后重发。", faults=faults)


def wrong(code: LiteralString, message: str) -> PydanticCustomError:
    """The error that a field's reader raises; ``message`` is Chinese, without the field's name."""
    return PydanticCustomError(code, "{message}", {"message": message})


def quoted(value: object) -> str:
    """A repr of at most 60 printable characters, safe for any JSON value however deep or huge."""
    match value:
        case str():
            text = repr(value[:GOT_CHARS])
        case bool() | None | float():
            text = repr(value)
        case int():
            # Python refuses to print integers of more than 4300 digits.
            text = repr(value) if value.bit_length() < 190 else "超长整数"
        case list() | tuple():
            text = f"数组（{len(value)} 项）"
        case Mapping():
            text = f"对象（{len(value)} 个字段）"
        case _:
            text = type(value).__name__
    return text if len(text) <= GOT_CHARS else text[: GOT_CHARS - 1] + "…"


def path_text(loc: tuple[int | str, ...], written: Mapping[str, str]) -> str:
    """``("pictures", 0, "data")`` as ``pictures[0].data``; ``written``: field to the client's spelling."""
    path = ""
    for depth, step in enumerate(loc):
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = written.get(step, step) if depth == 0 else step
            path += f".{name}" if path else name
        if len(path) > PATH_CHARS:
            break
    # Names of unknown fields come from outside: no controls or surrogates may reach a log or an answer.
    return "".join(c if c.isprintable() else "�" for c in path[:PATH_CHARS])


def faults_of(
    error: ValidationError,
    model: type[BaseModel],
    written: Mapping[str, str],
    quotable: frozenset[str],
) -> Iterator[Fault]:
    """Pydantic's errors as faults. ``quotable``: the fields (by alias) whose value may stand in ``got``."""
    titles = {field.alias or name: field.title or name for name, field in model.model_fields.items()}
    details = error.errors(include_url=False)
    for detail in details[:MAX_FAULTS]:
        loc = detail["loc"]
        top = str(loc[0]) if loc else ""
        code, sentence = _told(detail, titles)
        title = titles.get(top)
        quotes = code not in ("missing", "unknown_field") and len(loc) == 1 and top in quotable
        yield Fault(
            field=path_text(loc, written),
            code=code,
            message=f"{title}：{sentence}" if title else sentence,
            got=quoted(detail["input"]) if quotes else None,
        )


def _told(detail: ErrorDetails, titles: Mapping[str, str]) -> tuple[str, str]:
    """Our code and sentence for one of pydantic's error types; the readers' own errors carry theirs."""
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        # First, because some of our codes are pydantic's too.
        case code if "message" in context:
            return code, str(context["message"])
        case "missing":
            return "missing", "必填，不能缺少或为空。"
        case "extra_forbidden":
            name = str(detail["loc"][-1])[:PATH_CHARS]
            near = get_close_matches(name, titles, n=1, cutoff=0.6) if len(detail["loc"]) == 1 else []
            return "unknown_field", f"没有这个字段{f'，是否应为 {near[0]}' if near else ''}，请核对字段名。"
        case "list_type":
            return "wrong_type", "应为数组。"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "wrong_type", "应为对象。"
        case "too_short":
            return "too_few", f"至少 {context.get('min_length')} 项。"
        case "too_long":
            return "too_many", f"最多 {context.get('max_length')} 项。"
        case _:
            return "invalid", "取值不符合要求，请对照通道的字段说明。"
