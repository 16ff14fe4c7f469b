"""A request in a form, and the request that an edited form stands for.

What is shown masked and is not touched is sent as it was.
"""

from __future__ import annotations

from typing import Any

from unigate import Request
from unigate.emulator import make_request

from .exports import readable, target_of, url_of
from .masking import MASK
from .sections import MOST_SHOWN


class Form:
    """What can be edited of a request; `body` is None where it is no text, or too long to edit."""

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.target = target_of(request)
        self.headers = "\n".join(f"{name}: {readable(value)}" for name, value in request.headers)
        self.body: str | None = None
        try:
            # As a browser's text area gives it back.
            text = request.body.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            return
        if len(text) < MOST_SHOWN:
            self.body = text


def edited(sent: Request, form: Form, given: dict[str, Any]) -> Request:
    """Return a request as it was edited in a form; ValueError says what is wrong with it.

    form: what was shown of `sent`.
    """
    target, body = _text(given, "target"), given.get("body")
    if target == form.target:
        target = target_of(sent)
    if not target.startswith("/"):
        raise ValueError("A path begins with /.")
    content = sent.body if body in (None, form.body) else _text(given, "body").encode("utf-8")
    fields = _fields(sent, form, _text(given, "headers"))
    for text in (target, content.decode("latin-1"), *(value for _, value in fields)):
        if MASK in text:
            raise ValueError(f"Write what shall be sent in place of {MASK}.")
    method = _text(given, "method").strip().upper()
    if not method.replace("-", "").isalpha():
        raise ValueError("A method is a word, such as GET.")
    request = make_request(method, url_of(sent) + target, fields, content)
    request.client, request.source = sent.client, sent.source
    return request


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ValueError(f"There is no {name}.")
    return value


def _fields(sent: Request, form: Form, text: str) -> list[tuple[str, str]]:
    """Read header fields; the length is that of the body that there is then."""
    shown = dict(zip(form.headers.split("\n"), sent.headers, strict=False))
    fields: list[tuple[str, str]] = []
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = line.partition(":")
        if not (colon and name.strip()):
            raise ValueError(f'{line!r} is not "name: value".')
        new = (name.strip().lower(), value.strip().encode("utf-8").decode("latin-1"))
        fields.append(shown.get(line, new))
    return [field for field in fields if field[0] != "content-length"]
