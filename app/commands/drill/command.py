"""``bihuan drill``: what must hold when processes die, requests meet, releases come and clocks run out."""

import typer

from app.commands.drill.crash import crash
from app.commands.drill.publication import publication
from app.commands.drill.races import races
from app.commands.drill.recalculate import recalculate
from app.commands.drill.workers import workers

app = typer.Typer(no_args_is_help=True, help="演练：杀死进程、同时争抢、边上报边发布，逐件核对。")
app.command()(crash)
app.command()(publication)
app.command()(races)
app.command()(recalculate)
app.command()(workers)


@app.callback()
def _group() -> None:
    """演练：杀死进程、同时争抢、边上报边发布，逐件核对。"""
