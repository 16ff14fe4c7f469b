"""Call a handler with each event of a list on standard input, as AWS Lambda does; print replies.

A failure of the handler is null.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from types import SimpleNamespace


def main() -> None:
    replies_to = os.dup(1)
    os.dup2(2, 1)  # what gateways print is not a reply
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    context = SimpleNamespace(
        aws_request_id="invocation-1",
        function_name="site",
        function_version="$LATEST",
        invoked_function_arn="arn:aws:lambda:eu-west-1:1:function:site",
        memory_limit_in_mb=128,
        log_group_name="group",
        log_stream_name="stream",
        identity=None,
        client_context=None,
        get_remaining_time_in_millis=lambda: 3000,
    )
    replies = []
    for event in json.load(sys.stdin):
        try:
            replies.append(handler(event, context))
        except Exception:
            traceback.print_exc()
            replies.append(None)
    with open(replies_to, "w", encoding="utf-8") as file:
        json.dump(replies, file)


if __name__ == "__main__":
    main()
