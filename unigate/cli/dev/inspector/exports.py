"""Exports of an exchange: a curl command, a pytest test, an event, a folder of events.

An export is pasted into a terminal or a file of code, so no text of a request may become code in
it. A terminal without bracketed paste acts on control characters even within quotes, so none is
written.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from binascii import b2a_base64
from pathlib import Path
from pprint import pformat
from typing import Any
from urllib.parse import unquote

from unigate import Request, Response
from unigate.http import is_token, remove_path_prefix

from .exchanges import Exchange
from .secret_names import MASK

# The fields that a client adds by itself.
_AUTOMATIC = ("host", "content-length", "connection")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_MOST_ASSERTED = 2000  # bytes of a body
_MOST_BRACKETS = 50  # nested ones that a Python file may have: its parser stops at 200


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
    url = origin_of(request) + request.target
    if "/." in request.target:
        words.append("--path-as-is")
    if set("[]{}") & set(url):
        words.append("--globoff")
    if request.method == "HEAD":
        words.append("--head")
    elif request.method != ("POST" if has_body else "GET"):
        words += ["--request", request.method]
    fields = [
        (name, value)
        for name, value in request.headers
        if name not in _AUTOMATIC and is_token(name)  # curl would read a file named in "@name"
    ]
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
    return before + " ".join(map(_word, [*words, url]))


def _text(body: bytes) -> str:
    """Return a body as a shell argument; raise ValueError if it cannot be one."""
    text = body.decode("utf-8")
    if not text.replace("\n", "").isprintable():
        raise ValueError
    return text


def _word(text: str) -> str:
    """Quote a word for a POSIX shell, which adds what is not printable by itself.

    No argument of a program can contain a NUL, which is left out.
    """
    if text.replace("\n", "").isprintable():
        return shlex.quote(text)
    content = text.replace("\0", "").encode("utf-8", "replace")
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 :/=-_.,;"
    octal = "".join(chr(byte) if byte in safe else f"\\0{byte:03o}" for byte in content)
    return f"\"$(printf %b '{octal}')\""


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
        f"def test_{_slug(request, '_').lower()}() -> None:\n"
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
            expected = pformat(_json(response.body), width=80, sort_dicts=False)
            lines.append("response.json() == " + expected.replace("\n", "\n    "))
        except ValueError:
            lines.append(f"response.content == {response.body!r}")
    return "".join(f"    assert {line}\n" for line in lines)


def _json(body: bytes) -> Any:
    """Return a body's JSON; ValueError if there is none that a Python literal can express."""
    if body.count(b"[") + body.count(b"{") > _MOST_BRACKETS:
        raise ValueError

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(number)
        return float(number)

    return json.loads(body, parse_constant=finite, parse_float=finite)


def as_event(exchange: Exchange) -> str:
    """Return the event as JSON for `unigate invoke --event`."""
    return _event_text(exchange.event)


def _event_text(event: Any) -> str:
    try:
        return json.dumps(event, indent=2) + "\n"
    except RecursionError:  # json's C code, which does not indent, can write deeper values
        return json.dumps(event) + "\n"


class Recorder:
    """A folder of events for `unigate invoke`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        numbers = (re.match(r"\d+", file.name) for file in folder.iterdir())
        self._last = max((int(number[0]) for number in numbers if number), default=0)

    def save(self, request: Request, event: Any) -> None:
        """Write the event of a request to a new file; existing files are never overwritten."""
        name = f"{_slug(request, '-')}.json"
        while True:
            self._last += 1
            path = self._folder / f"{self._last:04d}-{name}"
            try:
                number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:  # created by another thread or server
                continue
            with open(number, "w", encoding="utf-8") as file:
                file.write(_event_text(event))
            return


def _slug(request: Request, dash: str) -> str:
    """Return the method and the path in ASCII letters and digits, with dashes of a kind between."""
    method = re.findall(r"[A-Za-z0-9]+", request.method[:20])
    words = re.findall(r"[a-z0-9]+", unquote(request.path).lower())
    return f"{dash.join(method)}{dash}{dash.join(words)[:60].strip(dash) or 'root'}"
