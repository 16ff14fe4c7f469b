"""An exchange to take away: as a command for curl, a test for pytest, an event for a file."""

from __future__ import annotations

import json
import os
import re
import shlex
from binascii import b2a_base64
from pathlib import Path
from pprint import pformat
from urllib.parse import unquote

from unigate import Request, Response
from unigate.http import remove_path_prefix

from .exchanges import Exchange
from .masking import MASK

# What the client writes by itself.
_ITS_OWN = ("host", "content-length", "connection")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_MOST_ASSERTED = 2000


def target_of(request: Request) -> str:
    """Return a path with its query, as a request line has it."""
    query = request.query_string.decode("latin-1")
    return request.raw_path.decode("latin-1") + (f"?{query}" if query else "")


def url_of(request: Request) -> str:
    """Return the origin that a client has asked."""
    host, port = request.server
    return f"{request.scheme}://{request.headers.get('host') or f'{host}:{port}'}"


def readable(value: str) -> str:
    """Return the UTF-8 that Latin-1 text stands for, if it does."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def as_curl(exchange: Exchange) -> str:
    """Write the command that sends the same request."""
    request, body = exchange.sent, exchange.sent.body
    has_body = bool(body) or "content-length" in request.headers
    words = ["curl", "--include"]
    target = target_of(request)
    if "/." in target:
        words.append("--path-as-is")
    if set("[]{}") & set(target):
        words.append("--globoff")
    if request.method == "HEAD":
        words.append("--head")
    elif request.method != ("POST" if has_body else "GET"):
        words += ["--request", request.method]
    fields = [(name, value) for name, value in request.headers if name not in _ITS_OWN]
    words += [
        word
        for name, value in fields
        for word in ("--header", f"{name}: {readable(value)}" if value else f"{name};")
    ]
    for name in ("user-agent", "accept", *(["content-type"] if has_body else [])):
        if name not in request.headers:
            words += ["--header", f"{name}:"]  # which curl would add
    if "accept-encoding" in request.headers:
        words.append("--compressed")
    before = ""
    if has_body:
        try:
            words += ["--data-raw", _text(body)]
        except ValueError:
            before = f"echo {b2a_base64(body, newline=False).decode()} | base64 --decode | "
            words += ["--data-binary", "@-"]
    return before + shlex.join([*words, url_of(request) + target])


def _text(body: bytes) -> str:
    """Return a body as an argument can hold it; ValueError if none can."""
    if b"\0" in body:
        raise ValueError
    return body.decode("utf-8")


def as_test(exchange: Exchange, app: str, mount: str = "") -> str:
    """Write a test that asks the same and expects the same.

    app: what it imports; mount: where the host has that, and the test has not.
    """
    request = exchange.sent
    path, question, query = target_of(request).partition("?")
    rest = remove_path_prefix(path, mount)
    path = path if rest is None else rest or "/"
    arguments = [_literal(path + question + query)]
    call = request.method.lower()
    if request.method not in _METHODS:
        arguments.insert(0, _literal(request.method))
        call = "request"
    fields = [field for field in request.headers if field[0] not in _ITS_OWN]
    if fields:
        pairs = (f"({_literal(name)}, {_literal(value)})" for name, value in fields)
        listed = "".join(f"            {pair},\n" for pair in pairs)
        arguments.append(f"headers=[\n{listed}        ]")
    if request.body:
        arguments.append(f"data={request.body!r}")
    passed = "".join(f"        {argument},\n" for argument in arguments)
    return (
        f"from unigate.testing import Client\n\n\n"
        f"def test_{request.method.lower()}_{_slug(request, '_')}() -> None:\n"
        f"    client = Client(\n"
        f"        {_literal(app)},\n"
        f"        source={_literal(exchange.source)},\n"
        f"        base_url={_literal(url_of(request))},\n"
        f"    )\n"
        f"    response = client.{call}(\n{passed}    )\n" + _assertions(exchange.response)
    )


def _literal(text: str) -> str:
    """Write text as formatters like it."""
    literal = repr(text)
    return literal if '"' in text else f'"{literal[1:-1]}"'


def _assertions(response: Response | None) -> str:
    if response is None:
        return ""
    lines = [f"response.status_code == {response.status}"]
    if response.body and len(response.body) < _MOST_ASSERTED and MASK.encode() not in response.body:
        try:
            expected = pformat(json.loads(response.body), width=80, sort_dicts=False)
            lines.append("response.json() == " + expected.replace("\n", "\n    "))
        except ValueError:
            lines.append(f"response.content == {response.body!r}")
    return "".join(f"    assert {line}\n" for line in lines)


def as_event(exchange: Exchange) -> str:
    """Write the event as `unigate invoke --event` takes it."""
    return json.dumps(exchange.event, indent=2) + "\n"


class Recorder:
    """A folder in which every event is kept, with its secrets: it is there to be invoked again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        numbers = (re.match(r"\d+", file.name) for file in folder.iterdir())
        self._last = max((int(number[0]) for number in numbers if number), default=0)

    def save(self, exchange: Exchange) -> None:
        """Write an event into a file of its own, never over another."""
        name = f"{exchange.sent.method}-{_slug(exchange.sent, '-')}.json"
        while True:
            self._last += 1
            path = self._folder / f"{self._last:04d}-{name}"
            try:
                number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:  # by another thread, or another server
                continue
            with open(number, "w", encoding="utf-8") as file:
                file.write(as_event(exchange))
            return


def _slug(request: Request, dash: str) -> str:
    words = re.findall(r"[a-z0-9]+", unquote(request.path).lower())
    return dash.join(words)[:60].strip(dash) or "root"
