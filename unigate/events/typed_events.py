"""Event classes of Powertools for AWS Lambda: given to functions whose annotation asks for one.

    @app.on_event("sqs")
    def orders(event: SQSEvent, context): ...

Source: `aws_lambda_powertools.utilities.data_classes`, whose classes take the event alone, and its
`parser.models`, pydantic models. So do classes derived from them. No other class is recognised:
calling one could do anything.
"""

from __future__ import annotations

import builtins
import logging
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

_log = logging.getLogger("unigate")

_POWERTOOLS = "aws_lambda_powertools"
_CLASSES = f"{_POWERTOOLS}.utilities.data_classes"
_MODELS = f"{_POWERTOOLS}.utilities.parser.models"

# The kinds of the events of each module of Powertools. Those of other modules are not told apart.
_KINDS: dict[str, tuple[str, ...]] = {
    "active_mq_event": ("activemq",),
    "api_gateway_authorizer_event": ("authorizer",),
    **dict.fromkeys(("api_gateway_websocket_event", "apigw_websocket"), ("websocket",)),
    **dict.fromkeys(("appsync_resolver_event", "appsync_resolver_events_event"), ("appsync",)),
    **dict.fromkeys(("appsync", "appsync_events"), ("appsync",)),
    **dict.fromkeys(("cloud_watch_logs_event", "cloudwatch"), ("logs",)),
    **dict.fromkeys(
        ("cloudformation_custom_resource_event", "cloudformation_custom_resource"),
        ("cloudformation",),
    ),
    **dict.fromkeys(("cognito_user_pool_event", "cognito"), ("cognito",)),
    "connect_contact_flow_event": ("connect",),
    **dict.fromkeys(("dynamo_db_stream_event", "dynamodb"), ("dynamodb",)),
    **dict.fromkeys(("event_bridge_event", "event_bridge"), ("eventbridge", "schedule")),
    **dict.fromkeys(("kafka_event", "kafka"), ("kafka",)),
    **dict.fromkeys(("kinesis_firehose_event", "kinesis_firehose"), ("firehose",)),
    **dict.fromkeys(("kinesis_stream_event", "kinesis"), ("kinesis",)),
    "rabbit_mq_event": ("rabbitmq",),
    **dict.fromkeys(("s3_event", "s3"), ("s3", "eventbridge")),
    **dict.fromkeys(("ses_event", "ses"), ("ses",)),
    **dict.fromkeys(("sns_event", "sns"), ("sns",)),
    **dict.fromkeys(("sqs_event", "sqs"), ("sqs",)),
    # Requests; authorizers and WebSockets have events of API Gateway's form.
    **dict.fromkeys(("api_gateway_proxy_event", "apigw", "apigwv2"), ("authorizer", "websocket")),
}
_HTTP = frozenset({"alb", "alb_event", "lambda_function_url", "lambda_function_url_event"}) | {
    *("vpc_lattice", "vpc_latticev2")
}


def with_event_class(function: Callable[..., Any], kind: str = "*") -> Callable[..., Any]:
    """Return a function that gets its event as the class that it is annotated with.

    Without such an annotation that is the function itself. Records from EventBridge Pipes, which
    come as a bare list, are passed to the class in the event that has them elsewhere; of a batch of
    AppSync, each event is of the class.

    Raises:
        TypeError: The class is out of reach, one of several, for events of another kind, or for
            records.
    """
    event_class = class_of_first(function)
    if event_class is None:
        return function
    if is_for_records(event_class):
        raise TypeError(
            f"{name_of(function)} must be annotated with a class for a whole event, got "
            f"{event_class.__name__}, which is for a record. To get the records of SQS, Kinesis, "
            "DynamoDB, S3, SES or SNS one by one, put @each_record below @app.on_event(...)."
        )
    check_kind(function, event_class, kind)
    return partial(_call, function, _reader(event_class))


def with_record_class(
    function: Callable[..., Any], record_class: type[Any] | None
) -> Callable[..., Any]:
    """Return a function that gets a record as a class, or the function itself for None."""
    if record_class is None:
        return function
    return partial(_call_with_record, function, _reader(record_class))


def _call(function: Callable[..., Any], read: Any, event: Any, *more: Any) -> Any:
    if isinstance(event, list):
        from . import pipes
        from .kinds import kind_of

        if kind_of(event) == "appsync":
            return function([read(each) for each in event], *more)
        event = pipes.as_event(event)
    return function(read(event), *more)


def _call_with_record(function: Callable[..., Any], read: Any, record: Any, *more: Any) -> Any:
    from .pipes import as_record

    return function(read(as_record(record)), *more)


def check_kind(function: Any, event_class: type[Any] | None, kind: str) -> None:
    """Check that the class of a function's annotation is for events of a kind.

    Raises:
        TypeError: It is for events of another kind.
    """
    if event_class is None or kind == "*":
        return
    kinds = _kinds_of(event_class)
    if kinds is not None and kind not in kinds:
        use = "HTTP requests" if not kinds else " and ".join(map(repr, kinds))
        raise TypeError(
            f"{name_of(function)} must be annotated with a class for events of the kind {kind!r}, "
            f"got {event_class.__name__}, which is for {use}."
        )


def _kinds_of(event_class: type[Any]) -> tuple[str, ...] | None:
    """Return the kinds of event that a class is for: () for HTTP requests, None if unknown."""
    for base in event_class.__mro__:
        package, _, module = base.__module__.rpartition(".")
        if package in (_CLASSES, _MODELS):
            if module in _HTTP:
                return ()
            if module in _KINDS:
                return _KINDS[module]
    return None


def has_records(event_class: type[Any]) -> bool:
    """Return True for a class of events that have records, data class or model."""
    fields = getattr(event_class, "model_fields", {})
    return hasattr(event_class, "records") or not fields.keys().isdisjoint(("Records", "records"))


def is_for_records(event_class: type[Any]) -> bool:
    """Return True for a class of one record, or of a part of it, by its name in Powertools."""
    return not has_records(event_class) and any(
        "Record" in base.__name__
        for base in event_class.__mro__
        if base.__module__.startswith((_CLASSES, _MODELS))
    )


def class_of_first(function: Callable[..., Any]) -> type[Any] | None:
    """Return the class that the first parameter is annotated with, if Powertools defines it.

    Raises:
        TypeError: The class is out of reach, or one of several.
    """
    if sys.modules.keys().isdisjoint((_CLASSES, _MODELS)) and not _may_be_out_of_reach(function):
        return None  # there is nothing to find, and no time is lost
    from .annotations import OutOfReach, classes_of_first, globals_of

    try:
        found = [each for each in classes_of_first(function) if _reader(each) is not None]
    except OutOfReach as error:
        _report(error.name, function, globals_of(function))
        return None
    if len(found) > 1:
        classes = " and ".join(each.__name__ for each in found)
        raise TypeError(f"{name_of(function)} must be annotated with one class, got {classes}.")
    return found[0] if found else None


def _reader(annotation: Any) -> Callable[[Any], Any] | None:
    """Return what makes an object of a class of Powertools, None for any other class."""
    if not isinstance(annotation, type):
        return None
    for base in annotation.__mro__:
        if base.__module__.startswith(_CLASSES):
            return annotation
        if base.__module__.startswith(_MODELS):
            validate: Callable[[Any], Any] | None = getattr(annotation, "model_validate", None)
            return validate
    return None


def _may_be_out_of_reach(function: Any) -> bool:
    """Return True if the first annotation has a name without a value, maybe one of Powertools.

    Most annotations are settled here, without `inspect` and `ast`.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    is_bound = getattr(function, "__self__", None) is not None
    names = getattr(getattr(function, "__func__", function), "__globals__", {})
    try:
        text = function.__annotations__.get(next(iter(code.co_varnames[is_bound:]), ""))
    except NameError:  # Python evaluates annotations when they are read, from 3.14 on
        return _POWERTOOLS in _source_of(names)
    if not isinstance(text, str):
        return False
    used = re.findall(r"(?<![\w.])[^\W\d]\w*", text)
    unknown = [name for name in used if name not in names and not hasattr(builtins, name)]
    return bool(unknown) and _POWERTOOLS in _source_of(names)


def _report(name: str, function: Any, names: dict[str, Any]) -> None:
    """Refuse a class that is out of reach; warn of a name that nothing is known of."""
    from .annotations import import_of

    found = import_of(name, _source_of(names), names.get("__package__"))
    if found is None:
        _log.warning(
            "The name %r in the annotation of %s has no value in its module, so the function gets "
            "the event as it is. An event class must be imported or defined at the top of the "
            "module.",
            name,
            name_of(function),
        )
        return
    module, attribute = found
    value = getattr(sys.modules.get(module), attribute, None) if attribute else None
    if module.startswith(_POWERTOOLS) or _reader(value) is not None:
        raise TypeError(
            f"The annotation {name!r} of {name_of(function)} must have a value when the function "
            "is registered, but its import is for type checkers only, or in a function. Import it "
            f"from {module} at the top of the module, outside of `if TYPE_CHECKING:`."
        )


def _source_of(names: dict[str, Any]) -> str:
    """Return the source of the module with these names, "" if it is out of reach."""
    try:
        return names["__loader__"].get_source(names["__name__"]) or ""
    except (AttributeError, ImportError, KeyError, OSError, SyntaxError, UnicodeError):
        return ""


def name_of(function: Any) -> str:
    """Return a name for a function in a sentence."""
    return getattr(function, "__qualname__", None) or repr(function)
