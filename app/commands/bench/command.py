"""``bihuan bench``: measurements on this machine, against our own stack or a running one."""

import importlib
from typing import Final

import typer

app = typer.Typer(no_args_is_help=True, help="性能测量：受理、列表。")

#: each needs much that the other does not
_COMMANDS: Final = {"intake": "app.commands.bench.intake", "lists": "app.commands.bench.lists"}


def _register() -> None:
    for name, module in _COMMANDS.items():
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
            continue
        app.command(name)(command)


_register()


@app.callback()
def _group() -> None:
    """性能测量：受理、列表。"""
