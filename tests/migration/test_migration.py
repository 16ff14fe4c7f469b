"""Functions that come from other gateways: the same file before and after, the same answers.

Each is the file of a function as that gateway's documents write it, and the same file with unigate.
Both run in a process of their own, as a function does, and get the same events.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import samples
from unigate.types import Event

ROOT = Path(__file__).parents[2]
SECONDS = 60

Answer = tuple[int, dict[str, list[str]], bytes]


def event(name: str, change: Callable[[Event], object] | None = None) -> Event:
    """Return a sample without what one of the gateways cannot read."""
    made = samples.load(name)
    if change is not None:
        change(made)
    return made


def plain_http_api(made: Event) -> None:
    made["rawPath"] = made["requestContext"]["http"]["path"] = "/shelf/books"
    del made["requestContext"]["authorizer"]  # serverless-wsgi fails on null


def one_cookie_field(made: Event) -> None:
    made["multiValueHeaders"]["cookie"] = ["sid=9; lang=pt"]  # they join repeated ones otherwise


def query(**members: str) -> Callable[[Event], None]:
    def change(made: Event) -> None:
        plain_http_api(made)
        made["queryStringParameters"] = members
        made["rawQueryString"] = "&".join(f"{name}={value}" for name, value in members.items())

    return change


def single_query(name: str) -> Callable[[Event], None]:
    def change(made: Event) -> None:
        made["path"] = "/books"
        if "path" in made["requestContext"]:
            made["requestContext"]["path"] = f"/{made['requestContext']['stage']}/books"
        made["queryStringParameters"] = {name: "1"}
        if "multiValueQueryStringParameters" in made:
            made["multiValueQueryStringParameters"] = {name: ["1"]}

    return change


EVENTS = {
    "HTTP API": event("http_api/get", plain_http_api),
    "HTTP API, binary": event("http_api/get", query(image="1")),
    "HTTP API, redirect": event("http_api/get", query(away="1")),
    "function URL": event("http_api/function_url"),
    "REST API": event("rest_api/multi_value"),
    "REST API, one cookie": event("rest_api/multi_value", single_query("one")),
    "REST API, binary": event("rest_api/multi_value", single_query("image")),
    "REST API, redirect": event("rest_api/multi_value", single_query("away")),
    "REST API, custom domain": event("rest_api/custom_domain"),
    "REST API, sam local": event("rest_api/sam_local"),
    "integration: lambda": event("lambda_integration/get"),
    "integration: lambda, body": event("lambda_integration/post"),
    "ALB": event("alb/single_value"),
    "ALB, one cookie": event("alb/single_value", single_query("one")),
    "ALB, multiple values": event("alb/multi_value", one_cookie_field),
}
ALB = ("ALB", "ALB, multiple values")


class Move(NamedTuple):
    """A function before and after.

    Attributes:
        before: The files, by name; the handler is `main.handler`.
        after: The same with unigate.
        wrong: The events that the gateway fails on or answers wrongly, with the reason.
    """

    before: dict[str, str]
    after: dict[str, str]
    wrong: dict[str, str] = {}


MANGUM = """
from mangum import Mangum

from tests.migration.site import asgi_site

api = asgi_site("aws.event", "aws.context")
handler = Mangum(api)
"""
SERVERLESS_WSGI = """
import serverless_wsgi

from tests.migration.site import wsgi_site

site = wsgi_site("serverless.event", "serverless.context")


def handler(event, context):
    return serverless_wsgi.handle_request(site, event, context)
"""
APIG_WSGI = """
from apig_wsgi import make_lambda_handler

from tests.migration.site import wsgi_site

site = wsgi_site("apig_wsgi.full_event", "apig_wsgi.context")
handler = make_lambda_handler(site, binary_support=True)
"""
AWS_WSGI = """
import awsgi

from tests.migration.site import wsgi_site

site = wsgi_site("awsgi.event", "awsgi.context")


def handler(event, context):
    return awsgi.response(site, event, context, base64_content_types={"image/png"})
"""
# What `zappa deploy` writes of zappa_settings.json: {"dev": {"app_function": "site.site"}}.
ZAPPA_SETTINGS = """
APP_MODULE = "shop"
APP_FUNCTION = "application"
API_STAGE = "dev"
PROJECT_NAME = "shop"
LOG_LEVEL = "INFO"
DEBUG = False
BINARY_SUPPORT = True
DOMAIN = None
BASE_PATH = None
DJANGO_SETTINGS = None
EXCEPTION_HANDLER = None
CONTEXT_HEADER_MAPPINGS = {}
ENVIRONMENT_VARIABLES = {}
AWS_EVENT_MAPPING = {}
AWS_BOT_EVENT_MAPPING = {}
COGNITO_TRIGGER_MAPPING = {}
"""
ZAPPA_SITE = """
from tests.migration.site import {interface}_site

application = {interface}_site("lambda.event", "lambda.context")
"""
ZAPPA_AFTER = """
import unigate

handler = unigate.wrap("shop:application")
"""


def zappa(interface: str, wrong: dict[str, str]) -> Move:
    shop = {"shop.py": ZAPPA_SITE.format(interface=interface)}
    settings = {"zappa_settings.py": ZAPPA_SETTINGS}
    after = {"main.py": ZAPPA_AFTER}
    return Move(
        shop | settings | {"main.py": "from zappa.handler import lambda_handler as handler"},
        shop | after,
        wrong=wrong,
    )


def replaced(before: str, *changes: tuple[str, str]) -> dict[str, str]:
    """Return the file with unigate in place of the gateway."""
    for old, new in changes:
        assert old in before
        before = before.replace(old, new)
    return {"main.py": before}


def to_wrap(before: str, package: str, call: str) -> Move:
    return Move(
        {"main.py": before},
        replaced(before, (package, "import unigate"), (call, "handler = unigate.wrap(site)")),
    )


NOT_READ = dict.fromkeys(
    ("integration: lambda", "integration: lambda, body"), "It fails on the event."
)
ZAPPA_WRONG = {
    **NOT_READ,
    **dict.fromkeys(ALB, "It encodes the query again, and says https."),
    "REST API, sam local": "It says https.",
}
AWS_WSGI_ANSWERS = {
    *("REST API, one cookie", "REST API, binary", "REST API, redirect", "ALB, one cookie")
}
AWS_WSGI_WRONG = dict.fromkeys(
    EVENTS.keys() - AWS_WSGI_ANSWERS,
    "It fails on other events, decodes no path, and of several cookies sends the last.",
)
MOVES = {
    "Mangum": Move(
        {"main.py": MANGUM},
        replaced(
            MANGUM,
            ("from mangum import Mangum", "import unigate"),
            ("Mangum(api)", "unigate.wrap(api)"),
        ),
        wrong=NOT_READ,
    ),
    "Mangum with a base path": Move(
        {"main.py": MANGUM.replace("(api)", '(api, api_gateway_base_path="/shop")')},
        replaced(
            MANGUM,
            ("from mangum import Mangum", "import unigate"),
            ("Mangum(api)", 'unigate.wrap(api, base_path="/shop")'),
        ),
        wrong=NOT_READ,
    ),
    "serverless-wsgi": to_wrap(
        SERVERLESS_WSGI,
        "import serverless_wsgi",
        "def handler(event, context):\n"
        "    return serverless_wsgi.handle_request(site, event, context)",
    ),
    "apig-wsgi": to_wrap(
        APIG_WSGI,
        "from apig_wsgi import make_lambda_handler",
        "handler = make_lambda_handler(site, binary_support=True)",
    )._replace(wrong={**NOT_READ, "ALB": "Of several cookies it sends the last."}),
    "aws-wsgi": to_wrap(
        AWS_WSGI,
        "import awsgi",
        "def handler(event, context):\n"
        '    return awsgi.response(site, event, context, base64_content_types={"image/png"})',
    )._replace(wrong=AWS_WSGI_WRONG),
    "Zappa": zappa("wsgi", ZAPPA_WRONG),
    "Zappa, ASGI": zappa("asgi", ZAPPA_WRONG),
}


def answers(folder: Path, files: dict[str, str]) -> dict[str, Answer | None]:
    """Call a function with the events, and return what API Gateway makes of its replies."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "tests.migration.call", "main.handler"],
        input=json.dumps(list(EVENTS.values())),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    read_replies = [None if reply is None else read(reply) for reply in json.loads(done.stdout)]
    return dict(zip(EVENTS, read_replies, strict=True))


def read(reply: dict[str, Any]) -> Answer:
    fields: dict[str, set[str]] = {}
    for members in (reply.get("headers"), reply.get("multiValueHeaders")):
        for name, value in (members or {}).items():
            values = value if isinstance(value, list) else [value]
            fields.setdefault(name.lower(), set()).update(map(str, values))
    if reply.get("cookies"):
        fields["set-cookie"] = set(reply["cookies"])
    body = reply.get("body") or ""
    content = base64.b64decode(body) if reply.get("isBase64Encoded") else body.encode()
    return (
        int(reply["statusCode"]),
        {name: sorted(values) for name, values in fields.items()},
        content,
    )


@pytest.mark.parametrize("name", MOVES)
def test_the_answers_stay(name: str, tmp_path: Path) -> None:
    move = MOVES[name]
    before = answers(tmp_path / "before", move.before)
    after = answers(tmp_path / "after", move.after)
    assert all(after.values())
    different = {about for about in EVENTS if before[about] != after[about]}
    assert different == move.wrong.keys(), [(before[about], after[about]) for about in different]
    statuses = {answer[0] for answer in after.values() if answer is not None}
    assert statuses == {200, 201, 302}
