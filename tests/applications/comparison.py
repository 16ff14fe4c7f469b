"""What of two answers must be the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.servers.client import Answer, Fields, ask
from tests.servers.processes import Server

from . import visits

# What reaches applications in place of a request, by the name of the platform.
Instead = Callable[[str, Fields], Mapping[str, tuple[str, Fields]]]


class Exchange(NamedTuple):
    """A request and its answer.

    Attributes:
        target: The target without the prefix of the site.
        instead: The answer to what reaches applications on a platform in place of the request,
            by the name of the platform.
    """

    method: str
    target: str
    fields: Fields
    answer: Answer
    instead: Mapping[str, Answer]

    def __str__(self) -> str:
        fields = {name: value for name, value in self.fields if name not in ("Cookie", "Accept")}
        return constant(f"{self.method} {self.target} {fields or ''}".rstrip())


def visit(
    site: visits.Visit, server: Server, prefix: str, instead: Instead | None = None
) -> list[Exchange]:
    """Ask a site what its visit asks, and return all that was said.

    Args:
        instead: For the site without a platform: what reaches applications on platforms.
    """
    exchanges: list[Exchange] = []

    def asked(method: str, target: str, fields: Fields = (), body: bytes = b"") -> Answer:
        answer = ask(server.port, prefix + target, method, fields, body)
        others = {
            host: ask(server.port, prefix + other, method, changed, body)
            for host, (other, changed) in (instead(target, fields) if instead else {}).items()
        }
        exchanges.append(Exchange(method, target, fields, answer, others))
        return answer

    site(asked)
    return exchanges


# Fields about the connection, which is a server's own affair.
OF_SERVERS = {"connection", "keep-alive", "server", "transfer-encoding", "via"}

# What differs from one process or second to the next, and what stands there in its place.
VARYING = [
    # The files have one date, in November 2023.
    (r"\w{3}, \d\d (?!Nov 2023)\w{3} \d{4} \d\d:\d\d:\d\d GMT", "<a date>"),
    (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+]00:00)", "<a date>"),
    (r'(data-w-tooltip-content-value=")[^"]+', r"\1<a date>"),
    (r"\b[0-9a-f]{32}\b", "<32 hexadecimal digits>"),
    (r'(csrftoken=|csrfmiddlewaretoken" value="|"CSRF_TOKEN": ")\w+', r"\1<a token>"),
    (r"(sessionid=|messages=)[^; ]+", r"\1<a value>"),
    (r"(Queries took |query_ms\": |query_ms&#34;: )\d+\.\d+", r"\1<a time>"),
    (r"ns/sync/[0-9a-f]{64}", "ns/sync/<64 hexadecimal digits>"),
    (r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "<a date>"),
    # WsgiDAV: tags of the inode, the time and the size; the space on the disk.
    (r"\b\d+-1700000000-", "<an inode>-1700000000-"),
    (r"\b\d{4,}-(?!1700000000)\d{10}-(\d+)\b", r"<an inode>-<a time>-\1"),
    (r"(quota-(used|available)-bytes>)\d+", r"\1<a number>"),
    (r"(?<=The response is too large: )\d+", "<a number of>"),
    (r"opaquelocktoken:[^<> ]+", "opaquelocktoken:<a token>"),
]


def comparable(answer: Answer) -> Answer:
    """Return an answer without what may differ, its fields in the order of their names."""
    length = str(len(answer.body))
    fields = [
        (name, "<of the body>" if (name, value) == ("content-length", length) else constant(value))
        for name, value in sorted(answer.headers, key=lambda field: field[0])
        if name not in OF_SERVERS
    ]
    return Answer(answer.status, fields, constant(answer.body.decode("latin-1")).encode("latin-1"))


def constant(text: str) -> str:
    """Return a text with the values that differ replaced."""
    for pattern, replacement in VARYING:
        text = re.sub(pattern, replacement, text)
    return text


def differences(wanted: Sequence[tuple[Exchange, Answer]], got: Sequence[Exchange]) -> list[str]:
    """Return each difference between wanted answers and those that came."""
    asked = [str(exchange) for exchange, _ in wanted]
    if [str(exchange) for exchange in got] != asked:
        return [f"other requests followed from the answers: {[str(exchange) for exchange in got]}"]
    return [
        f"{about}: {difference}"
        for about, (_, right), exchange in zip(asked, wanted, got, strict=True)
        for difference in _differences(comparable(right), comparable(exchange.answer))
    ]


def _differences(right: Answer, answer: Answer) -> Iterator[str]:
    if right.status != answer.status:
        yield f"the status is {answer.status}, not {right.status}"
    if right.headers != answer.headers:
        yield f"the fields are {answer.headers}, not {right.headers}"
    if right.body != answer.body:
        same = next(
            (
                n
                for n, pair in enumerate(zip(right.body, answer.body, strict=False))
                if len(set(pair)) > 1
            ),
            0,
        )
        part = slice(max(0, same - 40), same + 120)
        yield f"the body has {answer.body[part]!r}, not {right.body[part]!r}"
