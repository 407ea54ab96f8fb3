from typing import Any

import orjson
import pytest

from app.core.errors import Malformed
from app.masters.files import MOST_FAULTS, read_bytes
from app.masters.validation import MasterFile, validate

AREAS = "#bihuan areas complete\ncode,name,level,parent_code,aliases,places\n320102,玄武区,district,,玄武|玄武城区,\n"


def read(text: str | bytes) -> MasterFile:
    return validate(read_bytes(text if isinstance(text, bytes) else text.encode()))


def faults_of(text: str | bytes) -> dict[str, list[str]]:
    with pytest.raises(Malformed) as caught:
        read(text)
    found: dict[str, list[str]] = {}
    for fault in caught.value.extra["faults"]:
        found.setdefault(fault["path"], []).append(fault["message"])
    return found


def test_a_sound_file_gives_its_rows_by_key() -> None:
    file = read(AREAS)
    assert (file.kind, file.mode) == ("areas", "complete")
    assert file.documents == {
        "320102": {
            "code": "320102",
            "name": "玄武区",
            "level": "district",
            "parent_code": None,
            "aliases": ["玄武", "玄武城区"],
            "places": [],
        }
    }


@pytest.mark.parametrize(
    "spoilt",
    [
        b"\xef\xbb\xbf" + AREAS.encode(),
        AREAS.encode("gb18030"),
        AREAS.replace("\n", "\r\n").encode(),
        AREAS.replace("complete\n", "complete,,,,,\n").encode(),
        AREAS.replace("\n3", "\n\n,,,,,\n3").encode(),
        AREAS.rstrip("\n").encode(),
    ],
    ids=["byte order mark", "GBK", "CRLF", "padded first line", "blank lines", "no last line break"],
)
def test_what_spreadsheets_do_makes_no_difference(spoilt: bytes) -> None:
    assert read(spoilt).documents == read(AREAS).documents


def test_every_bad_row_is_named_by_its_line_at_once() -> None:
    text = (
        "#bihuan filing-standards patch\n"
        "standard_ref,kind,code,row_no,limit,photos_required\n"
        "S,component,01,1,2 urgent_hour,\n"
        'S,component,"0\n1",0,2 hours,many\n'
        "S,building,02,1,1 work_day,1\n"
    )
    found = faults_of(text)
    assert set(found) == {"第 4 行", "第 6 行"}  # the quoted line break counts
    told = "\n".join(found["第 4 行"])
    for field in ("code", "row_no", "limit", "photos_required"):
        assert f"{field}：" in told
    assert found["第 6 行"] == ["kind：“building”不在可用的值之内：component、matter"]


def test_an_empty_cell_is_the_default_where_there_is_one_and_a_fault_where_not() -> None:
    head = "#bihuan organizations patch\ncode,name,level,org_type,area_code,active,parent_code\n"
    file = read(head + "A,甲,district,department,320102,,\n")
    assert file.documents["A"]["active"] is True
    assert faults_of(head + "A,,district,department,320102,,\n") == {"第 3 行": ["name：必填"]}


def test_repeated_keys_name_both_lines() -> None:
    assert faults_of(AREAS + "320102,玄武,district,,,\n") == {"第 4 行": ["320102 与第 3 行重复"]}


def test_unknown_and_missing_columns_are_told_once_not_per_row() -> None:
    found = faults_of("#bihuan areas complete\ncode,nmae,level\n320102,玄武区,district\n320104,秦淮区,district\n")
    assert list(found) == ["第 2 行"]
    assert "没有“nmae”这一列" in found["第 2 行"][0]
    assert found["第 2 行"][1] == "缺少“name”列"


def test_a_row_with_too_many_cells_is_named() -> None:
    assert "有 7 列，列名有 6 个" in faults_of(AREAS + "320104,秦淮区,district,,a,b,c\n")["第 4 行"][0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("code,name\n1,a\n", "首行应写明种类和方式"),
        (AREAS.replace("complete", "replace"), "应为 complete"),
        (AREAS.replace("areas", "planets"), "没有“planets”这种基础数据"),
        ("#bihuan areas complete\n", "第二行应为列名"),
        ("#bihuan areas complete\ncode,name,level\n", "整份替换为空不予接受"),
        ("#bihuan areas complete\ncode,name,code\n", "列名重复"),
        (AREAS + '320104,"秦淮区,district\n', "引号不成对"),
        (AREAS.encode().replace("玄武城区".encode(), b"\xff\xfe"), "第 3 行不是 UTF-8 编码"),
        (AREAS + "320104,秦\0淮,district,,,\n", "空字符"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: str | bytes, told: str) -> None:
    assert told in "".join(message for messages in faults_of(text).values() for message in messages)


def geojson(*features: Any, **members: Any) -> bytes:
    document = {
        "type": "FeatureCollection",
        "bihuan": {"kind": "cells", "mode": "complete"},
        "features": list(features),
        **members,
    }
    return orjson.dumps(document)


RING = [[118.79, 32.05], [118.80, 32.05], [118.80, 32.06], [118.79, 32.05]]


def cell(cell_id: str = "320102002001001", ring: Any = RING, shape: str = "Polygon") -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"cell_id": cell_id, "community_code": cell_id[:12]},
        "geometry": {"type": shape, "coordinates": [ring]},
    }


def test_cells_are_read_from_geojson() -> None:
    file = read(geojson(cell()))
    assert file.documents["320102002001001"]["polygon"] == [RING]


def test_bad_features_are_named_by_number() -> None:
    swapped = [[lat, lon] for lon, lat in RING]
    with_height = [[*point, 12.0] for point in RING]
    found = faults_of(geojson(cell(), cell("320102002001002", swapped), cell("320102002001003", with_height)))
    assert set(found) == {"第 2 个要素", "第 3 个要素"}
    assert set(faults_of(geojson(cell(), cell(shape="MultiPolygon")))) == {"第 2 个要素"}


def test_a_named_datum_must_be_the_right_one() -> None:
    def named(name: str) -> dict[str, Any]:
        return {"type": "name", "properties": {"name": name}}

    assert read(geojson(cell(), crs=named("urn:ogc:def:crs:EPSG::4490"))).rows
    assert "CGCS2000" in faults_of(geojson(cell(), crs=named("urn:ogc:def:crs:EPSG::4549")))["crs"][0]


def test_json_that_is_no_master_file_is_refused() -> None:
    assert "bihuan" in faults_of(b'{"type": "FeatureCollection", "features": []}')
    assert "第 1 行" in faults_of(b'{"type": ')


def test_a_user_files_password_is_never_repeated_in_a_fault() -> None:
    found = faults_of("#bihuan users patch\nusername,display_name,org_code,password\nu 1,一号,A,secret-pass\n")
    assert "secret-pass" not in str(found)
    assert "username" in found["第 3 行"][0]


def test_of_a_file_of_rubbish_only_the_first_faults_are_told() -> None:
    head = "#bihuan policies patch\nkey,value,source\n"
    for text, left in ((head + "a\n" * 5000, 4800), (head + "a,b,c\n" * 5000, 4800)):
        with pytest.raises(Malformed) as caught:
            read(text)
        *told, last = caught.value.extra["faults"]
        assert len(told) == MOST_FAULTS
        assert (told[0]["path"], told[-1]["path"]) == ("第 3 行", "第 202 行")
        assert f"还有 {left} 行未检查" in last["message"]


def test_of_a_map_of_rubbish_too() -> None:
    document = {
        "bihuan": {"kind": "cells", "mode": "complete"},
        "type": "FeatureCollection",
        "features": [{}] * 300,
    }
    with pytest.raises(Malformed) as caught:
        read(orjson.dumps(document))
    assert len(caught.value.extra["faults"]) == MOST_FAULTS + 1
    assert "还有 100 行" in caught.value.extra["faults"][-1]["message"]


@pytest.mark.parametrize(
    ("kind", "columns", "row"),
    [
        ("routing-rules", "rule_no,lead_unit,step,basis", "{},U,territorial,按属地"),
        ("components", "component_id,standard_ref,code,owner", "{},S,01,U"),
        ("duty-list", "clause_no,domain,duty,clause,source", "{},市容,basic,条款,清单"),
        ("items", "standard_ref,kind,code,name,default_level,closure_profile", "{},matter,01,路灯,grid,inspection"),
        ("duty-grids", "code,name,org_code", "{},一号,U"),
        ("calendar", "calendar_code,row_type,hours", "{},hours,09:00-12:00"),
        ("escalation-rungs", "rung,clock,domain,at,action,to", "r,handling,{},due,remind,unit"),
    ],
)
def test_a_key_that_no_index_takes_is_a_fault_of_its_row(kind: str, columns: str, row: str) -> None:
    text = f"#bihuan {kind} patch\n{columns}\n{row}\n"
    assert len(read(text.format("键" * 100)).documents) == 1
    (told,) = faults_of(text.format("键" * 101))["第 3 行"]
    assert "最多 100 个字" in told
