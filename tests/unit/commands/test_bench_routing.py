"""``bihuan bench routing`` on made-up records: nothing leaks from the tested side, and its figures add up."""

import csv
import io
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from app.commands.bench import routing_data as data
from app.commands.bench.routing import measure
from app.commands.bench.routing_data import Part, Record, Spellings
from app.commands.bench.routing_trial import Answer, run, score
from app.core.errors import Malformed
from app.dispatch.learning import FOLDS

COLUMNS = [data.KEY, *data.USED, *data.LABELS, "closure", "property"]
STREETS = {"440310001": "东街道", "440310002": "西街道"}
ITEMS = {"井盖": "水务局", "摊贩": "综合执法队", "路灯": "供电局", "噪声": "环保局"}


def write(path: Path, count: int, *, seed: int = 1, first: int = 1) -> Path:
    """Stalls go to the street's own team, the rest to a department; one in six goes astray."""
    random = Random(seed)  # noqa: S311 - a fixed sample
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for number in range(count):
            street = random.choice(sorted(STREETS))
            community = f"{street}00{random.randint(1, 3)}"
            item = random.choice(sorted(ITEMS))
            unit = f"{STREETS[street]}综合执法队" if item == "摊贩" else ITEMS[item]
            if random.random() < 1 / 6:
                unit = random.choice(sorted({*ITEMS.values()} - {"综合执法队"}))
            code = str(sorted(ITEMS).index(item))
            writer.writerow(
                {
                    "rec_id": first + number,
                    "created_date": date(2018, 1, 1) + timedelta(days=number // 4),
                    "source": random.choice(["12345", "@坪山"]),
                    **{"type": "大类", "type_code": "1", "main_type": "中类", "main_type_code": "10"},
                    **{"sub_type": item, "sub_type_code": code, "street": STREETS[street], "street_code9": street},
                    **{"community": f"第{community[-1]}社区", "community_code12": community},
                    **{"dispose_unit": unit, "dispose_unit_code": f"U{sum(map(ord, unit))}"},
                    **{"closure": "intime", "property": "投诉"},
                }
            )
    return path


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return data.read_records(write(tmp_path_factory.mktemp("records") / "a.csv", 400))


def test_every_record_is_tested_in_one_fold_and_learned_in_the_others(records: list[Record]) -> None:
    parts = list(data.folds_of(records))
    assert len(parts) == FOLDS
    assert sorted(each.past.ref for part in parts for each in part.tested) == sorted(each.past.ref for each in records)
    for part in parts:
        assert not {each.past.ref for each in part.training} & {each.past.ref for each in part.tested}


def test_forward_parts_learn_from_earlier_days_only(records: list[Record]) -> None:
    parts = list(data.forward_parts(records))
    assert len(parts) == 5
    for part in parts:
        assert max(each.seen.on for each in part.training) < min(each.seen.on for each in part.tested)
    assert sum(len(part.tested) for part in parts) >= len(records) // 2


def test_what_the_other_file_has_as_well_is_not_learned(records: list[Record]) -> None:
    part = data.apart(records, records[:30])
    assert (len(part.training), len(part.tested)) == (len(records) - 30, 30)
    assert not {each.past.ref for each in part.training} & {each.past.ref for each in part.tested}


def said(part: Part) -> list[tuple[object, ...]]:
    """Everything that was said about the tested side, but not the truth."""
    return [
        (each.majority, each.majority_name, each.by_rules, each.decided, each.top, each.top_names, each.confidence)
        for each in run(part).answers
    ]


def test_the_real_units_of_the_tested_side_change_nothing_that_is_said(records: list[Record]) -> None:
    part = next(data.folds_of(records))
    hidden = [replace(each, past=replace(each.past, unit=None), unit_name="-") for each in part.tested]
    assert said(part) == said(Part(part.training, hidden))


def test_columns_that_are_filled_in_later_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 40)
    before = data.read_records(path)
    path.write_text(path.read_text("utf-8").replace("intime,投诉", "overtime,表扬"), "utf-8")
    assert data.read_records(path) == before
    assert {"closure", "property", *data.LABELS}.isdisjoint(data.USED)


def test_scores_count_what_they_say() -> None:
    def answer(real: str | None, top: str, confidence: float, *, decided: bool = True) -> Answer:
        names = tuple(f"{unit}队" for unit in top)
        return Answer("市容", real, f"{real}局", "A", "A局", "A", decided, tuple(top), names, confidence)

    found = score(
        [
            *(answer("A", "ABC", 0.9), answer("B", "ABC", 0.8, decided=False)),
            *(answer("C", "ABC", 0.2), answer(None, "ABC", 0.1, decided=False)),
        ]
    )
    assert (found.asked, found.majority, found.top_1, found.top_3) == (4, 0.25, 0.25, 0.75)
    assert (found.half, found.people, found.decided_right) == (0.5, 0.5, 0.5)
    assert found.half_confidence == pytest.approx(0.85)
    by_name = score([answer("A", "ABC", 0.9)], by_name=True)
    assert (by_name.top_1, by_name.majority) == (0.0, 1.0), "spelled in another way it is another name"


def test_the_name_is_written_as_at_that_time(records: list[Record]) -> None:
    first, last = records[0], records[-1]
    old = replace(first, unit_name="旧名", past=replace(first.past, unit="X"))
    new = replace(last, unit_name="新名", past=replace(last.past, unit="X"))
    spellings = Spellings([old, new])
    assert [spellings.name("X", each.seen.on) for each in (first, last)] == ["旧名", "新名"]
    assert spellings.name("Y", first.seen.on) == "Y"


def test_the_whole_run_tells_what_it_used_and_how_well_it_did(tmp_path: Path) -> None:
    out = Console(file=io.StringIO(), width=200)
    learned = write(tmp_path / "a.csv", 400)
    beaten = measure(learned, write(tmp_path / "b.csv", 100, seed=2, first=1000), out)
    told = out.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    for expected in (
        "派单时已知",
        "created_date、source",
        "另一份文件",
        "前三",
        "交人",
        "分领域",
        "多数",
        "规则自行决定",
    ):
        assert expected in told, expected
    assert beaten is ("未胜过" not in told)


def test_a_file_that_lacks_a_column_or_a_date_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 5)
    whole = path.read_text("utf-8")
    path.write_text(whole.replace("2018-01-01", "昨天", 1), "utf-8")
    with pytest.raises(Malformed, match="1 行"):
        data.read_records(path)
    path.write_text(whole.replace("source", "quelle", 1), "utf-8")
    with pytest.raises(Malformed, match="source"):
        data.read_records(path)
