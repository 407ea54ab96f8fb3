"""Channel ``snapshot`` 随手拍: a resident's picture report from a phone (DOMAIN.md §6.1).

The form is ours, so an unknown field is a fault: a misspelt ``lon`` would silently lose the place.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Self

import filetype
from filetype.types.image import Jpeg, Png, Webp
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from app.intake.channels.channel import Channel, ClientTraits, Message, Sound, SourceKey
from app.intake.channels.faults import Fault, wrong
from app.intake.channels.fields import (
    CLOCK_SKEW,
    Code,
    Degrees,
    FieldKind,
    Moment,
    Number,
    Phones,
    ReadingContext,
    Text,
    YesNo,
    pair_fault,
)
from app.intake.channels.vocabulary import ComponentField, CrsField, DemandTypeField, Sha256Field
from app.intake.normalised import NormalisedReport, Picture, PointClaim, Reporter

CODE: Final = "snapshot"
#: decoded bytes of one picture
PICTURE_BYTES: Final = 5 * 1024 * 1024
MAX_PICTURES: Final = 9
MAX_LEVELS: Final = 5

_DATA_URL: Final = re.compile(r"data:image/[a-z]{1,10};base64,")
_PICTURE_KINDS: Final = (Jpeg(), Png(), Webp())

Identity = Annotated[str, Code(64, r"[0-9A-Za-z._:@\-]+", "由字母、数字和 . _ : @ - 组成", identity=True)]
Flag = Annotated[bool, YesNo()]

_EXAMPLES: Final[list[JsonValue]] = [
    {
        "user_id": "u-000001",
        "request_id": "20260901-0001",
        "category": "市容环境/暴露垃圾",
        "description": "人行道上堆放了建筑垃圾，占了一半路面。",
        "pictures": [{"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}],
        "submitted_at": "2026-09-01T08:30:00+08:00",
        "lon": 118.802061,
        "lat": 32.058179,
        "crs": "gcj02",
        "accuracy_m": 20,
        "address": "某路 18 号门前",
        "phone": "13900000000",
    }
]


@dataclass(frozen=True)
class PictureData(FieldKind):
    """Base64 of a JPEG, PNG or WebP of at most 5 MB, told by its bytes; a data-URL head is skipped."""

    def read(self, value: Any, context: ReadingContext) -> bytes:
        if not isinstance(value, str):
            raise wrong("wrong_type", "应为 Base64 字符串。")
        # Judged before decoding: 4 characters carry 3 bytes; the rest is room for line breaks and the head.
        if len(value) > PICTURE_BYTES * 4 // 3 + PICTURE_BYTES // 16:
            raise wrong("picture_too_large", "单张图片解码后不能超过 5 MB，请压缩后重发。")
        text = value.strip()
        if head := _DATA_URL.match(text):
            text = text[head.end() :]
        try:
            data = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
        except (binascii.Error, ValueError):
            raise wrong("bad_base64", "不是有效的 Base64 数据。") from None
        if len(data) > PICTURE_BYTES:
            raise wrong("picture_too_large", "单张图片解码后不能超过 5 MB，请压缩后重发。")
        if filetype.match(data, _PICTURE_KINDS) is None:
            raise wrong("not_a_picture", "不是 JPEG、PNG 或 WebP 图片。")
        return data

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64"}


@dataclass(frozen=True)
class ClassPath(FieldKind):
    """Class names from widest to narrowest, a list or joined by ``/``; at most 5 of 60 characters."""

    def read(self, value: Any, context: ReadingContext) -> tuple[str, ...]:
        if isinstance(value, str) and len(value) <= 400:
            value = [name for name in value.split("/") if name.strip()]
        if not isinstance(value, list) or not value:
            raise wrong("wrong_type", "应为分类名称的数组，或以 / 分隔的文字。")
        if len(value) > MAX_LEVELS:
            raise wrong("too_many", f"最多 {MAX_LEVELS} 级。")
        return tuple(Text(60).read(name, context) for name in value)

    def schema(self) -> dict[str, Any]:
        name = {"type": "string", "maxLength": 60}
        return {
            "anyOf": [
                {"type": "array", "items": name, "maxItems": MAX_LEVELS},
                {"type": "string", "maxLength": 400},
            ]
        }


class SnapshotPicture(BaseModel):
    """One picture: uploaded before and named by its digest, or carried along."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sha256: Sha256Field | None = Field(None, title="摘要", description="已上传图片的 SHA-256")
    data: Annotated[bytes, PictureData()] | None = Field(
        None, title="图片数据", description="Base64 编码的 JPEG、PNG 或 WebP，解码后不超过 5 MB"
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.sha256 is None) == (self.data is None):
            raise wrong("exactly_one", "sha256 与 data 须填且只填一项。")
        return self

    def picture(self) -> Picture:
        """The picture named by its digest."""
        if self.data is not None:
            return Picture(sha256(self.data).hexdigest(), self.data)
        return Picture((self.sha256 or "").lower())


class SnapshotKey(SourceKey):
    """User and request: the phone numbers its own requests."""

    user_id: Identity = Field(title="用户标识", description="应用内的用户标识，不得使用手机号等可识别个人的号码")
    request_id: Identity = Field(title="请求标识", description="同一用户内唯一，重发时不变")

    def source_ref(self) -> str:
        return f"{self.user_id}/{self.request_id}"


class SnapshotMessage(SnapshotKey, Message):
    """The form that the app sends."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": _EXAMPLES})
    quotable: ClassVar[frozenset[str]] = frozenset(
        ("request_id", "category", "taken_at", "submitted_at", "crs", "accuracy_m", "demand_type", "component_id")
    )

    category: Annotated[tuple[str, ...], ClassPath()] = Field(
        (), title="分类", description="由大到小的分类名称，数组或以 / 分隔"
    )
    description: Annotated[str, Text(2000, lines=True)] = Field(title="描述", description="问题描述，不超过 2000 字")
    pictures: Annotated[list[SnapshotPicture], Field(min_length=1, max_length=MAX_PICTURES)] = Field(
        title="图片", description="1 至 9 张"
    )
    taken_at: Annotated[datetime, Moment()] | None = Field(None, title="拍摄时间", description="拍摄时间")
    submitted_at: Annotated[datetime, Moment()] = Field(title="提交时间", description="用户提交的时间")
    lon: Annotated[float, Degrees()] | None = Field(None, title="经度", description="度")
    lat: Annotated[float, Degrees()] | None = Field(None, title="纬度", description="度")
    crs: CrsField | None = Field(
        None, title="坐标系", description="有经纬度时必填。微信 getLocation 默认 wgs84，选点为 gcj02"
    )
    accuracy_m: Annotated[float, Number(0, 100_000)] | None = Field(None, title="定位精度", description="米")
    address: Annotated[str, Text(300)] | None = Field(
        None, title="地址", description="问题所在地址；地址、经纬度、部件标识码至少填一项"
    )
    component_id: ComponentField | None = Field(
        None, title="部件标识码", description="扫描设施上的二维码或编号所得的部件标识码"
    )
    reporter_name: Annotated[str, Text(60)] | None = Field(None, title="上报人姓名", description="可不填")
    phone: Annotated[tuple[str, ...], Phones()] = Field((), title="联系电话", description="可不填")
    anonymous: Flag = Field(False, title="是否匿名", description="姓名不予保留，其余身份按保密处理")
    demand_type: DemandTypeField = Field("complaint", title="诉求性质", description="默认为投诉")

    def cross_faults(self, sound: Sound, traits: ClientTraits) -> Iterator[Fault]:
        if sound("lon", "lat"):
            if fault := pair_fault(self.lon, self.lat, "lon", "lat"):
                yield fault
            if sound("crs") and self.lon is not None and self.lat is not None and self.crs is None:
                yield Fault("crs", "missing", "坐标系：有经纬度时必填，应为 wgs84、gcj02、bd09 或 cgcs2000。")
            placed = self.address is not None or self.component_id is not None
            if sound("address", "component_id") and self.lon is None and self.lat is None and not placed:
                yield Fault("address", "no_place", "经纬度、地址、部件标识码至少填一项，以便找到问题所在地。")
        if (
            sound("taken_at", "submitted_at")
            and self.taken_at is not None
            and self.taken_at > self.submitted_at + CLOCK_SKEW
        ):
            yield Fault("taken_at", "contradiction", "拍摄时间晚于提交时间，请检查手机时钟。")

    def normalised(self, traits: ClientTraits) -> NormalisedReport:
        points: tuple[PointClaim, ...] = ()
        if self.lon is not None and self.lat is not None:
            points = (PointClaim(self.lon, self.lat, self.crs, "device"),)
        pictures = {picture.sha256: picture for picture in (sent.picture() for sent in self.pictures)}
        return NormalisedReport(
            channel=CODE,
            source_ref=self.source_ref(),
            revision=0,
            kind="demand",
            demand_type=self.demand_type,
            content=self.description,
            # The moment we were told, as a call's time is for the other channels; the picture may be older.
            occurred_at=self.submitted_at,
            item_hint=self.category,
            addresses=(self.address,) if self.address else (),
            component_id=self.component_id,
            points=points,
            reporter=Reporter(
                name=None if self.anonymous else self.reporter_name,
                phones=self.phone,
                external_id=self.user_id,
            ),
            confidential=self.anonymous,
            pictures=tuple(pictures.values()),
        )


SNAPSHOT: Final = Channel(
    code=CODE,
    name_zh="随手拍",
    description="市民用手机拍照上报的问题。",
    message_model=SnapshotMessage,
    key_model=SnapshotKey,
)
