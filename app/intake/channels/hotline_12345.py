"""Channel ``hotline-12345``: the work order of the citizens' hotline (DOMAIN.md §5 and §6.1)."""

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, JsonValue

from app.intake.channels.channel import Channel, ClientTraits, Message, Sound, SourceKey
from app.intake.channels.faults import Fault
from app.intake.channels.fields import Choice, Code, Degrees, Moment, Number, Phones, Text, YesNo, pair_fault
from app.intake.channels.vocabulary import (
    GENDERS,
    AreaCodeField,
    ComponentField,
    CrsField,
    DemandTypeField,
    Sha256Field,
    UrgencyField,
)
from app.intake.normalised import NormalisedReport, Picture, PointClaim, Reporter

CODE: Final = "hotline-12345"

Treatment = Literal["emergency_transfer", "statutory_route", "explanation_only", "disruption"]
_TREATMENTS: Final = MappingProxyType[str, Treatment](
    {
        "紧急转接": "emergency_transfer",
        "法定途径": "statutory_route",
        "解释说明": "explanation_only",
        "扰乱秩序": "disruption",
        "emergency_transfer": "emergency_transfer",
        "statutory_route": "statutory_route",
        "explanation_only": "explanation_only",
        "disruption": "disruption",
    }
)

OrderNumber = Annotated[str, Code(64, r"[^\s/\x00-\x1f\x7f]+", "为不含空格和斜杠的编号", identity=True)]
Name = Annotated[str, Text(60)]
ClassName = Annotated[str, Text(60)]
Flag = Annotated[bool, YesNo()]

_EXAMPLES: Final[list[JsonValue]] = [
    {
        "orderNum": "GD20260901000123",
        "callTime": "2026-09-01 08:30:00",
        "callerSex": "女",
        "callerPhone": "13900000000",
        "orderType": "投诉",
        "title": "小区门口垃圾未清运",
        "content": "小区北门外垃圾堆放三天无人清运，气味很大，希望尽快处理。",
        "class1": "城市管理",
        "class2": "市容环卫",
        "class3": "垃圾清运",
        "address": "某路 18 号小区北门",
        "areaCode": "320102",
        "lon": 118.802061,
        "lat": 32.058179,
        "crs": "gcj02",
        "confidential": "否",
        "replyRequired": "是",
        "urgency": "一般",
    },
    {
        "orderNum": "GD20260901000124",
        "callTime": "2026-09-01T08:32:10+08:00",
        "orderType": "咨询",
        "content": "咨询居住证办理需要哪些材料。",
        "answeredDirectly": True,
        "answerText": "已告知所需材料和办理窗口。",
    },
]


class HotlineKey(SourceKey):
    """工单编号 and revision."""

    order_num: OrderNumber = Field(alias="orderNum", title="工单编号", description="热线平台的工单编号，终身不变")
    revision: Annotated[int, Number(0, 1_000_000, whole=True)] = Field(
        0, alias="revision", title="修订号", description="同一工单内容变更后重发时递增，首次为 0"
    )

    def source_ref(self) -> str:
        return self.order_num

    def source_revision(self) -> int:
        return self.revision


class HotlineMessage(HotlineKey, Message):
    """The work order as the platform pushes it. Unknown fields are ignored: every vendor adds some."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES})
    # fmt: off
    quotable: ClassVar[frozenset[str]] = frozenset((
        "orderNum", "revision", "callTime", "orderType", "itemCode", "areaCode", "crs", "confidential",
        "anonymous", "replyRequired", "urgency", "answeredDirectly", "refusedAs",
        "relatedOrderNum", "recordingNo", "operatorNo", "componentId", "firstReceiver",
    ))
    # fmt: on

    call_time: Annotated[datetime, Moment()] = Field(alias="callTime", title="来电时间", description="市民来电时间")
    caller_name: Name | None = Field(None, alias="callerName", title="来电人姓名", description="来电人姓名或称呼")
    caller_sex: Annotated[Literal["male", "female"] | None, Choice(GENDERS)] = Field(
        None, alias="callerSex", title="来电人性别", description="男、女、未知，或 1、2、0"
    )
    caller_phone: Annotated[tuple[str, ...], Phones()] = Field(
        (), alias="callerPhone", title="来电号码", description="呼入的号码"
    )
    caller_contact: Annotated[tuple[str, ...], Phones()] = Field(
        (),
        alias="callerContact",
        title="联系方式",
        description="希望被联系的号码，可与来电号码不同，多个用顿号分隔",
    )
    order_type: DemandTypeField = Field(
        alias="orderType", title="诉求性质", description="咨询、求助、投诉、举报、建议、表扬"
    )
    title: Annotated[str, Text(200)] | None = Field(None, alias="title", title="标题", description="诉求主题")
    content: Annotated[str, Text(5000, lines=True)] = Field(
        alias="content", title="诉求内容", description="来电人反映的内容，不超过 5000 字"
    )
    class1: ClassName | None = Field(None, alias="class1", title="一级分类", description="话务员所选的一级分类")
    class2: ClassName | None = Field(None, alias="class2", title="二级分类", description="话务员所选的二级分类")
    class3: ClassName | None = Field(None, alias="class3", title="三级分类", description="话务员所选的三级分类")
    item_code: Annotated[str, Text(80)] | None = Field(
        None,
        alias="itemCode",
        title="事项编码",
        description="治理事项清单中的编码；填写后以它为准，不再看分类",
    )
    address: Annotated[str, Text(300)] | None = Field(None, alias="address", title="事发地址", description="事发地点")
    area_code: AreaCodeField | None = Field(
        None,
        alias="areaCode",
        title="区划代码",
        description="事发地所在区（6 位）、街道（9 位）或社区（12 位）",
    )
    lon: Annotated[float, Degrees()] | None = Field(None, alias="lon", title="经度", description="事发地经度，度")
    lat: Annotated[float, Degrees()] | None = Field(None, alias="lat", title="纬度", description="事发地纬度，度")
    crs: CrsField | None = Field(
        None, alias="crs", title="坐标系", description="有经纬度时必填，除非接入配置中已约定坐标系"
    )
    component_id: ComponentField | None = Field(
        None,
        alias="componentId",
        title="部件标识码",
        description="涉及的城市部件（路灯、井盖等）的标识码；部件登记中有的，可据以补充地点和事项",
    )
    first_receiver: Annotated[str, Code(64)] | None = Field(
        None, alias="firstReceiver", title="首接单位", description="最先接到该诉求的单位代码"
    )
    confidential: Flag = Field(False, alias="confidential", title="是否保密", description="来电人要求对承办单位保密")
    anonymous: Flag = Field(
        False,
        alias="anonymous",
        title="是否匿名",
        description="来电人不愿具名；姓名不予保留，其余身份按保密处理",
    )
    reply_required: Flag = Field(True, alias="replyRequired", title="是否需要回复", description="默认需要")
    urgency: UrgencyField = Field("normal", alias="urgency", title="紧急程度", description="一般、紧急、特急")
    accused_unit: Annotated[str, Text(200)] | None = Field(
        None, alias="accusedUnit", title="被举报单位", description="被举报或被投诉的单位"
    )
    operator_no: Annotated[str, Code(40)] | None = Field(
        None, alias="operatorNo", title="话务员工号", description="受理话务员的工号"
    )
    answered_directly: Flag = Field(
        False,
        alias="answeredDirectly",
        title="是否直接答复",
        description="在线直接答复办结，须同时填写答复内容",
    )
    answer_text: Annotated[str, Text(4000, lines=True)] | None = Field(
        None, alias="answerText", title="答复内容", description="直接答复的内容，不超过 4000 字"
    )
    refused_as: Annotated[Treatment, Choice(_TREATMENTS)] | None = Field(
        None, alias="refusedAs", title="不予受理", description="不予受理时告知的处理方式"
    )
    recording_no: Annotated[str, Code(100)] | None = Field(
        None, alias="recordingNo", title="录音编号", description="通话录音的编号"
    )
    related_order_num: OrderNumber | None = Field(
        None, alias="relatedOrderNum", title="关联工单编号", description="热线平台认定的关联工单"
    )
    attachments: Annotated[list[Sha256Field], Field(max_length=20)] = Field(
        default_factory=list,
        alias="attachments",
        title="附件",
        description="已上传图片的 SHA-256，最多 20 个",
    )

    def cross_faults(self, sound: Sound, traits: ClientTraits) -> Iterator[Fault]:
        if sound("lon", "lat"):
            if fault := pair_fault(self.lon, self.lat, "lon", "lat"):
                yield fault
            agreed = self.crs or traits.crs or traits.crs_later
            if self.lon is not None and self.lat is not None and sound("crs") and not agreed:
                yield Fault(
                    "crs", "missing", "坐标系：接入配置未约定，有经纬度时必填，应为 wgs84、gcj02、bd09 或 cgcs2000。"
                )
        if sound("answered_directly", "answer_text"):
            if self.answered_directly and not self.answer_text:
                yield Fault("answerText", "missing", "答复内容：标明直接答复时必填。")
            if self.answer_text and not self.answered_directly:
                yield Fault("answeredDirectly", "contradiction", "填写了答复内容，须同时标明是否直接答复为“是”。")
        if sound("answered_directly", "refused_as") and self.answered_directly and self.refused_as:
            yield Fault("refusedAs", "contradiction", "直接答复与不予受理不能同时填写，请只保留一项。")

    def normalised(self, traits: ClientTraits) -> NormalisedReport:
        phones = tuple(dict.fromkeys(self.caller_phone + self.caller_contact))
        points: tuple[PointClaim, ...] = ()
        if self.lon is not None and self.lat is not None:
            points = (PointClaim(self.lon, self.lat, self.crs or traits.crs, "scene"),)
        classes = (self.class1, self.class2, self.class3)
        return NormalisedReport(
            channel=CODE,
            source_ref=self.source_ref(),
            revision=self.revision,
            kind="demand",
            demand_type=self.order_type,
            content=self.content,
            occurred_at=self.call_time,
            title=self.title or "",
            item_hint=(self.item_code,) if self.item_code else tuple(name for name in classes if name),
            addresses=(self.address,) if self.address else (),
            area_code=self.area_code,
            component_id=self.component_id,
            first_receiver=self.first_receiver,
            points=points,
            reporter=Reporter(name=None if self.anonymous else self.caller_name, phones=phones, gender=self.caller_sex),
            # Who asks to stay unnamed must not be traced by the unit through the number either.
            confidential=self.confidential or self.anonymous,
            accused_unit=self.accused_unit,
            reply_wanted=self.reply_required,
            urgency=self.urgency,
            direct_answer=self.answer_text,
            refused_as=self.refused_as,
            pictures=tuple(Picture(digest) for digest in dict.fromkeys(d.lower() for d in self.attachments)),
            linked_ref=self.related_order_num if self.related_order_num != self.order_num else None,
            source_operator=self.operator_no,
        )


HOTLINE_12345: Final = Channel(
    code=CODE,
    name_zh="12345 政务服务便民热线",
    description="热线平台推送的工单。同一工单编号内容变更后重发时递增 revision，作为对原诉求的补充处理，不另立事件。",
    message_model=HotlineMessage,
    key_model=HotlineKey,
)
