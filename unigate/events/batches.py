"""Batches of records, of which those that failed are delivered again: SQS, Kinesis, DynamoDB.

    @app.on_event("sqs")
    @each_record
    def order(record, context): ...

Records of S3, SES and SNS come in the same form; where one of them fails, the whole event does.
The event source mapping, or the pipe of EventBridge, must have `ReportBatchItemFailures`: without
it, AWS takes the reply for success. Source: the AWS Lambda developer guide, "Handling errors for an
SQS event source in Lambda" and "Configuring partial batch response with Kinesis Data Streams".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from unigate.http import json_object, json_text
from unigate.interfaces import is_async

from .handlers import registered
from .parameters import check_parameters
from .typed_events import check_kind, class_of_first, has_records, name_of, with_record_class

_log = logging.getLogger("unigate")
_KINDS = ("dynamodb", "kinesis", "sqs", "s3", "ses", "sns")


_Context = TypeVar("_Context")


def each_record(function: Callable[[Any, _Context], object]) -> Callable[[Any, _Context], Any]:
    """Return a function that handles a batch by calling this one for each record.

    A record for which it raises is logged, and reported to be delivered again. Where the order
    counts (FIFO queues, Kinesis, DynamoDB), so are all records after it, without a call.

    Args:
        function: Called with (record, context); it can be asynchronous. Its record can be
            annotated with a class of Powertools, such as `SQSRecord`. What it returns has no use.

    Returns:
        A function of (event, context) that returns the reply, a dict, or an awaitable of it. Its
        type is Any: mypy takes an asynchronous function with `dict[str, Any]` for a synchronous one
        as well, where overloads would tell them apart.

    Raises:
        TypeError: The function cannot be called like that, is registered already, or is annotated
            with a class for whole events; or, when it is registered, events of the kind have no
            such records.
    """
    check_parameters(function, "record", "context")
    _check_order(function)
    record_class = class_of_first(function)
    if record_class is not None and has_records(record_class):
        raise TypeError(
            f"{name_of(function)} must be annotated with a class for a record, got "
            f"{record_class.__name__}, which is for a whole event. Leave out @each_record to get "
            "that."
        )
    call = with_record_class(function, record_class)

    def handle(event: Any, context: Any) -> dict[str, Any]:
        batch = _Batch(event)
        for record in batch:
            try:
                call(record, context)
            except Exception as error:
                batch.fail(error)
        return batch.reply()

    async def handle_async(event: Any, context: Any) -> dict[str, Any]:
        batch = _Batch(event)
        for record in batch:
            try:
                await call(record, context)
            except Exception as error:
                batch.fail(error)
        return batch.reply()

    handler = handle_async if is_async(function) else handle
    # Not functools.wraps: the annotation of a record would be taken for that of the event.
    handler.__module__ = function.__module__
    handler.__qualname__ = getattr(function, "__qualname__", repr(function))
    handler.__doc__ = function.__doc__
    vars(handler)["check_kind"] = partial(_check_kind, function, record_class)
    return handler


def _check_order(function: Any) -> None:
    try:
        # It may take the whole events of a kind without records, such as EventBridge's.
        is_registered = not registered.get(function, set()).isdisjoint((*_KINDS, "*"))
    except TypeError:
        return
    if is_registered:
        raise TypeError(
            f"{name_of(function)} must be decorated before it is registered, or it gets whole "
            "events: put @each_record below @app.on_event(...)."
        )


def _check_kind(function: Any, record_class: type[Any] | None, kind: str) -> None:
    """Check that events of a kind have records that the function can take."""
    if kind not in (*_KINDS, "*"):
        raise TypeError(
            f"each_record must be used for SQS, Kinesis or DynamoDB, or for the records of S3, SES "
            f"or SNS: events of the kind {kind!r} have no such records. Register a function that "
            "takes the whole event."
        )
    check_kind(function, record_class, kind)


class _Batch:
    """The records of an event, one after the other, and the identifiers of those that failed."""

    def __init__(self, event: Any) -> None:
        records = event if isinstance(event, list) else json_object(event).get("Records")
        if not isinstance(records, list):
            raise TypeError(
                f"each_record must get an event with Records, got {type(event).__name__} with "
                f"{', '.join(map(repr, json_object(event))) or 'nothing'} in it."
            )
        self._records = records
        self._failed: list[str] = []
        self._current: str | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for record in self._records:
            self._current = _identifier(record)  # now: a function may change its record
            if self._current and self._failed and _in_order(record):
                self._failed.append(self._current)
            else:
                yield record

    def fail(self, error: Exception) -> None:
        """Report the current record; where that is impossible, raise its error for the batch."""
        if self._current is None:
            raise error
        _log.error("The record %s failed.", self._current, exc_info=error)
        self._failed.append(self._current)

    def reply(self) -> dict[str, Any]:
        """Return the reply to the event."""
        return {"batchItemFailures": [{"itemIdentifier": failed} for failed in self._failed]}


def _identifier(record: dict[str, Any]) -> str | None:
    """Return what AWS calls a record by; a pipe leaves out the member `kinesis` around it."""
    return (
        json_text(record.get("messageId"))
        or json_text(json_object(record.get("kinesis")).get("sequenceNumber"))
        or json_text(json_object(record.get("dynamodb")).get("SequenceNumber"))
        or json_text(record.get("sequenceNumber"))
    )


def _in_order(record: dict[str, Any]) -> bool:
    """Return True if records are delivered in order: by streams and FIFO queues."""
    queue = json_text(record.get("eventSourceARN")) or ""
    return "messageId" not in record or queue.endswith(".fifo")
