"""Put the identifier of the current request on log records."""

from __future__ import annotations

import logging

from .background import current_invocation
from .client.request_ids import of_invocation
from .context import current_request_var


class RequestIDFilter(logging.Filter):
    """Sets `request_id` on each record: that of the current request, else `default`.

    Within a function for non-HTTP events it is the invocation's, such as AWS Lambda's
    `aws_request_id`. Add the filter to handlers: those of the root logger get the records of every
    library, while a logger's own filters do not see records of its children. A `request_id` that a
    record has stays.

    Args:
        default: The value where there is no identifier.
    """

    def __init__(self, default: str = "-") -> None:
        super().__init__()
        self.default = default

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attribute; let every record pass."""
        if not hasattr(record, "request_id"):
            request = current_request_var.get(None)
            found = request.request_id if request else of_invocation(current_invocation())
            record.request_id = found or getattr(record, "aws_request_id", None) or self.default
        return True
