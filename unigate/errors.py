"""The exceptions that unigate raises; wrong arguments raise TypeError or ValueError.

Their hierarchy::

    UnigateError
     ├─ UnknownEvent       no event source recognises the event
     ├─ InvalidEvent       the event contradicts itself; answered with status 400
     │   └─ TooLarge       the platform truncated the request body; answered with status 413
     ├─ FailedInvocation   the platform takes this response from the error of the invocation
     ├─ UnknownInterface   the object is not a WSGI or ASGI application
     ├─ LifespanFailed     the application failed to start
     ├─ IncompleteResponse the application ended without a complete response
     ├─ ApplicationAborted the application was cancelled, but not by its host
     └─ CacheError         the runtime cache is unreachable, and strict
         └─ LockError      a lock was not acquired in time, or is no longer held
"""

from __future__ import annotations


class UnigateError(Exception):
    """Base class of the exceptions that unigate raises."""


class UnknownEvent(UnigateError):
    """No event source recognises the event."""


class InvalidEvent(UnigateError):
    """The event contradicts itself, for example a body that is not the base64 it claims to be."""

    status = 400


class TooLarge(InvalidEvent):
    """The platform truncated the request body."""

    status = 413


class FailedInvocation(UnigateError):
    """The platform takes this response from the error of a failed invocation, and expects one."""

    @property
    def report(self) -> dict[str, str]:
        """What the platform reads in place of a reply."""
        return {"errorMessage": str(self), "errorType": type(self).__name__}


class UnknownInterface(UnigateError, TypeError):
    """The object is not a WSGI or ASGI application, or its interface cannot be determined."""


class LifespanFailed(UnigateError):
    """The application failed to start."""


class IncompleteResponse(UnigateError):
    """The application ended without sending a complete response."""


class ApplicationAborted(UnigateError):
    """The application ended with what no `except Exception` catches, but did not ask to exit.

    An example is a cancellation (`asyncio.CancelledError`) that its host did not ask for. What the
    application raised is the `__cause__`.
    """


class CacheError(UnigateError):
    """The runtime cache is unreachable, and the cache is configured to raise."""


class LockError(CacheError):
    """A lock of the cache was not acquired in time, or is not held, or no longer."""


def failure_of(error: BaseException) -> BaseException:
    """Return the error with which a request fails for what its application raised.

    An Exception, and what must end the process (or, with gevent, the request's greenlet), is
    returned itself. All else would end more than this request, hosts catch Exceptions only:
    ApplicationAborted takes its place. So it does for StopIteration, which no future takes.
    """
    if asks_to_exit(error) or (
        isinstance(error, Exception) and not isinstance(error, StopIteration)
    ):
        return error
    try:
        shown = repr(error)
    except RecursionError:  # groups within groups
        shown = type(error).__name__
    failure = ApplicationAborted(f"The application ended with {shown}.")
    failure.__cause__ = error
    return failure


def asks_to_exit(error: BaseException) -> bool:
    """Return True if an error, or one of its group, must end the process or a greenlet."""
    left = [error]
    while left:  # groups can be nested more deeply than calls can
        each = left.pop()
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
            continue
        exits = isinstance(each, (SystemExit, KeyboardInterrupt))
        if exits or type(each).__name__ == "GreenletExit":  # the server stops
            return True
    return False
