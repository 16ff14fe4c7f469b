"""Secrets are found in every notation, and no text keeps the masking busy."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import zlib
from functools import reduce
from urllib.parse import quote

import pytest

from tests.cli.dev.inspecting import Inspected
from tests.cli.dev.inspector.test_inspector import form
from unigate import Request
from unigate.cli.dev.inspector.exchanges import Exchange
from unigate.cli.dev.inspector.exports import Recorder
from unigate.cli.dev.inspector.masking import masked, shown
from unigate.cli.dev.inspector.secret_names import MASK, is_secret
from unigate.cli.dev.inspector.secret_text import mask_bytes, mask_text
from unigate.cli.dev.local_host import Setup
from unigate.types import Environ, StartResponse

pytestmark = pytest.mark.usefixtures("bounded")

SECRET = "hush"


def token(header: str) -> str:
    parts = (header, '{"sub": "ada"}')
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


JWT = token('{"alg": "HS256", "typ": "JWT"}') + ".hush"
BASIC = "Basic " + base64.b64encode(b"ada:hush").decode()


def part(disposition: str, content: str) -> str:
    return f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"


ODD = 'password=h,u)#s"h hush&a=1'  # what a form may contain, and other text not

# What is sent, and what is shown of it.
TEXTS = {
    # JSON
    '{"password":"hush"}': '{"password": "(masked)"}',
    '{"a": {"apiKey": "hush", "n": 1}}': '{"a": {"apiKey": "(masked)", "n": 1}}',
    '{"pin": 1234, "tokens": ["hush"]}': '{"pin": "(masked)", "tokens": ["(masked)"]}',
    '{"token": null, "code": ""}': '{"token": null, "code": ""}',
    '\ufeff{"password":"hush"}': '{"password": "(masked)"}',
    '{"a":1}\n{"password":"hush"}\n': '{"a":1}\n{"password":"(masked)"}\n',
    '{"password":"hush","password":""}': '{"password":"(masked)","password":""}',
    '{"password": "hu\\"sh\\\\", "a": 1': '{"password": "(masked)", "a": 1',
    '{"password": "hush': '{"password": "(masked)',
    '{"tokens": ["hush", {"a": "]"}], "a": 1': '{"tokens": "(masked)", "a": 1',
    '{"otp": 12345, "a": 1': '{"otp": "(masked)", "a": 1',
    '{"p\\u0061ssword": "hush"': '{"p\\u0061ssword": "(masked)"',
    '[{"name": "password", "value": "hush"}]': '[{"name": "password", "value": "(masked)"}]',
    '[{"name": "password", "value": "hush"}': '[{"name": "password", "value": "(masked)"}',
    '[{"key": "pwd", "value": "hush"}, {"key": "a", "value": "b"}': (
        '[{"key": "pwd", "value": "(masked)"}, {"key": "(masked)", "value": "b"}'
    ),
    '[["authorization", "Bearer hush"]]': '[["authorization", "Bearer (masked)"]]',
    json.dumps({"a": json.dumps({"pwd": 'h"ush'})}): '{"a": "{\\"pwd\\": \\"(masked)\\"}"}',
    '{"a": "{\\"pwd\\": \\"h\\\\\\"ush\\\\\\\\\\", \\"b\\": 1}"': (
        '{"a": "{\\"pwd\\": \\"(masked)\\", \\"b\\": 1}"'
    ),
    '{"url": "/x?token=hush&page=2"': '{"url": "/x?token=(masked)&page=2"',
    '{"cookie": "a=hush; b=hush"}': '{"cookie": "a=(masked); b=(masked)"}',
    # Queries and forms
    "milk=oat&password=hush": "milk=oat&password=(masked)",
    "user[password]=hush&user%5Bpwd%5D=hush": "user[password]=(masked)&user%5Bpwd%5D=(masked)",
    "p%61ssword=hush&a=1": "p%61ssword=(masked)&a=1",
    "a=1;token=hush;page=2": "a=1;token=(masked);page=2",
    "/x?a=1;token=hush;page=2#end": "/x?a=1;token=(masked);page=2#end",
    "pass=hush&pwd=hush&code=hush&sig=hush&key=hush&compass=1&statusCode=2&monkey=3&design=4": (
        "pass=(masked)&pwd=(masked)&code=(masked)&sig=(masked)&key=(masked)"
        "&compass=1&statusCode=2&monkey=3&design=4"
    ),
    ODD: "password=(masked)&a=1",
    "next=%2Flogin%3Ftoken%3Dhush": "next=/login?token=(masked)",
    "next=%252Flogin%253Ftoken%253Dhush": "next=/login?token=(masked)",
    "q=%7B%22password%22%3A%22hush%22%7D&a=%20": (
        "q=%7B%22password%22%3A%22(masked)%22%7D&a=%20"
    ),
    # Multipart
    part('name="password"', "hush") + part('name="b"', "milk") + "--b--": (
        part('name="password"', MASK) + part('name="b"', "milk") + "--b--"
    ),
    part('name="f"; filename="t.json"', '{"token": "hush"}') + "--b--": (
        part('name="f"; filename="t.json"', '{"token": "(masked)"}') + "--b--"
    ),
    part('filename="k"; name=private_key', "-----BEGIN KEY-----\nhush\nhush"): (
        part('filename="k"; name=private_key', MASK).removesuffix("\r\n")
    ),
    part("name*=utf-8''p%61ss", "hush") + "--b--": part("name*=utf-8''p%61ss", MASK) + "--b--",
    # Credentials without a name
    f"Used {BASIC}, then Bearer hush.": "Used Basic (masked), then Bearer (masked)",
    "a=Bearer%20hush&b=bearer+hush": "a=Bearer%20(masked)&b=bearer+(masked)",
    f"/verify/{JWT}/x": "/verify/(masked)/x",
    f"q=%22{JWT}": "q=%22(masked)",
    "postgres://ada:hush@host/db": "postgres://ada:(masked)@host/db",
    # Markup
    "<a><password>hush</password></a>": "<a><password>(masked)</password></a>",
    '<w:Password Type="x">hush</w:Password>': '<w:Password Type="x">(masked)</w:Password>',
    "<token><![CDATA[<hush>]]></token>": "<token>(masked)</token>",
    "<token>hush": "<token>(masked)",
    '<user password="hush" name="ada"/>': '<user password="(masked)" name="ada"/>',
    '<input type=hidden name="csrf_token" value="hush"><p>': (
        '<input type=hidden name="csrf_token" value="(masked)"><p>'
    ),
    "<add value='hush' key='apiKey'/>": "<add value='(masked)' key='(masked)'/>",
    # Log lines
    "Authorization: Bearer hush": "Authorization: Bearer (masked)",
    "sent X-Api-Key: hush hush\nGET /": "sent X-Api-Key: (masked)\nGET /",
    "Set-Cookie: a=hush; Path=/; HttpOnly": "Set-Cookie: a=(masked); Path=/; HttpOnly",
    "Cookie: hush": "Cookie: (masked)",
    "user {'password': 'hush', 'a': 1}": "user {'password': '(masked)', 'a': 1}",
    "login(user='a', password='hu sh')": "login(user='a', password='(masked)')",
    'Parameters: {"password"=>"hush", "a"=>1}': 'Parameters: {"password"=>"(masked)", "a"=>1}',
    "at 10:20 token=hush status=200": "at 10:20 token=(masked) status=200",
    "milk: oat\npassword: hush\n": "milk: oat\npassword: (masked)\n",
    # Base64 of such texts
    base64.b64encode(b'{"pwd":"hush"}').decode(): base64.b64encode(b'{"pwd": "(masked)"}').decode(),
    base64.b64encode(gzip.compress(b"pwd=hush", mtime=0)).decode(): (
        base64.b64encode(b"(masked)").decode()
    ),
    # What only looks like a secret
    'WWW-Authenticate: Bearer realm="shop"': 'WWW-Authenticate: Bearer realm="shop"',
    "Basic authentication is a scheme.": "Basic authentication is a scheme.",
    "InvalidTokenError: expired": "InvalidTokenError: expired",
    "Exit code: 1": "Exit code: 1",
    "monkeyJuggler.jump": "monkeyJuggler.jump",
    token('{"name": "ada"}'): token('{"name": "ada"}'),
    "100% oat & 50%": "100% oat & 50%",
    '{"milk":  1, "a": "\\ud83d\\ude00"}': '{"milk":  1, "a": "\\ud83d\\ude00"}',
    "a%20b=%E9&c": "a%20b=%E9&c",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_masked_in_every_notation(text: str) -> None:
    assert mask_text(text) == TEXTS[text]
    assert mask_text(TEXTS[text]) == TEXTS[text]


@pytest.mark.parametrize("text", [text for text in TEXTS if SECRET in text and text != ODD])
def test_a_secret_is_masked_wherever_it_stands(
    text: str, capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read()
        logging.getLogger("shop").warning(text)
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Note", quoted)])
        if environ["PATH_INFO"] == "/boom":
            raise ValueError(text)
        return [body]

    quoted = "" if "\n" in text or "\ufeff" in text else text
    folder = tmp_path_factory.mktemp("events")
    inspected = Inspected(app, Setup("http_api", recorder=Recorder(folder)))
    for path in ("/tea", "/boom"):
        inspected.ask(
            path, text.encode(), "POST", [("x-note", quoted), ("content-type", "text/plain")]
        )
        # XML and multipart bodies are not written in paths.
        in_path = "" if text.startswith(("<", "--")) else quote(text, safe="")
        inspected.ask(f"{path}/{in_path}?q={quote(text, safe='')}")
    inspected.post("1/replay", {"source": "cloudfront"})
    numbers = [exchange.number for exchange in inspected.history.all()]
    paths = ["", "1/5", *map(str, numbers)]
    pages = "".join(map(inspected.page, paths))
    copies = "".join(
        inspected.page(f"{n}/{kind}") for n in numbers for kind in ("curl", "test", "event")
    )
    assert SECRET not in pages + copies
    assert MASK in pages
    assert SECRET not in str(form(inspected, 1))
    assert SECRET not in "".join(f"{file} {file.read_text()}" for file in folder.iterdir())
    assert SECRET not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"pwd":"hush"}'.encode("utf-16"), '{"pwd": "(masked)"}'.encode("utf-16")),
        ('{"pwd":"hush"}'.encode("utf-16-le"), '{"pwd": "(masked)"}'.encode("utf-16-le")),
        ('{"pwd":"hush"}'.encode("utf-32"), '{"pwd": "(masked)"}'.encode("utf-32")),
        (b"\xff" + part('name="pwd"', "hush").encode() + b"--b--",
         b"\xff" + part('name="pwd"', MASK).encode() + b"--b--"),
        (gzip.compress(b"token=hush", mtime=0), MASK.encode()),
        (zlib.compress(b"token=hush"), MASK.encode()),
        (gzip.compress(b"x" * 10_000_000, mtime=0), MASK.encode()),  # more than is looked at
        (gzip.compress(b"token=hush", mtime=0)[:-9], MASK.encode()),
        (reduce(lambda body, _: gzip.compress(body, mtime=0), range(1200), b"oat"), MASK.encode()),
    ],
)  # fmt: skip
def test_a_body_is_masked_in_its_encoding(body: bytes, expected: bytes) -> None:
    assert mask_bytes(body) == expected


@pytest.mark.parametrize(
    "body", [gzip.compress(b"oat milk", mtime=0), b"\x1f\x8b\x08none", bytes(range(256))]
)
def test_a_body_that_hides_nothing_is_unchanged(body: bytes) -> None:
    assert mask_bytes(body) == body


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Functions-Key", "user[password]", "userPass", "db_pass", "X-Sig",
     "PHPSESSID", "%70assword", "code", "auth[code]", "Ocp-Apim-Subscription-Key", "passphrase"],
)  # fmt: skip
def test_a_name_is_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["statusCode", "postcode", "zip-code", "keyboard", "monkey", "compass", "design", "passenger",
     "author", "x-amzn-trace-id", "", "%"],
)  # fmt: skip
def test_a_name_is_not_secret(name: str) -> None:
    assert not is_secret(name)


# What takes long.

UNITS = [
    "token", "a=b&", "token=b&", "[", '{"a":', '"token":"x",', "token ", '\\"token\\":\\"', "25",
    "%74", "<token>", "<input name=token value=x>", "<a ", "eyJ", "eyJ.", "://a:", "Bearer ",
    "Basic dTpw ", 'content-disposition: form-data; name="token"\n', ";", ";a", "a='b=\"", "\n--",
    "token:", "token={", "token='", "\\u0041", "session_", "\\", " ", "%2525", '"name":"token',
]  # fmt: skip
STARTS = ["", "token=", '{"token":"', "%", "<"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_is_masked_in_time(unit: str) -> None:
    for start in STARTS:
        mask_text(start + unit * (100_000 // len(unit)))


@pytest.mark.parametrize("unit", UNITS[:6])
def test_the_page_shows_a_long_request_in_time(unit: str) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Note", unit * 500)])
        return [environ["wsgi.input"].read()]

    inspected = Inspected(app)
    body = (unit * (1_000_000 // len(unit))).encode()
    for _ in range(2):
        inspected.ask(f"/{unit.strip() * 1000}", body, headers=[("x-note", unit.strip() * 500)])
    assert len(inspected.page("1/2")) < 20_000_000
    assert "characters more" in inspected.page("1")


def test_a_body_of_ten_megabytes_is_cut_before_it_is_masked() -> None:
    exchange = Exchange(Request("POST", body=b"token" * 2_000_000), "http_api")
    exchange.event = {"body": "token" * 2_000_000}
    copy = shown(exchange, secrets=False, limit=200_000)
    assert copy.event["body"] == "token" * 40_000 + "\n(9800000 characters more)"
    assert copy.sent.body.decode() == copy.event["body"]


@pytest.mark.parametrize("secrets", [True, False])
def test_a_long_text_is_cut_with_a_note(secrets: bool) -> None:
    exchange = Exchange(Request("POST", body="é".encode() * 30), "http_api")
    exchange.event = {"token": "x", "a": ["y" * 12]}
    copy = shown(exchange, secrets=secrets, limit=10)
    assert copy.sent.body.decode() == "é" * 10 + "\n(20 characters more)"
    token = "x" if secrets else MASK
    assert copy.event == {"token": token, "a": ["y" * 10 + "\n(2 characters more)"]}


def test_a_value_that_is_too_deep_is_masked_whole() -> None:
    event: list[object] = []
    for _ in range(100_000):
        event = [event]
    exchange = Exchange(Request("GET"), "http_api")
    exchange.event = event
    assert masked(exchange).event == MASK
    while event:  # so that its end does not recurse either
        event = event.pop()  # type: ignore[assignment]


# The terminal, and saved events.


@pytest.mark.parametrize("secrets", [True, False])
def test_the_terminal_and_saved_events_show_secrets_on_demand(
    secrets: bool, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return []

    folder = tmp_path_factory.mktemp("events")
    inspected = Inspected(app, Setup("http_api", recorder=Recorder(folder)), show_secrets=secrets)
    inspected.ask("/tea?token=hush&page=2", b"pwd=hush", headers=[("authorization", "Bearer hush")])
    out, _ = capfd.readouterr()
    [file] = folder.iterdir()
    event = json.loads(file.read_text())
    hidden = SECRET if secrets else MASK
    assert out.startswith(f"POST /tea?token={hidden}&page=2 200 ")
    assert event["rawQueryString"] == f"token={hidden}&page=2"
    assert event["headers"]["authorization"] == f"Bearer {hidden}"
    assert event["body"] == f"pwd={hidden}"
