"""Exports of an exchange: a curl command, a pytest test, an event, a folder of events."""

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

# The fields that a client adds by itself.
_AUTOMATIC = ("host", "content-length", "connection")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_MOST_ASSERTED = 2000  # bytes of a body


def origin_of(request: Request) -> str:
    """Return the origin that a request was sent to, such as "http://localhost:8000"."""
    host, port = request.server
    return f"{request.scheme}://{request.headers.get('host') or f'{host}:{port}'}"


def readable(value: str) -> str:
    """Decode a header value, which is Latin-1, as UTF-8 if it can be."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def as_curl(exchange: Exchange) -> str:
    """Return a curl command that sends the same request."""
    request, body = exchange.sent, exchange.sent.body
    has_body = bool(body) or "content-length" in request.headers
    words = ["curl", "--include"]
    target = request.target
    if "/." in target:
        words.append("--path-as-is")
    if set("[]{}") & set(target):
        words.append("--globoff")
    if request.method == "HEAD":
        words.append("--head")
    elif request.method != ("POST" if has_body else "GET"):
        words += ["--request", request.method]
    fields = [(name, value) for name, value in request.headers if name not in _AUTOMATIC]
    words += [
        word
        for name, value in fields
        for word in ("--header", f"{name}: {readable(value)}" if value else f"{name};")
    ]
    for name in ("user-agent", "accept", *(["content-type"] if has_body else [])):
        if name not in request.headers:
            words += ["--header", f"{name}:"]  # curl would add its own
    if "accept-encoding" in request.headers:
        words.append("--compressed")
    before = ""
    if has_body:
        try:
            words += ["--data-raw", _text(body)]
        except ValueError:
            before = f"echo {b2a_base64(body, newline=False).decode()} | base64 --decode | "
            words += ["--data-binary", "@-"]
    return before + shlex.join([*words, origin_of(request) + target])


def _text(body: bytes) -> str:
    """Return a body as a shell argument; raise ValueError if it cannot be one."""
    if b"\0" in body:
        raise ValueError
    return body.decode("utf-8")


def as_test(exchange: Exchange, app: str, mount: str = "") -> str:
    """Return the code of a test that sends the same request and expects the same response.

    Args:
        exchange: The request and its response.
        app: The import string of the application.
        mount: The prefix at which the host mounts it, and the test does not.
    """
    request = exchange.sent
    path, question, query = request.target.partition("?")
    rest = remove_path_prefix(path, mount)
    path = path if rest is None else rest or "/"
    arguments = [_literal(path + question + query)]
    call = request.method.lower()
    if request.method not in _METHODS:
        arguments.insert(0, _literal(request.method))
        call = "request"
    fields = [field for field in request.headers if field[0] not in _AUTOMATIC]
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
        f"        base_url={_literal(origin_of(request))},\n"
        f"    )\n"
        f"    response = client.{call}(\n{passed}    )\n" + _assertions(exchange.response)
    )


def _literal(text: str) -> str:
    """Return a string literal with the quotes that formatters choose."""
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
    """Return the event as JSON for `unigate invoke --event`."""
    return json.dumps(exchange.event, indent=2) + "\n"


class Recorder:
    """A folder of events for `unigate invoke`, secrets included."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        numbers = (re.match(r"\d+", file.name) for file in folder.iterdir())
        self._last = max((int(number[0]) for number in numbers if number), default=0)

    def save(self, exchange: Exchange) -> None:
        """Write the event of an exchange to a new file; existing files are never overwritten."""
        name = f"{exchange.sent.method}-{_slug(exchange.sent, '-')}.json"
        while True:
            self._last += 1
            path = self._folder / f"{self._last:04d}-{name}"
            try:
                number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:  # created by another thread or server
                continue
            with open(number, "w", encoding="utf-8") as file:
                file.write(as_event(exchange))
            return


def _slug(request: Request, dash: str) -> str:
    words = re.findall(r"[a-z0-9]+", unquote(request.path).lower())
    return dash.join(words)[:60].strip(dash) or "root"
