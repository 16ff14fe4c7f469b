"""A program that starts a built function as its platform would, and asks it once.

    python -I -S smoke_probe.py <JSON with the trial> <file for the status>

It imports nothing of unigate but what the function itself brings. The trial has "platform", the
"folder" of the function, the "path" of its packages, and for each platform what its function below
reads. An exception ends the program with its traceback.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


def main(trial: dict[str, Any], report: str) -> None:
    """Ask the function, and write the status of its answer to a file."""
    os.chdir(trial["folder"])
    sys.path[:0] = trial["path"]
    status = _PLATFORMS[trial["platform"]](trial)
    Path(report).write_text(json.dumps(status), "utf-8")
    sys.stderr.flush()
    os._exit(0)  # without a wait for threads of the application


class _Context:
    """Lambda's context object (AWS, Lambda developer guide, "Context object for Python")."""

    function_name = "function"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    memory_limit_in_mb = "512"
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    log_group_name = "/aws/lambda/function"
    log_stream_name = "stream"
    identity = None
    client_context = None

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def _aws(trial: dict[str, Any]) -> int:
    module, _, name = trial["handler"].partition(":")
    handler = getattr(importlib.import_module(module), name)
    return int(handler(trial["event"], _Context())["statusCode"])


def _google(trial: dict[str, Any]) -> int:
    framework = importlib.import_module("functions_framework")
    client = framework.create_app("main", trial["file"]).test_client()
    return int(client.get("/").status_code)


def _azure(trial: dict[str, Any]) -> int:
    azure = importlib.import_module("azure.functions")
    (function,) = importlib.import_module("function_app").app.get_functions()
    request = azure.HttpRequest("GET", "https://example.org/", body=b"")
    return int(function.get_user_function()(request, None).status_code)


def _vercel(trial: dict[str, Any]) -> int:
    modules = [_load(file) for file in trial["files"]]
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        statuses.append(status)
        return lambda data: None

    body = modules[0].app(_environ(), start_response)
    list(body)
    return int(statuses[-1].split()[0])


def _load(file: str) -> ModuleType:
    """Return the module of a file, whose name may be no identifier."""
    spec = spec_from_file_location(file.removesuffix(".py").replace("/", "."), file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _environ() -> dict[str, Any]:
    """Return the environ of a request for "/" (PEP 3333)."""
    return {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
        "SERVER_NAME": "example.org", "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "example.org", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip


_PLATFORMS = {"aws": _aws, "google": _google, "azure": _azure, "vercel": _vercel}

if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2])
