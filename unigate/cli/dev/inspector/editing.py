"""The form for editing a request, and the request made of an edited form.

Masked values that the user has not changed are sent unmasked.
"""

from __future__ import annotations

from typing import Any

from unigate import Request
from unigate.emulator import make_request
from unigate.http import is_token

from .exports import origin_of, readable
from .secret_names import MASK
from .sections import MOST_SHOWN


class Form:
    """The editable parts of a request; `body` is None if it is not text or too long."""

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.target = request.target
        self.headers = "\n".join(f"{name}: {readable(value)}" for name, value in request.headers)
        self.body: str | None = None
        try:
            # With the line ends that a browser's text area returns.
            text = request.body.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            return
        if len(text) < MOST_SHOWN:
            self.body = text


def edited(sent: Request, form: Form, fields: dict[str, Any]) -> Request:
    """Return the request of an edited form.

    Args:
        sent: The original request.
        form: The form of `sent` that the user has edited, masked or not.
        fields: The edited values by the names of the form's fields.

    Raises:
        ValueError: A value cannot be sent; the message is for the user.
    """
    target, body = _text(fields, "target"), fields.get("body")
    if target == form.target:
        target = sent.target
    if not target.startswith("/"):
        raise ValueError(f"The path must begin with /, got {target!r}.")
    content = sent.body if body in (None, form.body) else _text(fields, "body").encode("utf-8")
    headers = _headers(sent, form, _text(fields, "headers"))
    for text in (target, content.decode("latin-1"), *(value for _, value in headers)):
        if MASK in text:
            raise ValueError(f"Replace {MASK} by the value to send.")
    method = _text(fields, "method").strip().upper()
    if not is_token(method):
        raise ValueError(f"The method must be an HTTP token such as GET, got {method!r}.")
    request = make_request(method, origin_of(sent) + target, headers, content)
    request.client, request.source = sent.client, sent.source
    return request


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {value!r}.")
    return value


def _headers(sent: Request, form: Form, text: str) -> list[tuple[str, str]]:
    """Parse header fields, without Content-Length: the edited body may have another one."""
    shown = dict(zip(form.headers.split("\n"), sent.headers, strict=False))
    fields: list[tuple[str, str]] = []
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = line.partition(":")
        if not (colon and name.strip()):
            raise ValueError(f'A header field must be "name: value", got {line!r}.')
        new = (name.strip().lower(), value.strip().encode("utf-8").decode("latin-1"))
        fields.append(shown.get(line, new))
    return [field for field in fields if field[0] != "content-length"]
