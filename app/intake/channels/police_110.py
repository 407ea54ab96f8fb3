"""Channel ``police-110``: the call record 接警单 that the police hand over as not theirs (DOMAIN.md §6
and §6.1).

Field names are the pinyin initials of the police tables, accepted in upper or lower case. Codes of class
and grade differ by city, so what they mean comes from the client's options:

- ``demand_type_by_class``: ``{"0701": "complaint"}``, looked up from the narrowest class to the widest;
- ``urgency_by_grade``: ``{"1": "critical"}`` for JQDJDM.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, JsonValue

from app.intake.channels.channel import Channel, ClientTraits, Message, Sound, SourceKey
from app.intake.channels.faults import Fault
from app.intake.channels.fields import Choice, Code, Degrees, Moment, Number, Phones, Text, YesNo, pair_fault
from app.intake.channels.vocabulary import DEMAND_TYPES, GENDERS, URGENCIES, AreaCodeField
from app.intake.normalised import DemandType, NormalisedReport, PointClaim, PointRole, Reporter, Urgency

CODE: Final = "police-110"

RecordNumber = Annotated[str, Code(40, r"[0-9A-Za-z\-]+", "由字母、数字和 - 组成", identity=True)]
ShortCode = Annotated[str, Code(40)]
Degree = Annotated[float, Degrees()]
Flag = Annotated[bool, YesNo()]
Time = Annotated[datetime, Moment()]

#: words with which the police's own system says that nobody gave a name
_NO_NAME: Final = frozenset({"匿名", "未知", "不详", "无"})

_EXAMPLES: Final[list[JsonValue]] = [
    {
        "XZQHDM": "320102",
        "JJDWDM": "320102000000",
        "JJDBH": "3201022026090100012",
        "JJLX": "01",
        "BJSJ": "2026-09-01 21:05:12",
        "JJSJ": "20260901210520",
        "BJDH": "13900000000",
        "BJRMC": "匿名",
        "BJDZ": "某路 6 号",
        "JQDZ": "某路与某街路口东南角",
        "BJNR": "路口东南角夜间施工噪音很大，已持续两天。",
        "JQLBDM": "70",
        "JQLXDM": "7003",
        "FXDWJD": "118.796877",
        "FXDWWD": "32.060255",
        "SFBM": "0",
    }
]


class PoliceKey(SourceKey):
    """Division code and record number: the number alone repeats across divisions."""

    division_code: AreaCodeField = Field(
        alias="XZQHDM", title="行政区划代码", description="接警单位所在区划，6、9 或 12 位"
    )
    record_number: RecordNumber = Field(alias="JJDBH", title="接警单编号", description="接警单编号，补充内容时不变")
    revision: Annotated[int, Number(0, 1_000_000, whole=True)] = Field(
        0, alias="revision", title="修订号", description="首次为 0；补充报警内容（BCJJNR）无须递增"
    )

    @classmethod
    def canonical_name(cls, name: str) -> str:
        if len(name) > 40:
            return name
        return "revision" if name.lower() == "revision" else name.upper()

    def source_ref(self) -> str:
        return f"{self.division_code}/{self.record_number}"

    def source_revision(self) -> int:
        return self.revision


class PoliceMessage(PoliceKey, Message):
    """The call record. Unknown fields are ignored: every vendor adds some."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLES})
    # fmt: off
    quotable: ClassVar[frozenset[str]] = frozenset((
        "XZQHDM", "JJDBH", "revision", "JJDWDM", "GLZJJDBH", "JJLX", "JQLYFS", "BJSJ", "JJSJ", "JJWCSJ",
        "TSSJ", "GXDWDM", "JQLBDM", "JQLXDM", "JQXLDM", "JQZLDM", "JQDJDM", "JQCLZTDM", "SFBM", "HBBS",

    ))
    # fmt: on

    desk_code: ShortCode | None = Field(None, alias="JJDWDM", title="接警单位代码", description="接警单位")
    main_record: RecordNumber | None = Field(
        None, alias="GLZJJDBH", title="关联主接警单编号", description="警方已并入的主单"
    )
    call_kind: ShortCode | None = Field(
        None, alias="JJLX", title="接警类型", description="01 为 110，02 为 122，00 为 12345"
    )
    source_kind: ShortCode | None = Field(None, alias="JQLYFS", title="警情来源方式", description="电话、短信等的代码")
    called_at: Time = Field(alias="BJSJ", title="报警时间", description="报警时间")
    answered_at: Time | None = Field(None, alias="JJSJ", title="接警时间", description="接警时间")
    completed_at: Time | None = Field(None, alias="JJWCSJ", title="接警完成时间", description="接警完成时间")
    pushed_at: Time | None = Field(None, alias="TSSJ", title="推送时间", description="推送至 12345 的时间")
    calling_phone: Annotated[tuple[str, ...], Phones()] = Field(
        (), alias="BJDH", title="报警电话", description="呼入的号码"
    )
    subscriber: Annotated[str, Text(100)] | None = Field(
        None, alias="BJDHYHM", title="报警电话用户名", description="号码的机主"
    )
    caller_name: Annotated[str, Text(60)] | None = Field(
        None, alias="BJRMC", title="报警人名称", description="默认为“匿名”"
    )
    contact_phone: Annotated[tuple[str, ...], Phones()] = Field(
        (), alias="LXDH", title="联系电话", description="可与报警电话不同"
    )
    caller_address: Annotated[str, Text(300)] | None = Field(
        None, alias="BJDZ", title="报警地址", description="报警人所在地址"
    )
    scene_address: Annotated[str, Text(300)] | None = Field(
        None, alias="JQDZ", title="警情地址", description="事发地点"
    )
    content: Annotated[str, Text(5000, lines=True)] = Field(
        alias="BJNR", title="报警内容", description="不超过 5000 字"
    )
    unit_code: ShortCode | None = Field(None, alias="GXDWDM", title="管辖单位代码", description="管辖的公安单位")
    class1: ShortCode | None = Field(None, alias="JQLBDM", title="警情类别代码", description="四级分类的第一级")
    class2: ShortCode | None = Field(None, alias="JQLXDM", title="警情类型代码", description="四级分类的第二级")
    class3: ShortCode | None = Field(None, alias="JQXLDM", title="警情细类代码", description="四级分类的第三级")
    class4: ShortCode | None = Field(None, alias="JQZLDM", title="警情子类代码", description="四级分类的第四级")
    class_name: Annotated[str, Text(60)] | None = Field(
        None, alias="JQLBMC", title="警情类别名称", description="名称为投诉、举报、咨询等时据以确定诉求性质"
    )
    caller_lon: Degree | None = Field(None, alias="BJRXZB", title="报警人 X 坐标", description="经度，度；0 或空表示无")
    caller_lat: Degree | None = Field(None, alias="BJRYZB", title="报警人 Y 坐标", description="纬度，度；0 或空表示无")
    scene_lon: Degree | None = Field(None, alias="FXDWJD", title="反向定位经度", description="度；0 或空表示无")
    scene_lat: Degree | None = Field(None, alias="FXDWWD", title="反向定位纬度", description="度；0 或空表示无")
    supplement: Annotated[str, Text(4000, lines=True)] | None = Field(
        None, alias="BCJJNR", title="补充接警内容", description="对已推送接警单的补充，不超过 4000 字，接警单编号不变"
    )
    grade_code: ShortCode | None = Field(None, alias="JQDJDM", title="警情等级代码", description="含义由接入配置约定")
    status_code: ShortCode | None = Field(
        None, alias="JQCLZTDM", title="警情处理状态代码", description="警方的处理状态"
    )
    confidential: Flag = Field(False, alias="SFBM", title="是否保密", description="0 否，1 是")
    merged: Flag = Field(False, alias="HBBS", title="合并标识", description="0 未合并，1 已合并")
    caller_sex: Annotated[Literal["male", "female"] | None, Choice(GENDERS)] = Field(
        None, alias="BJRXBDM", title="报警人性别代码", description="0 未知，1 男，2 女"
    )
    officer_number: ShortCode | None = Field(None, alias="JJYBH", title="接警员编号", description="接警员编号")

    def cross_faults(self, sound: Sound, traits: ClientTraits) -> Iterator[Fault]:
        if sound("caller_lon", "caller_lat") and (
            fault := pair_fault(self.caller_lon, self.caller_lat, "BJRXZB", "BJRYZB")
        ):
            yield fault
        if sound("scene_lon", "scene_lat") and (
            fault := pair_fault(self.scene_lon, self.scene_lat, "FXDWJD", "FXDWWD")
        ):
            yield fault

    def normalised(self, traits: ClientTraits) -> NormalisedReport:
        name = None if self.caller_name in _NO_NAME else self.caller_name
        linked = self.main_record if self.main_record != self.record_number else None
        return NormalisedReport(
            channel=CODE,
            source_ref=self.source_ref(),
            revision=self.revision,
            kind="demand",
            demand_type=self._demand_type(traits),
            content=self.content,
            occurred_at=self.called_at,
            item_hint=self._classes(),
            # Where the caller is, is personal and often not the scene: it stays with the reporter, sealed.
            addresses=(self.scene_address,) if self.scene_address else (),
            area_code=self.division_code,
            points=self._points(traits),
            reporter=Reporter(
                name=name,
                phones=tuple(dict.fromkeys(self.calling_phone + self.contact_phone)),
                gender=self.caller_sex,
                address=self.caller_address,
            ),
            confidential=self.confidential,
            urgency=self._urgency(traits),
            linked_ref=f"{self.division_code}/{linked}" if linked else None,
            supplement=self.supplement,
            source_operator=self.officer_number,
        )

    def _classes(self) -> tuple[str, ...]:
        return tuple(code for code in (self.class1, self.class2, self.class3, self.class4) if code)

    def _demand_type(self, traits: ClientTraits) -> DemandType:
        for code in reversed(self._classes()):
            configured = DEMAND_TYPES.get(str(traits.option("demand_type_by_class", code)))
            if configured:
                return configured
        named = (kind for word, kind in DEMAND_TYPES.items() if self.class_name and word in self.class_name)
        return next(named, "help")

    def _urgency(self, traits: ClientTraits) -> Urgency:
        return URGENCIES.get(str(traits.option("urgency_by_grade", self.grade_code)), "normal")

    def _points(self, traits: ClientTraits) -> tuple[PointClaim, ...]:
        pairs: tuple[tuple[float | None, float | None, PointRole], ...] = (
            (self.scene_lon, self.scene_lat, "scene"),
            (self.caller_lon, self.caller_lat, "caller"),
        )
        return tuple(
            PointClaim(lon, lat, traits.crs, role) for lon, lat, role in pairs if lon is not None and lat is not None
        )


POLICE_110: Final = Channel(
    code=CODE,
    name_zh="110 非警务警情",
    description="110 报警服务台分流的接警单。同一接警单带补充内容（BCJJNR）再推时作为补充处理。",
    message_model=PoliceMessage,
    key_model=PoliceKey,
    supplements=True,
)
