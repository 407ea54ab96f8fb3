"""What benches and drills measure with: their messages, their client, their counting."""

import asyncio
import importlib
import sys
from datetime import UTC, datetime

import pytest

from app.commands.bench.ceiling import _literal
from app.commands.bench.intake import Phase, _speed_targets
from app.commands.bench.intake_load import Measured, Plan
from app.commands.drill.accounts import Counts
from app.commands.harness.keep_alive import NoAnswer, Target, _Link
from app.commands.harness.sample_messages import ChannelCode, Samples
from app.grid.datum import distance_m
from app.intake.channels import CHANNELS, ClientTraits

AT = datetime(2026, 3, 10, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize("channel", ["hotline-12345", "police-110", "snapshot"])
def test_every_sample_is_a_sound_message_of_its_channel(channel: ChannelCode) -> None:
    samples = Samples("T1")
    seen = set()
    for _ in range(60):
        sample = samples.next(channel, AT)
        report = CHANNELS[channel].parse(sample.body, ClientTraits(crs="gcj02"), now=AT)
        assert report.source_ref == sample.source_ref
        seen.add(sample.source_ref)
    assert len(seen) == 60


def test_samples_repeat_for_the_same_run_and_differ_between_seeds() -> None:
    first, again, other = Samples("T1"), Samples("T1"), Samples("T1", seed=1)
    assert [first.next("snapshot", AT) for _ in range(5)] == [again.next("snapshot", AT) for _ in range(5)]
    assert {first.next("snapshot", AT).source_ref for _ in range(50)}.isdisjoint(
        other.next("snapshot", AT).source_ref for _ in range(50)
    )


def test_joining_samples_tell_of_an_earlier_place() -> None:
    samples = Samples("T2", join_share=0.5)
    places: list[tuple[float, float]] = []
    near = 0
    for _ in range(200):
        body = samples.next("snapshot", AT).body
        place = (body["lon"], body["lat"])
        near += any(distance_m(place, known) < 15 for known in places)
        places.append(place)
    assert 60 < near < 150


async def test_an_answer_in_pieces_is_one_answer() -> None:
    link = _Link()
    link.answer = asyncio.get_running_loop().create_future()
    for piece in (b"HTTP/1.1 201 Created\r\nconte", b"nt-length: 5\r\n\r", b"\nhel"):
        link.data_received(piece)
        assert not link.answer.done()
    link.data_received(b"lo")
    assert await link.answer == (201, b"hello")


async def test_a_broken_link_leaves_nobody_waiting() -> None:
    link = _Link()
    link.answer = asyncio.get_running_loop().create_future()
    link.data_received(b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhel")
    link.connection_lost(None)
    with pytest.raises(NoAnswer):
        await link.answer


def test_a_request_carries_its_length_in_bytes() -> None:
    request = Target("http://127.0.0.1:8000", "abc").post_request("/x", "井盖".encode())
    assert request.startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer abc\r\n")
    assert b"Content-Length: 6\r\n\r\n" in request


def test_pgbench_finds_no_variable_in_a_value() -> None:
    literal = _literal('{"a":"b\'\\\\"}', "jsonb", {})
    assert ":" not in literal
    assert literal == "CAST(E'{\"a\"\\072\"b''\\\\\\\\\"}' AS jsonb)"
    assert _literal(None, "uuid", {}) == "CAST(NULL AS uuid)"
    assert _literal("x", "uuid", {"x": "fresh"}) == "fresh"


def _phase(name: str, *, clients: int, reports: int, latencies: list[float], statuses: dict[int, int]) -> Phase:
    plan = Plan(
        mode="batch" if name.startswith("批") else "closed",
        url="http://x", tokens={}, run="r", seed=0, clients=clients, seconds=1, join_share=0,
    )  # fmt: skip
    measured = Measured(
        seconds=1, cpu_seconds=0, latencies_ms=latencies, reports=reports, statuses=statuses, outcomes={},
        accepted=[], unanswered=0,
    )  # fmt: skip
    return Phase(name, plan, measured, ())


def test_targets_are_missed_where_a_number_is_just_short() -> None:
    quick = [10.0] * 100
    phases = {
        "8 个客户端": _phase("8 个客户端", clients=8, reports=300, latencies=quick, statuses={201: 300}),
        "32 个客户端": _phase("32 个客户端", clients=32, reports=224, latencies=quick, statuses={201: 224}),
        "每秒 60 件": _phase(
            "每秒 60 件", clients=64, reports=60, latencies=[10.0] * 98 + [60.0] * 2, statuses={503: 1}
        ),
        "批量": _phase("批量", clients=1, reports=1000, latencies=quick, statuses={}),
    }
    met = {target.name: target.met for target in _speed_targets(phases)}
    assert met == {"8 个客户端": True, "32 个客户端": False, "每秒 60 件": False, "批量": True, "出错": False}


def test_counts_name_what_is_missing_and_what_is_twice() -> None:
    sound = Counts(
        accepted=9, held=1, reports=9, unfounded=0, links=9, twice=0, events=8, without_report=0, miscounted=0
    )
    assert sound.faults(10) == []
    lost = Counts(
        accepted=9, held=0, reports=8, unfounded=0, links=8, twice=1, events=8, without_report=1, miscounted=0
    )
    assert lost.faults(10) == [
        "收件箱：9，应为 10",
        "上报件：8，应为 10",
        "收了两次的消息：1，应为 0",
        "没有上报件的事件：1，应为 0",
    ]


def test_a_bench_that_cannot_be_loaded_is_not_left_out_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.commands.bench.command", raising=False)
    monkeypatch.setitem(sys.modules, "app.commands.bench.lists", None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("app.commands.bench.command")
