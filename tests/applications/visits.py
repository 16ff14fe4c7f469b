"""Visits: what a client asks each site, one request after another.

A visit leaves a site as it has found it, so that the same server can be asked again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.servers.client import Answer

Fields = Sequence[tuple[str, str]]


class Ask(Protocol):
    """Send a request to the site; a target starts below the prefix that the site has there."""

    def __call__(
        self, method: str, target: str, fields: Fields = (), body: bytes = b""
    ) -> Answer: ...


FORM = [("Content-Type", "application/x-www-form-urlencoded")]
JSON = [("Content-Type", "application/json")]
BOUNDARY = "a-boundary"
MULTIPART = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")]
BINARY = bytes(range(256)) * 100
LARGE = b"0123456789abcdef" * 75_000

# Paths and queries that something on the way may decode, join or normalize.
PATHS = [
    "plain",
    "a/b",
    "a%2Fb",
    "a%20b",
    "a+b",
    "%C3%A9",
    "%FF",
    "a%25b",
    "100%2525",
    "a;b=c,d",
    "a%3Fb%23c",
    "a//b",
    "a/",
    "a/./b",
    "~a!$&'()*",
    "%E2%82%AC%F0%9F%98%80",
]
QUERIES = [
    "a=1",
    "a=1&a=2&b=",
    "b&a=%20+%26%3D",
    "q=caf%C3%A9",
    "q=%FF",
    "a=1;b=2",
    "",
    "a[]=%2F/?",
]


def multipart(file: bytes, **fields: str) -> bytes:
    """Return the body of a form with a file, whose name is not ASCII, and other fields."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = 'Content-Disposition: form-data; name="file"; filename="größe.txt"'
    parts.append(f"--{BOUNDARY}\r\n{head}\r\nContent-Type: text/plain\r\n\r\n".encode() + file)
    return b"".join(parts) + f"\r\n--{BOUNDARY}--\r\n".encode()


def framework(ask: Ask) -> None:
    """Visit a site that was written for the tests in one of the frameworks."""
    assert ask("GET", "/echo/x?a=1").status == 200
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        ask(method, "/")
    ask("GET", "/?unused=1")
    for path in PATHS:
        ask("GET", f"/echo/{path}")
    for query in QUERIES:
        ask("GET", f"/echo/x?{query}")
    own = [("X-Own", "1"), ("X-Own-Other", "größe"), ("Cookie", "a=1; b=2; a=3; c=%C3%A9")]
    ask("GET", "/echo/fields", own)
    ask("GET", "/echo/none", [("Cookie", ""), ("X-Own", "")])
    for method in ("POST", "PUT", "PATCH"):
        ask(method, "/echo/body", [("Content-Type", "application/octet-stream")], BINARY)
        ask(method, "/echo/no-body")
    ask("DELETE", "/echo/body")
    ask("POST", "/echo/large", [("Content-Type", "text/plain")], LARGE)
    ask("POST", "/form", FORM, b"a=1&a=caf%C3%A9&b=%00+%2B")
    ask("POST", "/upload", MULTIPART, multipart(BINARY, title="größer"))
    ask("POST", "/json", JSON, json.dumps({"a": [1, None, "größe"]}).encode())
    ask("POST", "/json", JSON, b"{not JSON")
    ask("POST", "/json", [("Content-Type", "text/plain")], b"{}")
    ask("GET", "/cookies")
    ask("HEAD", "/cookies")
    ask("GET", "/redirect")
    ask("GET", "/missing")
    ask("HEAD", "/missing")
    ask("GET", "/etag")
    ask("GET", "/etag", [("If-None-Match", '"v1"')])
    files(ask, "/files/style.css", "/files/large.bin", "/files/none")
    for place in ("/static/style.css", "/robots.txt", "/favicon.ico"):
        ask("GET", place)
    ask("GET", "/download")
    ask("HEAD", "/download")
    ask("GET", "/download", [("Range", "bytes=-300")])
    ask("GET", "/stream")
    ask("HEAD", "/stream")
    ask("GET", "/events", [("Accept", "text/event-stream")])
    ask("GET", "/large")
    ask("GET", "/fail")
    ask("PUT", "/items/one", JSON, b"[1]")
    ask("DELETE", "/items/one")
    ask("DELETE", "/items/none")
    ask("OPTIONS", "/items/one")
    ask("GET", "/items/one")
    ask("PURGE", "/items/one")


def files(ask: Ask, *targets: str) -> None:
    """Ask for files: whole, in parts, and if they have changed."""
    for target in targets:
        whole = ask("GET", target)
        ask("HEAD", target)
        for part in ("0-9", "100-", "-10", "5-4", "999999999-", "0-1,5-6"):
            ask("GET", target, [("Range", f"bytes={part}")])
        for tag in whole.values("etag"):
            ask("GET", target, [("If-None-Match", tag)])
            ask("GET", target, [("Range", "bytes=0-9"), ("If-Range", tag)])
        for date in whole.values("last-modified"):
            ask("GET", target, [("If-Modified-Since", date)])


def mcp(ask: Ask) -> None:
    """Visit an MCP server as its clients do."""
    usual = [*JSON, ("Accept", "application/json, text/event-stream")]

    def call(method: str, fields: Fields = (), number: int | None = 1, **params: Any) -> Answer:
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        if number is None:
            del message["id"]
        return ask("POST", "/mcp", [*usual, *fields], json.dumps(message).encode())

    started = call(
        "initialize",
        protocolVersion="2025-06-18",
        capabilities={},
        clientInfo={"name": "a client", "version": "1"},
    )
    session = [("Mcp-Session-Id", started.values("mcp-session-id")[0])]
    session.append(("Mcp-Protocol-Version", "2025-06-18"))
    call("notifications/initialized", session, None)
    call("tools/list", session, 2)
    call("tools/call", session, 3, name="add", arguments={"a": 1, "b": 2})
    call("tools/call", session, 4, name="add", arguments={"a": "no number"})
    progress = {"progressToken": 1}
    call("tools/call", session, 5, name="count", arguments={"to": 20}, _meta=progress)
    call("tools/call", session, 6, name="fail")
    call("resources/templates/list", session, 7)
    call("resources/read", session, 8, uri="site://texts/gr%C3%B6%C3%9Fe")
    call("no/method", session, 9)
    call("tools/list", [("Mcp-Session-Id", "0" * 32)], 10)
    call("tools/list", [*session, ("Origin", "https://evil.example")], 11)
    ask("POST", "/mcp", [*usual, *session], b"{not JSON")
    ask("POST", "/mcp", [*JSON, *session], b"{}")
    ask("POST", "/mcp", [("Content-Type", "text/plain")], b"{}")
    ask("GET", "/mcp")
    ask("PUT", "/mcp")
    ask("OPTIONS", "/mcp")
    ask("GET", "/missing")
    ask("DELETE", "/mcp", session)
    call("tools/list", session, 12)


def klaus(ask: Ask) -> None:
    """Look at the pages of a repository, and at what git asks for."""
    pages = ["", "tree/main/", "tree/v1/folder", "blob/main/folder/caf%C3%A9.txt", "commit/v1/"]
    pages += ["blob/main/read%20me.md", "blame/main/read%20me.md", "raw/main/large.bin", "none"]
    pages += ["history/main/folder", "index/", "raw/main/read%20me.md", "tree/no%2Fbranch"]
    for page in pages:
        for method in ("GET", "HEAD"):
            ask(method, f"/site/{page}")
    ask("GET", "/")
    ask("GET", "/site")
    ask("POST", "/site/")
    ask("GET", "/site/tarball/main/")
    ask("GET", "/static/klaus.css")
    for service in ("upload", "receive", "none"):
        ask("GET", f"/site/info/refs?service=git-{service}-pack")
    ask("GET", "/site/info/refs")
    ask("GET", "/site/HEAD")
    ask("POST", "/site/git-upload-pack", [("Content-Type", "text/plain")], b"0000")
    version = [("Git-Protocol", "version=2")]
    ask("GET", "/site/info/refs?service=git-upload-pack", version)


EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//site//site//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20240102T030405Z
DTSTART:20240102T030405Z
DURATION:PT1H
SUMMARY:{summary}
END:VEVENT
END:VCALENDAR
"""
PROPFIND = b"""<?xml version="1.0"?><propfind xmlns="DAV:"><allprop/></propfind>"""
REPORT = b"""<?xml version="1.0"?>
<c:calendar-query xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">
<d:prop><d:getetag/><c:calendar-data/></d:prop>
<c:filter><c:comp-filter name="VCALENDAR"/></c:filter></c:calendar-query>"""
CALENDAR = b"""<?xml version="1.0"?>
<c:mkcalendar xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:set><d:prop>
<d:displayname>a calendar, gr\xc3\xb6\xc3\x9fer</d:displayname></d:prop></d:set></c:mkcalendar>"""
RENAME = b"""<?xml version="1.0"?>
<d:propertyupdate xmlns:d="DAV:"><d:set><d:prop><d:displayname>renamed</d:displayname></d:prop>
</d:set></d:propertyupdate>"""
XML = [("Content-Type", "application/xml; charset=utf-8")]


def radicale(ask: Ask) -> None:
    """Keep a calendar."""
    ada = [("X-Remote-User", "ada")]
    text = [*ada, ("Content-Type", "text/calendar; charset=utf-8")]
    for method in ("GET", "HEAD", "OPTIONS", "PURGE"):
        ask(method, "/", ada)
    ask("GET", "/.web/", ada)
    ask("GET", "/.well-known/caldav", ada)
    ask("GET", "/ada/")
    ask("PROPFIND", "/", [*ada, *XML, ("Depth", "1")], PROPFIND)
    ask("MKCALENDAR", "/ada/work%20%C3%A9/", [*ada, *XML], CALENDAR)
    ask("MKCALENDAR", "/ada/work%20%C3%A9/", [*ada, *XML], CALENDAR)
    item = "/ada/work%20%C3%A9/one%20%2B%20one.ics"
    made = ask("PUT", item, text, EVENT.format(summary="Größe").encode())
    ask("PUT", item, [*text, ("If-None-Match", "*")], EVENT.format(summary="no").encode())
    ask("PUT", item, [*text, ("If-Match", '"another"')], EVENT.format(summary="no").encode())
    for tag in made.values("etag"):
        changed = EVENT.format(summary="Größe " * 200).encode()
        ask("PUT", item, [*text, ("If-Match", tag)], changed)
    ask("PUT", "/ada/work%20%C3%A9/two.ics", text, b"not a calendar")
    ask("GET", item, ada)
    ask("HEAD", item, ada)
    ask("GET", "/ada/work%20%C3%A9/", ada)
    ask("PROPFIND", "/ada/work%20%C3%A9/", [*ada, *XML, ("Depth", "1")], PROPFIND)
    ask("PROPFIND", "/ada/work%20%C3%A9/", [*ada, *XML, ("Depth", "0")])
    ask("PROPPATCH", "/ada/work%20%C3%A9/", [*ada, *XML], RENAME)
    ask("REPORT", "/ada/work%20%C3%A9/", [*ada, *XML, ("Depth", "1")], REPORT)
    ask("REPORT", "/ada/work%20%C3%A9/", [*ada, *XML], b"<no xml")
    there = [("Destination", "http://shop.example/ada/work%20%C3%A9/moved.ics")]
    ask("MOVE", item, [*ada, *there])
    ask("GET", item, ada)
    ask("DELETE", "/ada/work%20%C3%A9/moved.ics", ada)
    ask("DELETE", "/ada/work%20%C3%A9/", ada)
    ask("DELETE", "/ada/", ada)
    ask("GET", "/ada/work%20%C3%A9/", ada)


LOCK = b"""<?xml version="1.0"?>
<d:lockinfo xmlns:d="DAV:"><d:lockscope><d:exclusive/></d:lockscope>
<d:locktype><d:write/></d:locktype><d:owner>ada</d:owner></d:lockinfo>"""


def wsgidav(ask: Ask) -> None:
    """Keep files in a folder."""
    for target in ("/", "/folder/", "/folder", "/none", "/folder/a%20file.txt"):
        for method in ("GET", "HEAD", "OPTIONS"):
            ask(method, target)
        for depth in ("0", "1", "infinity"):
            ask("PROPFIND", target, [*XML, ("Depth", depth)], PROPFIND)
    ask("PURGE", "/")
    files(ask, "/folder/a%20file.txt", "/large.bin")
    ask("MKCOL", "/new%20%C3%A9%20%26/")
    ask("MKCOL", "/new%20%C3%A9%20%26/")
    ask("MKCOL", "/none/new/")
    item = "/new%20%C3%A9%20%26/%23%2B%25.bin"
    ask("PUT", item, [("Content-Type", "application/octet-stream")], BINARY)
    ask("PUT", item, [("Content-Type", "application/octet-stream")], LARGE)
    ask("PUT", "/new%20%C3%A9%20%26/empty")
    ask("GET", item, [("Range", "bytes=10-19")])
    ask("PROPPATCH", item, XML, RENAME)
    ask("PROPFIND", item, [*XML, ("Depth", "0")], PROPFIND)
    locked = ask("LOCK", item, [*XML, ("Timeout", "Second-60"), ("Depth", "0")], LOCK)
    ask("PUT", item, [], b"locked")
    for token in locked.values("lock-token"):
        ask("PUT", item, [("If", f"({token})")], b"unlocked")
        ask("UNLOCK", item, [("Lock-Token", token)])
    there = [("Destination", "http://shop.example/new%20%C3%A9%20%26/copy.bin")]
    ask("COPY", item, there)
    ask("COPY", item, [*there, ("Overwrite", "F")])
    ask("MOVE", item, there)
    ask("GET", "/new%20%C3%A9%20%26/copy.bin")
    ask("DELETE", item)
    ask("DELETE", "/new%20%C3%A9%20%26/")
    ask("PROPFIND", "/new%20%C3%A9%20%26/", [*XML, ("Depth", "1")], PROPFIND)


def datasette(ask: Ask) -> None:
    """Look at tables."""
    table, row = "/shop/items", "/shop/items/7"
    odd = "/shop/a~2Fb~20c"
    pages = ["/", "/shop", table, row, odd, f"{odd}/x~2Fy", f"{odd}/~C3~A9", "/none", "/shop/none"]
    pages += ["/shop/a%2Fb%20c", "/shop/", "/-/static/app.css", "/-/plugins.json", "/-/actor.json"]
    for page in pages:
        for method in ("GET", "HEAD"):
            ask(method, page)
    for query in (
        "_size=5",
        "_size=max&_sort_desc=price",
        "name__contains=gr%C3%B6%C3%9Fer&_size=2",
    ):
        ask("GET", f"{table}?{query}")
        ask("GET", f"{table}.json?{query}&_shape=array")
    ask("GET", f"{table}.csv?_stream=1")
    ask("GET", f"{table}.csv?_size=3&_dl=1")
    ask("GET", f"{table}?_search=%FF")
    ask("GET", f"{table}?name=a&name=b")
    ask("GET", f"{table}?_filter_column=id&_filter_op=exact&_filter_value=7")
    ask("GET", f"{odd}/x~2Fy.json?_blob_column=value")
    ask("GET", f"{odd}/x~2Fy.blob?_blob_column=value")
    sql = urlencode({"sql": "select :a as é, 'größer' as b, count(*) from items", "a": "1 & 2"})
    ask("GET", f"/shop.json?{sql}")
    ask("GET", f"/shop?{sql}")
    ask("GET", "/shop?sql=delete%20from%20items")
    ask("GET", "/shop.db", [("Range", "bytes=0-9")])
    ask("OPTIONS", table)
    ask("POST", table, FORM, b"a=1")
    ask("POST", "/-/messages", FORM, b"message=a")
    ask("GET", "/-/logout")
    ask("GET", "/-/logout", [("Cookie", "ds_actor=forged; b=%C3%A9")])


def wagtail(ask: Ask) -> None:
    """Look at the pages, log in, and keep documents."""
    for page in ("/", "/none/", "/old/", "/sitemap.xml", "/x", "/%C3%A9/?a=%20", "/%FF/"):
        for method in ("GET", "HEAD", "POST"):
            ask(method, page)
    for tag in ask("GET", "/").values("etag"):
        ask("GET", "/", [("If-None-Match", tag)])
    for api in ("", "2/", "?fields=*&limit=1", "?order=none", "none/", "find/?html_path=/"):
        ask("GET", f"/api/pages/{api}")
    ask("OPTIONS", "/api/pages/")
    ask("DELETE", "/api/pages/2/")
    ask("GET", "/admin/")
    cookies: dict[str, str] = {}

    def browse(method: str, target: str, fields: Fields = (), body: bytes = b"") -> Answer:
        sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
        answer = ask(method, target, [*fields, ("Cookie", sent)], body)
        for cookie in answer.values("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            cookies[name.strip()] = value
        return answer

    def send(target: str, **fields: str) -> Answer:
        token = found(r'name="csrfmiddlewaretoken" value="(\w+)"', browse("GET", target))
        form = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        return browse("POST", target.partition("?")[0], FORM, form)

    login = "/admin/login/?next=/admin/"
    send(login, username="ada", password="wrong")
    send(login, username="ada", password="a password", next="/admin/")
    browse("GET", "/admin/")
    browse("GET", "/admin/pages/2/edit/")
    browse("POST", "/admin/account/", FORM, b"csrfmiddlewaretoken=forged")
    page = browse("GET", "/admin/documents/add/")
    token = found(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    for content in (b"a text, gr\xc3\xb6\xc3\x9fer\n", BINARY):
        form = multipart(content, csrfmiddlewaretoken=token, title="a document", tags="é, b")
        browse("POST", "/admin/documents/add/", MULTIPART, form)
        listed = browse("GET", "/admin/documents/")
        document = found(r'"(/[^"]*documents/\d+/[^"/]+)"', listed)
        document = document[document.index("/documents/") :]
        files(lambda *about: browse(*about), document)
        number = document.split("/")[2]
        send(f"/admin/documents/delete/{number}/")
        browse("GET", document)
    form = urlencode({"csrfmiddlewaretoken": token}).encode()
    browse("POST", "/admin/logout/", FORM, form)
    browse("GET", "/admin/")


def found(pattern: str, answer: Answer) -> str:
    """Return what a pattern finds in a page; AssertionError if it finds nothing."""
    text = answer.body.decode("utf-8", "replace")
    match = re.search(pattern, text)
    assert match, (pattern, answer.status, answer.headers, text)
    return match[1]


Visit = Callable[[Ask], None]
