"""The handler that `unigate dev --stream` runs: its target, wrapped where it is no gateway.

The runtime takes a handler as Lambda does, and Lambda knows neither WSGI nor ASGI applications.
"""

from __future__ import annotations

import os

from unigate.cli.target import Unloadable, load
from unigate.lambda_runtime.api import RuntimeApi
from unigate.lambda_runtime.failures import Failure, Fault

_target = os.environ.pop("UNIGATE_DEV_TARGET")
try:
    app = load(_target)
except Unloadable as error:
    # It is for the process that has started this one to say, and not for the runtime's log as well.
    problem = error.message.removeprefix(f"{_target!r} cannot be loaded: ")
    fault = Fault("Unloadable", problem, trace=[error.trace])
    RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"]).init_failed(Failure(fault))
    os._exit(1)
