import pytest

from app.accounts.organizations import Organizations, organization_faults
from app.accounts.rows import ROLES, OrganizationRow, Seating, UserRow
from app.accounts.tables import ROLES as DATABASE_ROLES


def unit(code: str, parent: str | None = None, **members: object) -> OrganizationRow:
    row = {
        "code": code,
        "name": f"{code}单位",
        "level": "district",
        "org_type": "department",
        "parent_code": parent,
        "area_code": "320102",
        **members,
    }
    return OrganizationRow.model_validate(row)


TREE = (
    unit("CENTRE", org_type="centre"),
    unit("BUREAU", name="玄武区房产局", short_name="区房产局"),
    unit("SECTION", "BUREAU", name="玄武区房产局物业科", org_type="section"),
    unit("TEAM", "SECTION", org_type="grid_team", area_code="320102002"),
    unit("CLOSED", "BUREAU", active=False),
)
IDS = {row.code: number for number, row in enumerate(TREE, start=11)} | {"FORMER": 99}


@pytest.fixture(scope="module")
def organizations() -> Organizations:
    return Organizations.build(TREE, IDS)


def test_under_holds_the_unit_and_all_its_descendants(organizations: Organizations) -> None:
    assert organizations.under(12) == {12, 13, 14, 15}
    assert organizations.under(14) == {14}


def test_above_goes_from_the_nearest_to_the_top(organizations: Organizations) -> None:
    assert organizations.above(14) == (13, 12)
    assert organizations.above(12) == ()


def test_a_unit_works_by_its_own_calendar_else_by_that_of_the_nearest_unit_above() -> None:
    rows = (
        unit("TOP"),
        unit("BUREAU", "TOP", calendar_code="bureau"),
        unit("SECTION", "BUREAU", calendar_code=" "),
        unit("TEAM", "SECTION"),
        unit("NIGHT", "SECTION", calendar_code="night"),
    )
    tree = Organizations.build(rows, {row.code: n for n, row in enumerate(rows)} | {"FORMER": 9})
    assert [tree.calendar_code(n) for n in range(5)] == [None, "bureau", "bureau", "bureau", "night"]
    assert tree.calendar_code(9) is None


@pytest.mark.parametrize("code", ["a/b", "two words"])
def test_a_calendar_that_no_row_could_name_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="calendar_code"):
        unit("BUREAU", calendar_code=code)


def test_children_are_direct_ones_and_tops_have_no_parent(organizations: Organizations) -> None:
    assert organizations.children(12) == (15, 13)  # by code: CLOSED before SECTION
    assert organizations.children(None) == (12, 11)
    assert organizations.children(14) == ()


def test_a_unit_of_an_earlier_release_keeps_its_id_but_has_no_row(organizations: Organizations) -> None:
    assert organizations.id_of("FORMER") == 99
    assert organizations.by_id(99) is None
    assert organizations.under(99) == {99}
    assert organizations.name(99) == "FORMER"
    assert organizations.name(12) == organizations.name_of("BUREAU") == "玄武区房产局"
    assert organizations.code_of(12345) is None


def test_of_area_gives_active_units_of_the_type(organizations: Organizations) -> None:
    assert [row.code for row in organizations.of_area("320102")] == ["BUREAU", "CENTRE", "SECTION"]
    assert [row.code for row in organizations.of_area("320102002", "grid_team")] == ["TEAM"]
    assert organizations.of_area("320102002", "department") == ()


@pytest.mark.parametrize(
    ("words", "id_"),
    [
        ("玄武区房产局", 12),
        (" 区房产局 ", 12),
        ("bureau", 12),
        # the section's name has the bureau's in it: the section is meant
        ("举报玄武区房产局物业科不作为", 13),
        ("玄武区房产局某科的工作人员", 12),
        ("不知道哪个单位", None),
        ("", None),
    ],
)
def test_find_names_one_unit_or_none(organizations: Organizations, words: str, id_: int | None) -> None:
    assert organizations.find(words) == id_


def test_find_does_not_choose_between_units_of_the_same_name() -> None:
    twins = (unit("A", name="第一网格队"), unit("B", name="第一网格队"))
    assert Organizations.build(twins, {"A": 1, "B": 2}).find("第一网格队") is None


def test_two_units_named_in_one_text_are_left_to_a_person(organizations: Organizations) -> None:
    assert organizations.find("玄武区房产局和TEAM单位互相推诿") is None


def test_faults_name_repeated_codes_unknown_parents_and_loops() -> None:
    rows = (unit("A", "C"), unit("B", "A"), unit("C", "B"), unit("D", "GONE"), unit("D", "GONE"))
    told = "\n".join(organization_faults(rows))
    assert "D 出现 2 次" in told
    assert "GONE 不存在" in told
    assert told.count("成了环") == 3


def test_build_refuses_faulty_rows_and_units_without_an_id() -> None:
    with pytest.raises(ValueError, match="不存在"):
        Organizations.build((unit("A", "GONE"),), {"A": 1})
    with pytest.raises(ValueError, match="还没有内部编号"):
        Organizations.build((unit("A"),), {})


def test_roles_of_files_are_those_of_the_database() -> None:
    assert ROLES == DATABASE_ROLES


def test_seats_are_taken_apart_each_once() -> None:
    row = UserRow.model_validate(
        {
            "username": "u1",
            "display_name": "一号",
            "org_code": "A",
            "seats": "operator@320102| supervisor |operator@320102",
        }
    )
    assert row.seatings == (Seating("operator", "320102"), Seating("supervisor", ""))


def test_an_unknown_role_is_refused_and_the_password_never_shown() -> None:
    with pytest.raises(ValueError, match="没有“mayor”这种席位"):
        UserRow.model_validate({"username": "u1", "display_name": "一号", "org_code": "A", "seats": "mayor"})
    row = UserRow(username="u1", display_name="一号", org_code="A", password="not-for-logs")
    assert "not-for-logs" not in repr(row)
