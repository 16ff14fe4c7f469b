"""WSGI's `start_response` (PEP 3333): its rules, and the response that it begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unigate.memo import Memo

from .response_fields import response_headers
from .responses import Response, check_status

if TYPE_CHECKING:
    from .body_length import BodyLength

# Most bodies need no counting, and to read a Content-Length takes longer than to compare it.
UNREAD: Any = object()
_BEFORE_START = "The application sent a part of the body before it called start_response."


def check_iterable(body: object) -> None:
    """Raise a TypeError that says what an application must return, if its body is not iterable."""
    if not (hasattr(body, "__iter__") or hasattr(body, "__getitem__")):
        advice = "If it is a factory, pass what it returns."
        if body is None:
            advice = "Is `return` missing in it, or in the middleware around it?"
        raise TypeError(
            f'A WSGI application must return an iterable of bytes, such as [b"..."], got {body!r}. '
            f"{advice}"
        )


class StartedResponse(Response):
    """A response in progress; its status is 0 until `start_response` is called.

    Attributes:
        chunks: The parts of the body so far.
        counter: What `length` returns, UNREAD until it is asked for.
    """

    __slots__ = ("chunks", "counter")

    def __init__(self) -> None:
        self.status = 0
        self.chunks: list[bytes] = []
        self.counter: BodyLength | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Set the status and the header fields; with `exc_info`, replace those not sent yet.

        Returns:
            The `write` callable of PEP 3333.
        """
        if exc_info:
            if any(self.chunks):
                raise exc_info[1].with_traceback(exc_info[2])
        elif self.status:
            raise RuntimeError("start_response was called a second time without exc_info.")
        elif self.chunks:
            raise _incomplete(_BEFORE_START)
        self.headers = response_headers(headers)
        self.counter = UNREAD
        self.status = _known_code(status) or _CODES.learn(status)
        return self.write

    @property
    def length(self) -> BodyLength | None:
        """The Content-Length and what is left of it, or None; read when it is asked for."""
        if self.counter is UNREAD:
            from .body_length import BodyLength  # few responses need it

            self.counter = BodyLength.of(self.headers)
        return self.counter

    def write(self, chunk: bytes) -> None:
        """Add a part of the body, up to its Content-Length."""
        if type(chunk) is not bytes:
            chunk = join_chunks([chunk])  # a copy, the application may use its buffer again
        if self.length is not None:
            chunk = self.length.fit(chunk)
        self.chunks.append(chunk)

    def check_started(self) -> None:
        """Raise IncompleteResponse if `start_response` was never called."""
        if not self.status:
            raise _incomplete("The application never called start_response.")


class LiveResponse(StartedResponse):
    """A response whose body is sent while the application makes it.

    `chunks` holds the first byte only: what matters is whether anything was sent.
    """

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[bytes], object]) -> None:
        super().__init__()
        self._send = send

    def write(self, chunk: bytes) -> None:
        """Send a part of the body, up to its Content-Length."""
        if not self.status:
            raise _incomplete(_BEFORE_START)
        data = join_chunks([chunk])
        if self.length is not None:
            data = self.length.fit(data)
        if data:
            self.chunks = self.chunks or [data[:1]]
            self._send(data)

    def close(self) -> None:
        """Forget where the body is sent, which may refer to this object."""
        del self._send

    def __repr__(self) -> str:
        return f"<LiveResponse {self.status}>"


def _incomplete(text: str) -> Exception:
    from unigate.errors import IncompleteResponse  # most replies do without the exceptions

    return IncompleteResponse(text)


def join_chunks(chunks: list[bytes]) -> bytes:
    """Return the chunks of a body as one; TypeError for one that is not bytes-like."""
    try:
        return b"".join(chunks)
    except TypeError as error:
        raise TypeError(f"A WSGI body must yield bytes: {error}.") from None


def status_code(status: str) -> int:
    """Return the code of a status such as "404 Not Found"."""
    if not isinstance(status, str):
        raise TypeError(f'A status must be str, as in "200 OK", got {status!r}.')
    code = status[:3]
    if not (code.isascii() and code.isdigit() and len(code) == 3 and status[3:4] in ("", " ")):
        raise ValueError(f'A status must begin with three digits, as in "200 OK", got {status!r}.')
    if "\r" in status or "\n" in status or "\0" in status:
        raise ValueError(f"A status must not contain a line break or NUL, got {status!r}.")
    return check_status(int(code))


_CODES = Memo(status_code)
_known_code = _CODES.get
