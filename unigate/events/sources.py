"""The table of event sources, in the order in which detection tries them.

To add a source, write its module (see `source.EventSource`) and put a row where it belongs: the
first source that matches an event reads it. The modules are imported when an event needs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unigate.types import Event

    from .source import EventSource


class SourceRow:
    """An event source and the members that mark its events.

    Every event of a source has at least one of its marks; a source without any is tried for every
    event that no earlier source took.

    Args:
        module: Name of the source's module in this package.
        marks: Members at the top of an event.
        context_marks: Members of an event's `requestContext`.
        context_below: A `requestContext` with fewer members than this is a mark too.
        also: Name for requests in the second format that the module reads.
    """

    __slots__ = ("_source", "also", "context_below", "context_marks", "marks", "module", "unmarked")

    def __init__(
        self,
        module: str,
        marks: Iterable[str] = (),
        *,
        context_marks: Iterable[str] = (),
        context_below: int = 0,
        also: str = "",
    ) -> None:
        self.module = module
        self.marks = frozenset(marks)
        self.context_marks = frozenset(context_marks)
        self.context_below = context_below
        self.also = also
        self.unmarked = not (self.marks or self.context_marks or context_below)
        self._source: EventSource | None = None

    @property
    def source(self) -> EventSource:
        """The source, imported on first use."""
        if self._source is None:
            self._source = import_module(f"{__package__}.{self.module}")
        return self._source


def first_match(rows: Iterable[SourceRow], event: Event) -> EventSource | None:
    """Return the first source that matches an event, asking only those whose marks it has."""
    members = event.keys()
    context = event.get("requestContext")
    about = context.keys() if isinstance(context, dict) else None
    for row in rows:
        if (
            row.unmarked
            or not members.isdisjoint(row.marks)
            or (
                about is not None
                and (len(about) < row.context_below or not about.isdisjoint(row.context_marks))
            )
        ):
            source = row.source
            if source.matches(event):
                return source
    return None


HTTP_API = SourceRow("http_api", ("rawPath",), also="function_url")
REST_API = SourceRow("rest_api", ("httpMethod",))

KIND_MARKS = frozenset(
    {
        *("Details", "Records", "ResponseURL", "_serverless-wsgi", "apiPath", "awslogs", "bot"),
        *("command", "deliveryStreamArn", "detail-type", "directive", "eventSource", "fieldName"),
        *("info", "manage", "methodArn", "raw_command", "records", "request", "routeArn", "source"),
        *("triggerSource", "user_data", "warmer"),
    }
)
"""`kinds.MARKS`, written out: `kinds` is not imported for events that have none of them."""
KIND_CONTEXT_MARKS = frozenset({"connectionId"})
"""The same for `kinds.CONTEXT_MARKS`."""

# Clients can put any member at the top of an OpenWhisk event, and CloudFront's events look like
# records: both are tried before an event is classified as a non-HTTP event.
BEFORE_KINDS = (
    SourceRow("openwhisk", ("__ow_method", "__ow_headers", "http"), also="digitalocean"),
    SourceRow("cloudfront", ("Records",)),
)
AFTER_KINDS = (
    HTTP_API,
    SourceRow("vercel", ("Action",)),
    SourceRow("alb", context_marks=("elb",)),
    SourceRow(
        "lattice",
        ("raw_path",),
        context_marks=("serviceNetworkArn", "serviceArn"),
        also="lattice_v1",
    ),
    SourceRow("alibaba", ("rawPath", "queryParameters")),
    SourceRow("netlify", ("rawUrl",)),
    SourceRow("tencent", ("queryString",), context_marks=("serviceId",)),
    SourceRow(
        "yandex",
        ("pathParams", "multiValueParameters", "operationId"),
        context_marks=("apiGateway",),
    ),
    SourceRow("huawei", context_below=5),
    SourceRow("scaleway", ("stageVariable",)),
    REST_API,
    SourceRow("lambda_integration", ("requestPath",)),
    SourceRow("yandex", ("httpMethod",)),  # direct calls have no path: REST API does not match
    SourceRow("vercel", ("body",)),  # without `Action`, its one member
    SourceRow("generic", ("httpMethod",)),
)
