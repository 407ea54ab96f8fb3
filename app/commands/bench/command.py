"""``bihuan bench``: measurements on this machine, against our own stack or a running one."""

import typer

from app.commands.bench.clocks import clocks
from app.commands.bench.decisions import decisions
from app.commands.bench.intake import intake
from app.commands.bench.lists import lists
from app.commands.bench.preview import preview
from app.commands.bench.routing import routing
from app.commands.bench.simulate import simulate_command

app = typer.Typer(no_args_is_help=True, help="测量：时限、受理、列表、派单。")
app.command("clocks")(clocks)
app.command("decisions")(decisions)
app.command("intake")(intake)
app.command("lists")(lists)
app.command("preview")(preview)
app.command("routing")(routing)
app.command("simulate")(simulate_command)


@app.callback()
def _group() -> None:
    """测量：时限、受理、列表、派单。"""
