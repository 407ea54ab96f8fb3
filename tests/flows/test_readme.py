"""The READMEs' commands are ones that the service knows: paths, actions, bodies, commands, targets."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.acts.action import Resource
from app.acts.permissions import ACTIONS
from app.cli import _COMMANDS
from app.clocks.calendar import CHINA_TIME
from app.core.settings import Settings
from app.intake.channels import CHANNELS, MalformedMessage
from app.intake.channels.channel import ClientTraits
from app.main import create_app

ROOT = Path(__file__).parent.parent.parent
READMES = ("README.md", "README.zh-CN.md")
PAGES = (*READMES, "CONTRIBUTING.md", "ARCHITECTURE.md", "docs/glossary.md", "docs/sources.md")
#: what ``-d`` and its like make of a request without ``-X``
_WITH_BODY = ("-d", "--data-binary")
#: when the walk's answers were taken; call times may not lie in the future
_WALKED_AT = datetime(2026, 11, 22, 15, 0, tzinfo=CHINA_TIME)
_RESOURCES: dict[str, Resource] = {"events": "event", "work-orders": "work_order", "reports": "report"}


@dataclass(frozen=True)
class Call:
    """One ``curl`` call: its method, the path below ``$B``, the names of its query, its data."""

    method: str
    path: str
    query: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def body(self) -> Any:
        return json.loads(self.data[0]) if self.data else {}


def bash_of(readme: str) -> str:
    """All that a reader is told to type."""
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", (ROOT / readme).read_text(), flags=re.M | re.S))


def calls_of(bash: str) -> Iterator[Call]:
    """The calls among it."""
    # What opens and ends a substitution or a command would otherwise stick to its neighbours.
    words = shlex.split(re.sub(r"\$\(curl|;", lambda found: " curl" if "curl" in found[0] else " ; ", bash))
    starts = [n for n, word in enumerate(words) if word == "curl"]
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        call = words[start:end]
        url = next(word for word in call if word.startswith("$B"))
        path, _, query = url.removeprefix("$B").partition("?")
        data = tuple(call[n + 1] for n, word in enumerate(call) if word in _WITH_BODY)
        method = call[call.index("-X") + 1] if "-X" in call else "POST" if data else "GET"
        yield Call(method, path, tuple(part.partition("=")[0] for part in query.split("&") if part), data)


CALLS = list(calls_of(bash_of("README.md")))
ACTS = [call for call in CALLS if "/actions/" in call.path]
MESSAGES = [call for call in CALLS if call.path.startswith("/intake/") and call.method == "POST"]


def named(calls: list[Call]) -> Any:
    """Parameters with readable names; the same call may stand in the README twice."""
    return [pytest.param(call, id=f"{n}-{call.method}-{call.path}") for n, call in enumerate(calls)]


@pytest.fixture(scope="module")
def routes() -> dict[str, dict[str, Any]]:
    """The documented paths of the API, with their operations."""
    documented: dict[str, dict[str, Any]] = create_app(Settings(demo=True)).openapi()["paths"]
    return documented


def test_the_walk_is_there() -> None:
    assert len(ACTS) > 8
    assert {message.path for message in MESSAGES} >= {"/intake/hotline-12345", "/intake/hotline-12345/batch"}


def test_both_languages_tell_the_same_to_type() -> None:
    assert bash_of("README.zh-CN.md") == bash_of("README.md")


@pytest.mark.parametrize("call", named(CALLS))
def test_a_path_is_documented(call: Call, routes: dict[str, dict[str, Any]]) -> None:
    found = {}
    for path, operations in routes.items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", path)
        if re.fullmatch(pattern, f"/api/v1{call.path}") and call.method.lower() in operations:
            found = operations[call.method.lower()]
    assert found, f"no {call.method} {call.path}"
    assert set(call.query) <= {parameter["name"] for parameter in found.get("parameters", ())}


@pytest.mark.parametrize("call", named(ACTS))
def test_an_act_is_known_and_takes_its_body(call: Call) -> None:
    resource, _, _, name = call.path.strip("/").split("/")
    # The digest of a picture is put in by the shell.
    text = json.dumps(call.body).replace("$PHOTO", "0" * 64)
    ACTIONS[_RESOURCES[resource]][name].body.model_validate_json(text)


@pytest.mark.parametrize("call", named(MESSAGES))
def test_a_message_reads_as_the_text_says(call: Call) -> None:
    channel, body = CHANNELS[call.path.split("/")[2]], call.body
    if call.path.endswith("/batch"):
        good, bad = body["reports"]
    else:
        good, bad = (None, body) if body["orderNum"] == "GD 1" else (body, None)
    if good is not None:
        channel.parse(good, ClientTraits(), now=_WALKED_AT)
    if bad is not None:
        with pytest.raises(MalformedMessage) as refused:
            channel.parse(bad, ClientTraits(), now=_WALKED_AT)
        assert f"有 {len(refused.value.faults)} 处错误" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("readme", [*READMES, "CONTRIBUTING.md"])
def test_commands_and_targets_exist(readme: str) -> None:
    text = (ROOT / readme).read_text()
    told = bash_of(readme) + "".join(re.findall(r"`[^`\n]+`", text))
    commands = set(re.findall(r"(?:^|[`/ ])bihuan ([a-z]+)\b", told, flags=re.M))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert commands <= set(_COMMANDS)
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.M)) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert [link for link in links if not (folder / link).exists()] == []
