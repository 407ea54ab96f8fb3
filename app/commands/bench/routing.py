"""``bihuan bench routing FILE``: rules and suggestions learned from one part of real dispatches, tested on another."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from threadpoolctl import threadpool_limits

from app.commands.bench import routing_data as data
from app.commands.bench.routing_data import Part, Record
from app.commands.bench.routing_trial import PRECISION, Answer, Score, Trial, run, score

#: shares (0..1) that are aimed at: first, among the first three, first on the half that is surest
AIMS: Final = (0.66, 0.86, 0.88)

_out = Console()


def routing(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="真实派单记录，CSV，列同坪山区公开数据")],
    test: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="另一份同样列的记录：只用来检验；不写则五折和按时间向前"),
    ] = None,
) -> None:
    """派单准不准：规则和建议从一部分真实派单学得，经正式的派单程序在另一部分上检验。"""
    if not measure(file, test, _out):
        raise typer.Exit(1)


def measure(file: Path, test: Path | None, out: Console) -> bool:
    """Prints everything; False where the majority of the same run is not beaten. Raises Malformed (Chinese)."""
    records = data.read_records(file)
    splits = _splits(records, data.read_records(test) if test else None)
    for line in _about(file, test, records, splits):
        out.print(line, soft_wrap=True, highlight=False)
    found: dict[str, list[Trial]] = {name: [] for name in splits}
    with (
        Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out
        ) as progress,
        threadpool_limits(1),
    ):
        for name, parts in splits.items():
            task = progress.add_task(name, total=len(parts))
            for part in parts:
                found[name].append(run(part))
                progress.advance(task)
    answers = {name: [answer for trial in trials for answer in trial.answers] for name, trials in found.items()}
    out.print(_table("按承办单位（单位编码）比较", {name: score(each) for name, each in answers.items()}))
    out.print(
        _table(
            "按单位名称逐字比较：同一单位的两种写法算不同",
            {name: score(each, by_name=True) for name, each in answers.items()},
        )
    )
    for name, each in answers.items():
        out.print(_domains(name, each))
    for name, trials in found.items():
        for line in _learned(name, trials, answers[name]):
            out.print(line, soft_wrap=True, highlight=False)
    verdicts = [
        _verdict(name, score(each, by_name=by_name), by_name)
        for name, each in answers.items()
        for by_name in (False, True)
    ]
    for line, _ in verdicts:
        out.print(line, soft_wrap=True, highlight=False)
    return all(beaten for _, beaten in verdicts)


def _splits(records: Sequence[Record], tested: Sequence[Record] | None) -> dict[str, list[Part]]:
    if tested is not None:
        return {"另一份文件": [data.apart(records, tested)]}
    return {"五折": list(data.folds_of(records)), "按时间向前": list(data.forward_parts(records))}


def _about(file: Path, test: Path | None, records: Sequence[Record], splits: dict[str, list[Part]]) -> Iterator[str]:
    yield f"{file.name}：{len(records)} 件，{min(r.seen.on for r in records)} 至 {max(r.seen.on for r in records)}"
    if test is not None:
        part = splits["另一份文件"][0]
        yield (
            f"检验用 {test.name}：{len(part.tested)} 件；两份都有的编号只检验不学习，"
            f"因此剔除 {len(records) - len(part.training)} 件"
        )
    yield f"派单时已知、因而使用的列：{'、'.join(data.USED)}"
    yield (
        f"不用的列：property（试过，无助于判断），closure（办结后才有，根本不读），{data.KEY}（只用来分折）；"
        f"{'、'.join(data.LABELS)} 是答案，检验的一边只在最后比对时看"
    )
    if test is None:
        yield "五折：学习的一边可以有比被检验的更晚的派单；按时间向前：只用被检验各日之前的派单，分五段检验后一半"


def _table(title: str, found: dict[str, Score]) -> Table:
    table = Table(
        *("检验", "件数", "多数", "规则链", "首位", "前三", "把握大的一半", "交人"),
        title=title,
        caption="多数：同类多数派给谁（社区、街道、全区、中类、大类）；规则链：学得的规则全部经派单程序，不留给人；"
        "首位、前三：规则有把握的由规则定，其余按建议排序；交人的也计入",
        box=SIMPLE_HEAD,
    )
    for name, each in found.items():
        table.add_row(
            *(name, str(each.asked), f"{each.majority:.3f}", f"{each.by_rules:.3f}" if "编码" in title else ""),
            *(f"{each.top_1:.3f}", f"{each.top_3:.3f}", f"{each.half:.3f}", f"{each.people:.1%}"),
        )
    return table


def _domains(name: str, answers: Sequence[Answer]) -> Table:
    table = Table(
        "领域",
        "件数",
        "多数",
        "首位",
        "前三",
        "交人",
        "规则定的准确率",
        title=f"{name}：分领域（按编码）",
        box=SIMPLE_HEAD,
    )
    for domain, count in sorted(Counter(each.domain for each in answers).items(), key=lambda each: (-each[1], each[0])):
        found = score([each for each in answers if each.domain == domain])
        table.add_row(
            *(domain, str(count), f"{found.majority:.3f}", f"{found.top_1:.3f}", f"{found.top_3:.3f}"),
            *(f"{found.people:.1%}", f"{found.decided_right:.3f}" if found.people < 1 else "—"),
        )
    return table


def _learned(name: str, trials: Sequence[Trial], answers: Sequence[Answer]) -> Iterator[str]:
    found = score(answers)
    yield (
        f"{name}：学习 {_range(t.training for t in trials)} 件，得规则 {_range(t.rules for t in trials)} 条，"
        f"每次不超过 {max(t.learned_s for t in trials):.1f} 秒；规则自行决定 {1 - found.people:.1%}，"
        f"准确率 {found.decided_right:.3f}（学习时要求 {PRECISION}）；"
        f"派单程序最慢一次 {min(t.decided_per_s for t in trials):,.0f} 件/秒"
    )
    yield (
        f"{name}：把握（一个经校准的概率）平均 {found.confidence:.3f}，实际首位准确率 {found.top_1:.3f}；"
        f"把握大的一半平均 {found.half_confidence:.3f}，实际 {found.half:.3f}"
    )


def _range(numbers: Iterable[int]) -> str:
    found = sorted(set(numbers))
    return f"{found[0]}" if len(found) == 1 else f"{found[0]}–{found[-1]}"


def _verdict(name: str, found: Score, by_name: bool) -> tuple[str, bool]:
    """One line against the majority of the same run and the aims, and whether the majority is beaten."""
    how = "按名称" if by_name else "按编码"
    met = "，".join(
        f"{what} {value:.3f}（目标 {aim}，{'达到' if value >= aim else '未达到'}）"
        for what, value, aim in zip(
            ("首位", "前三", "把握大的一半"), (found.top_1, found.top_3, found.half), AIMS, strict=True
        )
    )
    beaten = found.top_1 > found.majority
    return f"{name}，{how}：{'胜过' if beaten else '未胜过'}多数（{found.majority:.3f}）；{met}", beaten
