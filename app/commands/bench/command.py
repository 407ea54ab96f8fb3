"""``bihuan bench``: measurements on this machine, against our own stack or a running one."""

import typer

from app.commands.bench.intake import intake
from app.commands.bench.lists import lists

app = typer.Typer(no_args_is_help=True, help="性能测量：受理、列表。")
app.command("intake")(intake)
app.command("lists")(lists)


@app.callback()
def _group() -> None:
    """性能测量：受理、列表。"""
