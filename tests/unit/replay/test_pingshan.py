"""The Pingshan replay without its stack: reading, masters, messages, learned rules, the account."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pytest

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.commands.replay import pingshan
from app.commands.replay.pingshan import DESK, Case
from app.commands.replay.results import Books, Kept, account, agreement, key_of
from app.commands.replay.rules import rules_of
from app.core.errors import Malformed
from app.core.releases import digest_of
from app.dispatch.learning import FOLDS, TIES_ONLY, WEIGHTS, Circumstances, Dispatches, best_weight, fold_of
from app.dispatch.routing import Matter, Rules
from app.dispatch.rows import RoutingRuleRow
from app.grid.place_index import PlaceIndex
from app.intake.channels import CHANNELS, ClientTraits
from app.items.catalogue import Catalogue
from app.masters import consistency
from app.masters.publishing import read_folder

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
CALENDAR = ROOT / "app" / "demo_city" / "calendar.csv"
#: streets and communities of the hand-made sample
EAST, WEST = ("440310001", "东街道"), ("440310002", "西街道")
NORTH, SOUTH, FAR = ("440310001001", "北社区"), ("440310001002", "南社区"), ("440310002001", "远社区")

needs_data = pytest.mark.skipif(not (DATA / pingshan.EVENTS).is_file(), reason=f"the public records are not at {DATA}")


def case(
    rec_id: int,
    unit: str,
    *,
    community: tuple[str, str] | None = NORTH,
    codes: tuple[str, str, str] = ("5", "50", "500"),
    source: str = "12345",
) -> Case:
    street = None if community is None else (EAST if community[0].startswith(EAST[0]) else WEST)
    return Case(
        rec_id=str(rec_id),
        created_on="2018-03-01",
        source=source,
        demand="投诉",
        classes=(f"类{codes[0]}", f"中类{codes[1]}", f"小类{codes[2]}"),
        codes=codes,
        unit_name=f"单位{unit}",
        unit_code=unit,
        street=street[1] if street else None,
        street_code=street[0] if street else None,
        community=community[1] if community else None,
        community_code=community[0] if community else None,
    )


def cases_to(*units: str, community: tuple[str, str] | None = NORTH, start: int = 0) -> list[Case]:
    return [case(start + n, unit, community=community) for n, unit in enumerate(units)]


def learned_from(cases: Iterable[Case], weight: float = TIES_ONLY) -> Dispatches:
    return Dispatches((one.decision for one in cases), weight)


def seen(
    rec_id: int,
    unit: str,
    *,
    community: tuple[str, str] | None = NORTH,
    codes: tuple[str, str, str] = ("5", "50", "500"),
) -> Circumstances:
    return case(rec_id, unit, community=community, codes=codes).decision.seen


class TestLearning:
    def test_the_majority_of_the_community_goes_before_that_of_the_street(self) -> None:
        learned = learned_from(cases_to("A", "A", "B") + cases_to("B", "B", "B", community=SOUTH, start=10))
        assert learned.unit_for(seen(99, "?")) == "A"
        assert learned.unit_for(seen(99, "?", community=SOUTH)) == "B"

    def test_what_was_never_seen_in_a_place_follows_the_next_wider_count(self) -> None:
        learned = learned_from([*cases_to("A", "A", "B", "B", "B"), *cases_to("C", "C", community=SOUTH, start=10)])
        elsewhere_in_the_street = case(99, "?", community=("440310001009", "新社区"))
        assert learned.unit_for(elsewhere_in_the_street.decision.seen) == "B"
        assert learned.unit_for(seen(99, "?", community=FAR)) == "B"
        assert learned.unit_for(seen(99, "?", codes=("5", "50", "501"))) == "B"
        assert learned.unit_for(seen(99, "?", codes=("5", "59", "590"))) == "B"
        assert learned.unit_for(seen(99, "?", codes=("6", "60", "600"))) is None

    def test_a_record_without_a_place_follows_its_class(self) -> None:
        learned = learned_from(cases_to("A", "B", "B"))
        assert learned.unit_for(seen(99, "?", community=None)) == "B"

    def test_a_tie_is_decided_by_the_wider_count_and_then_by_the_smaller_code(self) -> None:
        tie = cases_to("A", "B")
        assert learned_from(tie).unit_for(seen(99, "?")) == "A"
        wider = tie + cases_to("B", community=SOUTH, start=10)
        assert learned_from(wider).unit_for(seen(99, "?")) == "B"

    def test_a_wider_count_outvotes_a_single_case_only_when_it_weighs_enough(self) -> None:
        records = cases_to("A") + cases_to("B", "B", "B", "B", "B", "B", "B", "B", "B", community=SOUTH, start=10)
        assert learned_from(records, TIES_ONLY).unit_for(seen(99, "?")) == "A"
        assert learned_from(records, 8.0).unit_for(seen(99, "?")) == "B"

    def test_a_record_that_names_no_unit_teaches_nothing(self) -> None:
        undecided = [replace(one, unit_code="-") for one in cases_to("A", "A", "A")]
        assert learned_from(undecided).unit_for(seen(99, "?")) is None
        assert learned_from([*undecided, case(9, "B")]).unit_for(seen(99, "?")) == "B"

    def test_the_weight_is_found_on_the_training_records_by_what_foretells_them(self) -> None:
        # Single cases go astray, and the street as a whole is always right: trusting it must win.
        random = Random(7)  # noqa: S311 - a fixed sample
        places = [(f"440310001{n:03d}", f"第{n}社区") for n in range(1, 60)]
        records = [
            case(n, "A" if random.random() < 0.75 else random.choice("BCDEF"), community=random.choice(places))
            for n in range(150)
        ]
        assert best_weight([one.decision for one in records]) > TIES_ONLY
        # Nothing to choose between: the smallest one.
        assert best_weight([one.decision for one in cases_to(*"AAAAAAAAAA")]) == min(WEIGHTS)

    def test_folds_are_the_same_for_ever_and_about_equal(self) -> None:
        assert [fold_of(str(n)) for n in (9188, 9195, 9493)] == [fold_of(str(n)) for n in (9188, 9195, 9493)]
        sizes = [sum(fold_of(str(n)) == fold for n in range(5000)) for fold in range(FOLDS)]
        assert min(sizes) > 900
        assert sum(sizes) == 5000


def rules_index(rules: Iterable[RoutingRuleRow], codes: Iterable[str]) -> Rules:
    rows = [
        OrganizationRow(code=code, name=code, level="district", org_type="department", area_code="440310")
        for code in codes
    ]
    return Rules(rules, Organizations.build(rows, {row.code: n for n, row in enumerate(rows)}))


def decided(rules: Rules, one: Case) -> str | None:
    areas = (pingshan.CODE, one.street_code, one.community_code) if one.community_code else ()
    return rules.decide(
        Matter(
            item_key=one.item_key,
            major_code=pingshan.major_of(one.codes[1]),
            domain=pingshan.domain_of(one.codes[0]),
            level="district",
            areas=tuple(area for area in areas if area),
            channel=one.channel,
        )
    ).unit


class TestRules:
    RECORDS = (
        *cases_to("A", "A", "B"),
        *cases_to("B", "C", community=SOUTH, start=10),
        *cases_to("C", "C", "C", community=FAR, start=20),
        case(30, "D", codes=("5", "51", "510")),
        case(31, "-", codes=("7", "70", "700")),
    )

    @pytest.mark.parametrize("weight", WEIGHTS)
    def test_routing_by_the_rules_is_what_was_learned(self, weight: float) -> None:
        learned = learned_from(self.RECORDS, weight)
        rules = rules_index(rules_of(self.RECORDS, weight, set("ABCD")), [*"ABCD", DESK])
        unseen = [
            case(90, "?", community=("440310002009", "又一社区")),
            case(91, "?", codes=("5", "51", "519")),
            case(92, "?", codes=("5", "59", "599")),
            case(93, "?", community=None),
        ]
        for one in (*self.RECORDS, *unseen):
            assert decided(rules, one) == (learned.unit_for(one.decision.seen) or DESK)

    def test_what_no_record_is_like_goes_to_the_desk(self) -> None:
        rules = rules_index(rules_of(self.RECORDS, TIES_ONLY, set("ABCD")), [*"ABCD", DESK])
        assert decided(rules, case(99, "?", codes=("7", "70", "700"))) == DESK

    def test_a_rule_says_how_many_records_it_rests_on(self) -> None:
        rules = {rule.rule_no: rule for rule in rules_of(self.RECORDS, TIES_ONLY, set("ABCD"))}
        north = rules[f"S500@{NORTH[0]}"]
        assert (north.lead_unit, north.step) == ("A", "territorial")
        assert "共 3 件，其中 2 件" in north.basis
        assert "不是职责条款" in north.basis
        assert "未过半" in rules[f"S500@{SOUTH[0]}"].basis
        assert rules["S500"].step == "statutory_department"
        assert {"Mpingshan-50", "Tpingshan-5", "DESK"} <= rules.keys()

    def test_a_unit_that_is_not_in_force_is_never_named(self) -> None:
        named = {rule.lead_unit for rule in rules_of(self.RECORDS, TIES_ONLY, set("ABC"))}
        assert named <= {*"ABC", DESK}

    def test_the_order_of_the_records_makes_no_difference(self) -> None:
        shuffled = list(self.RECORDS)
        Random(3).shuffle(shuffled)  # noqa: S311 - a fixed sample
        digests = [
            digest_of({rule.key: rule.model_dump(mode="json") for rule in rules_of(records, 2.0, set("ABCD"))})
            for records in (self.RECORDS, shuffled)
        ]
        assert digests[0] == digests[1]


EVENT_HEADER = (
    "rec_id,created_date,source,property,type,type_code,main_type,main_type_code,sub_type,sub_type_code,"
    "dispose_unit,dispose_unit_code,street,community,closure,street_code9,community_code12\n"
)
PLACED = "东街道,北社区,intime,440310001,440310001001"
CLASS_HEADER = "type,type_code,main_type,main_type_code,sub_type,sub_type_code\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, one of them listed twice; three units, one of them with two names; three records."""
    (tmp_path / pingshan.TAXONOMY).write_text(
        CLASS_HEADER + "甲,1,乙,10,井盖(大),100\n甲,1,乙,10,井盖&#40;大&#41;,100\n甲,1,丙,11,摊贩,100\n", "utf-8"
    )
    (tmp_path / pingshan.UNITS).write_text(
        "unit,unit_code\n水务局,1\n东街道执法队,2\n东街道执法队（东街道办事处）,2\n北社区,3\n-,-\n", "utf-8"
    )
    (tmp_path / pingshan.EVENTS).write_text(
        EVENT_HEADER
        + f"10,2018-02-08,12345,其他,甲,1,乙,10,井盖&#40;大&#41;,100,水务局,1,{PLACED}\n"
        + f"9,2018-02-08,@坪山,投诉,甲,1,丙,11,摊贩,100,东街道执法队（东街道办事处）,2,{PLACED}\n"
        + "11,2018-02-09,美丽深圳,感谢,甲,1,丙,11,摊贩,100,-,-,-,-,intime,,\n",
        "utf-8",
    )
    return tmp_path


class TestReading:
    def test_records_come_in_the_order_of_their_numbers(self, folder: Path) -> None:
        assert [one.rec_id for one in pingshan.read_cases(folder)] == ["9", "10", "11"]

    def test_one_code_for_two_classes_makes_two_items_and_one_class_twice_makes_one(self, folder: Path) -> None:
        items = {item.code: item.path for item in pingshan.item_rows(folder)}
        assert items == {"100": ("甲", "乙", "井盖(大)"), "100-2": ("甲", "丙", "摊贩")}
        assert [one.codes[2] for one in pingshan.read_cases(folder)] == ["100-2", "100", "100-2"]

    def test_the_other_names_of_a_unit_are_inactive_and_nobody_is_the_desk(self, folder: Path) -> None:
        areas = pingshan.area_rows(pingshan.read_cases(folder))
        units = {row.code: row for row in pingshan.organization_rows(folder, areas)}
        assert set(units) == {"1", "2", "2-2", "3", DESK}
        assert (units["2-2"].parent_code, units["2-2"].active, units["2"].active) == ("2", False, True)
        assert {code: (row.level, row.area_code) for code, row in units.items()} == {
            "1": ("district", "440310"),
            "2": ("street", "440310001"),
            "2-2": ("street", "440310001"),
            "3": ("community", "440310001001"),
            DESK: ("district", "440310"),
        }

    def test_a_source_without_a_channel_is_named_by_its_line(self, folder: Path) -> None:
        events = folder / pingshan.EVENTS
        events.write_text(events.read_text("utf-8").replace("@坪山", "飞鸽"), "utf-8")
        with pytest.raises(Malformed) as refused:
            pingshan.read_cases(folder)
        assert refused.value.extra["faults"][0]["path"].endswith("第 3 行")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(Malformed, match=pingshan.TAXONOMY):
            pingshan.read_cases(tmp_path)

    def test_the_written_masters_are_read_back_as_they_are(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        written = tmp_path_factory.mktemp("masters")
        cases = pingshan.read_cases(folder)
        pingshan.write_masters(folder, written, cases, CALENDAR)
        files = read_folder(written)
        assert set(files) == {"items", "areas", "organizations", "users", "calendar"}
        assert list(files["items"].rows.values()) == pingshan.item_rows(folder)
        areas = pingshan.area_rows(cases)
        assert list(files["areas"].rows.values()) == areas
        assert list(files["organizations"].rows.values()) == pingshan.organization_rows(folder, areas)


class TestMessages:
    def test_a_message_keeps_the_reference_and_has_no_point_and_no_code(self, folder: Path) -> None:
        for one in pingshan.read_cases(folder):
            report = CHANNELS[one.channel].parse(pingshan.message_of(one, "0" * 64), ClientTraits())
            assert report.source_ref == one.source_ref
            assert report.item_hint == one.classes
            assert report.points == ()
            assert report.area_code is None
            assert report.occurred_at.isoformat() == f"{one.created_on}T09:00:00+08:00"

    def test_what_the_record_calls_other_is_help_and_thanks_are_praise(self, folder: Path) -> None:
        sent = [
            CHANNELS[one.channel].parse(pingshan.message_of(one, "0" * 64), ClientTraits()).demand_type
            for one in pingshan.read_cases(folder)
        ]
        assert sent == ["complaint", "help", "praise"]

    def test_without_a_place_only_the_district_is_named_where_an_address_must_be(self) -> None:
        assert pingshan.message_of(case(1, "A", community=None, source="@坪山"), "0" * 64)["address"] == pingshan.NAME
        assert "address" not in pingshan.message_of(case(1, "A", community=None), "0" * 64)


class TestAccount:
    CASES = tuple(cases_to("A", "B", "C"))

    def books(self, **changed: list[Kept]) -> Books:
        reports = {key_of(one): [Kept(f"e{one.rec_id}", "first", one.unit_code)] for one in self.CASES}
        reports |= {key_of(self.CASES[int(name[1:])]): kept for name, kept in changed.items()}
        reports = {key: kept for key, kept in reports.items() if kept}
        events = {report.event_id for kept in reports.values() for report in kept}
        return Books(reports, set(reports), len(events))

    def over_http(self) -> dict[tuple[str, str], int]:
        return {key_of(one): 1 for one in self.CASES}

    def test_each_record_once_is_sound(self) -> None:
        found = account(self.CASES, self.books(), self.over_http())
        assert found.sound
        assert (found.events, found.joined) == (3, 0)

    def test_a_record_that_joined_another_ones_event_is_accounted_for(self) -> None:
        found = account(self.CASES, self.books(_1=[Kept("e0", "same_place", "A")]), self.over_http())
        assert found.sound
        assert (found.events, found.joined) == (2, 1)

    def test_lost_doubled_held_and_stray_are_not_sound(self) -> None:
        lost = account(self.CASES, self.books(_1=[]), self.over_http())
        assert (lost.sound, lost.lost) == (False, (key_of(self.CASES[1]),))
        double = account(
            self.CASES, self.books(_1=[Kept("e1", "first", "B"), Kept("e9", "first", "B")]), self.over_http()
        )
        assert (double.sound, double.twice) == (False, (key_of(self.CASES[1]),))
        books = self.books(_1=[])
        held = account(self.CASES, replace(books, received={*books.received, key_of(self.CASES[1])}), self.over_http())
        assert (held.sound, held.held, held.lost) == (False, 1, ())
        assert not account(self.CASES, replace(self.books(), events=4), self.over_http()).sound
        assert not account(self.CASES, self.books(), self.over_http() | {key_of(self.CASES[0]): 2}).sound
        assert not account(self.CASES, self.books(), {}).sound

    def test_what_is_left_to_people_does_not_agree(self) -> None:
        units = {
            code: OrganizationRow(
                code=code, name=f"单位{code}", level="district", org_type="department", area_code="440310"
            )
            for code in (*"ABC", DESK)
        }
        books = self.books(_1=[Kept("e1", "first", None)], _2=[Kept("e2", "first", DESK)])
        found = agreement(self.CASES, books.reports, units)
        assert (found.records, found.agreed, found.agreed_by_name, found.people, found.desk) == (3, 1, 1, 1, 1)


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return pingshan.read_cases(DATA)


@needs_data
class TestRealRecords:
    def test_nothing_of_the_data_is_left_out(self, cases: tuple[Case, ...]) -> None:
        areas = pingshan.area_rows(cases)
        assert len(cases) == len({key_of(one) for one in cases}) == 5048
        assert len(pingshan.organization_rows(DATA, areas)) == 156
        # 372 lines, one of which is the same class again with its brackets written as HTML
        assert len(pingshan.item_rows(DATA)) == 371
        assert [sum(area.level == level for area in areas) for level in ("street", "community")] == [6, 23]

    def test_every_record_finds_its_item_and_its_community(self, cases: tuple[Case, ...]) -> None:
        items, places = Catalogue.build(pingshan.item_rows(DATA)), PlaceIndex.build(pingshan.area_rows(cases), [], [])
        for one in cases:
            message = pingshan.message_of(one, "0" * 64)
            report = CHANNELS[one.channel].parse(message, ClientTraits())
            item = items.by_hint(report.item_hint)
            assert item is not None
            assert item.key == one.item_key
            assert places.locate([], report.addresses, None).community_code == one.community_code

    def test_masters_and_rules_fit_together_and_route_as_learned(self, cases: tuple[Case, ...]) -> None:
        areas = pingshan.area_rows(cases)
        units = pingshan.organization_rows(DATA, areas)
        training = [one for one in cases if fold_of(one.rec_id) != 0]
        held_out = [one for one in cases if fold_of(one.rec_id) == 0]
        rules = rules_of(training, 2.0, {unit.code for unit in units if unit.active})
        proposal = consistency.Proposal(
            items=tuple(pingshan.item_rows(DATA)),
            areas=tuple(areas),
            organizations=tuple(units),
            routing_rules=tuple(rules),
            channels=frozenset(CHANNELS),
            today=date(2026, 3, 10),
        )
        assert consistency.faults(proposal, ["items", "areas", "organizations", "routing-rules"]) == []
        learned = learned_from(training, 2.0)
        index = Rules(rules, Organizations.build(units, {unit.code: n for n, unit in enumerate(units)}))
        routed = [decided(index, one) for one in held_out]
        assert routed == [learned.unit_for(one.decision.seen) or DESK for one in held_out]
        agreed = sum(unit == one.unit_code for unit, one in zip(routed, held_out, strict=True))
        assert agreed / len(held_out) > 0.62
