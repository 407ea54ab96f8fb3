"""What a channel is: its own message, read into a ``NormalisedReport`` or refused with every fault."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from app.intake.channels.faults import Fault, MalformedMessage, faults_of, path_text, quoted
from app.intake.channels.fields import ReadingContext, zone_of
from app.intake.normalised import Crs, NormalisedReport

#: no channel has nearly as many fields, its vendors' own included
MAX_FIELDS: Final = 300

#: tells whether all the named attributes were read without a fault
Sound = Callable[..., bool]


@dataclass(frozen=True, slots=True)
class ClientTraits:
    """What a client's configuration contributes to reading its messages.

    ``crs``: datum of coordinates that the message does not label; None when nobody has told us, or, with
    ``crs_later``, when the client is not known yet: then a missing datum is no fault for now.
    ``timezone``: offset of times without one; ValueError unless ``Z`` or ``±HH:MM``. ``options``: the
    channel's own tables, see each channel.
    """

    crs: Crs | None = None
    timezone: str = "+08:00"
    options: Mapping[str, Any] = field(default_factory=dict)
    crs_later: bool = False

    def __post_init__(self) -> None:
        zone_of(self.timezone)

    @property
    def zone(self) -> tzinfo:
        """``timezone`` as a fixed zone."""
        return zone_of(self.timezone)

    def option(self, table: str, key: str | None) -> Any:
        """``options[table][key]``, None when either is missing."""
        rows = self.options.get(table)
        return rows.get(key) if key is not None and isinstance(rows, Mapping) else None


class SourceKey(BaseModel):
    """The fields that identify a message at its source; a channel's message model extends its key."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @field_validator("*", mode="after")
    @classmethod
    def _note_sound(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(info.context, ReadingContext) and info.field_name:
            info.context.sound[info.field_name] = value
        return value

    @classmethod
    def canonical_name(cls, name: str) -> str:
        """The field's own spelling of the name that the client wrote."""
        return name

    @abstractmethod
    def source_ref(self) -> str:
        """The source's full key; its parts are joined by ``/``, which none of them may contain."""

    def source_revision(self) -> int:
        """0 for the first message under a key."""
        return 0


class Message(SourceKey):
    """A channel's whole message."""

    #: fields (by alias) whose value a fault may quote: codes, flags, times; never what may lead to a person
    quotable: ClassVar[frozenset[str]] = frozenset()

    def cross_faults(self, sound: Sound, traits: ClientTraits) -> Iterator[Fault]:
        """Faults between fields. Attributes may be read only after ``sound("a", "b")`` said so."""
        yield from ()

    @abstractmethod
    def normalised(self, traits: ClientTraits) -> NormalisedReport:
        """The report; called only when nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One way in. ``supplements``: a changed body under the same key may be a supplement to it."""

    code: str
    name_zh: str
    description: str
    message_model: type[Message]
    key_model: type[SourceKey]
    supplements: bool = False

    def json_schema(self) -> dict[str, Any]:
        """JSON schema (2020-12) of the message, with descriptions in Chinese and examples."""
        schema = self.message_model.model_json_schema(by_alias=True, mode="validation")
        return {**schema, "title": f"{self.name_zh} {self.code}", "description": self.description}

    def source_key(self, raw: Mapping[str, Any]) -> tuple[str, int] | None:
        """``(source_ref, revision)`` however wrong the rest is; None when the key cannot be read."""
        try:
            canonical, _, faults = _canonical(raw, self.key_model)
            key = self.key_model.model_validate(canonical)
        except (MalformedMessage, ValidationError):
            return None
        own = {field.alias or name for name, field in self.key_model.model_fields.items()}
        clash = any(self.key_model.canonical_name(fault.field) in own for fault in faults)
        return None if clash else (key.source_ref(), key.source_revision())

    def parse(self, raw: Mapping[str, Any], traits: ClientTraits, *, now: datetime | None = None) -> NormalisedReport:
        """Read one message. ``now``: aware, our clock by default. Raises only MalformedMessage."""
        model = self.message_model
        canonical, written, faults = _canonical(raw, model)
        context = ReadingContext(now or datetime.now(UTC), traits.zone)
        aliases = {name: field.alias or name for name, field in model.model_fields.items()}
        failed: set[str] = set()
        try:
            message = model.model_validate(canonical, context=context)
        except ValidationError as error:
            faults.extend(faults_of(error, model, written, model.quotable))
            wrong_tops = {detail["loc"][:1] for detail in error.errors(include_url=False)}
            failed = {name for name, alias in aliases.items() if not wrong_tops.isdisjoint({(alias,), ()})}
            # What could be read, so that the checks between fields still run on it; never leaves this
            # function.
            readable = {aliases[name]: value for name, value in context.sound.items() if name not in failed}
            message = model.model_construct(**readable)

        def sound(*names: str) -> bool:
            return failed.isdisjoint(names)

        for fault in message.cross_faults(sound, traits):
            faults.append(Fault(path_text((fault.field,), written), fault.code, fault.message, fault.got))
        if faults:
            raise MalformedMessage(faults)
        return message.normalised(traits)


def _canonical(raw: object, model: type[SourceKey]) -> tuple[dict[str, Any], dict[str, str], list[Fault]]:
    """The message by the fields' own names, how each was written, and names written twice.

    An empty string and null mean "not given": exporting systems fill every column of a row.
    """
    if not isinstance(raw, Mapping):
        raise MalformedMessage([Fault("", "not_an_object", "报文应为一个 JSON 对象。", quoted(raw))])
    if len(raw) > MAX_FIELDS:
        raise MalformedMessage([Fault("", "too_many_fields", f"字段超过 {MAX_FIELDS} 个，请只发送接口说明中的字段。")])
    canonical: dict[str, Any] = {}
    written: dict[str, str] = {}
    faults: list[Fault] = []
    for name, value in raw.items():
        if not isinstance(name, str) or value is None or (isinstance(value, str) and not value.strip()):
            continue
        # Pydantic gives up on the whole message over one key that UTF-8 cannot encode.
        name = name if name.isascii() else name.encode(errors="replace").decode()
        own = model.canonical_name(name)
        if own in canonical and isinstance(value, str) and canonical[own] == value:
            continue
        if own in canonical:
            told = f"与 {path_text((written[own],), {})} 是同一字段，但两处的值不同，请只保留一处。"
            faults.append(Fault(path_text((name,), {}), "ambiguous_field", told))
            continue
        canonical[own] = value
        written[own] = name
    return canonical, written, faults
