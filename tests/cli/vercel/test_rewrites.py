"""Rewrites, compared with Vercel's own packages: @vercel/routing-utils, path-to-regexp 6.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unigate.cli.project.target import Unloadable
from unigate.cli.vercel.rewrites import Rewrite, read_rewrites


def rewrites(folder: Path, *rules: Any) -> list[Rewrite]:
    (folder / "vercel.json").write_text(json.dumps({"rewrites": rules}))
    return read_rewrites(folder / "vercel.json")


@pytest.mark.parametrize(
    ("source", "destination", "path", "leads_to"),
    [
        # What `unigate build --split` writes.
        ("/(.*)", "/api/index", "/", ("/api/index", [])),
        ("/(.*)", "/api/index", "/a/b", ("/api/index", [])),
        ("/users/([^/]+)", "/api/users/[name]", "/users/ada", ("/api/users/[name]", [])),
        ("/users/([^/]+)", "/api/users/[name]", "/users/ada/", None),
        ("/users/([^/]+)/", "/api/users/[name]", "/users/ada/", ("/api/users/[name]", [])),
        ("/files/(.*)", "/api/files/[...name]", "/files/a/b", ("/api/files/[...name]", [])),
        ("/files/(.*)", "/api/files/[...name]", "/files/", ("/api/files/[...name]", [])),
        ("/files/(.*)", "/api/files/[...name]", "/files", None),
        ("/openapi\\.json", "/api/openapi.json", "/openapi.json", ("/api/openapi.json", [])),
        ("/openapi\\.json", "/api/openapi.json", "/openapi-json", None),
        # Parameters: in the path, or else in the query.
        ("/u/:name", "/api/users/:name", "/u/ada", ("/api/users/ada", [])),
        ("/u/:name", "/api/users/:name", "/u/", None),
        ("/u/:name", "/api/users/:name", "/u/a/b", None),
        ("/u/:name", "/api/user", "/u/a%2Fb", ("/api/user", [("name", "a/b")])),
        ("/u/:name", "/api/:name?n=:name&m=1", "/u/x", ("/api/x", [("n", "x"), ("m", "1")])),
        ("/:a/:b", "/api/q?b=x:b", "/1/2", ("/api/q", [("b", "x2"), ("a", "1")])),
        ("/:a/:b", "/api/:a", "/1/2", ("/api/1", [])),
        ("/(a|b)/:c", "/api/$1/:c", "/b/x", ("/api/b/x", [])),
        ("/(a|b)/:c", "/api/$1", "/b/x", ("/api/b", [("c", "x")])),
        ("/(a|b)/:c", "/api/$1", "/c/x", None),
        ("/(.*)", "/api/$2x", "/a", ("/api/x", [])),
        ("/(.*)", "/api?a=$1&b=%2525", "/%25", ("/api", [("a", "%"), ("b", "%25")])),
        # Patterns and modifiers.
        ("/w/(.*)/x-:id(\\d+)", "/api/w", "/w/a/b/x-12", ("/api/w", [("id", "12")])),
        ("/w/(.*)/x-:id(\\d+)", "/api/w", "/w/a/b/x-y", None),
        ("/q/:path*", "/api/q", "/q", ("/api/q", [("path", "")])),
        ("/q/:path*", "/api/q/:path*", "/q/a/b", ("/api/q/a/b", [])),
        ("/q/:path+", "/api/q", "/q", None),
        ("/q/:path+", "/api/q", "/q/a/b", ("/api/q", [("path", "a/b")])),
        ("/a/:x.:y?", "/api/:x?z=:y", "/a/1.2", ("/api/1", [("z", "2")])),
        ("/a/:x.:y?", "/api/:x?z=:y", "/a/1", ("/api/1", [("z", "")])),
        ("/v:n(\\d+)?", "/api/v", "/v", ("/api/v", [("n", "")])),
        ("/v:n(\\d+)?", "/api/v", "/v12", ("/api/v", [("n", "12")])),
        ("/:b(\\w+|x(?:y|z))", "/api/:b", "/xz", ("/api/xz", [])),
        ("/:x(a\\)b)", "/api/x", "/a)b", ("/api/x", [("x", "a)b")])),
        ("/((?!api/).*)", "/api/index", "/other", ("/api/index", [])),
        ("/((?!api/).*)", "/api/index", "/api/x", None),
        ("/a\\:b", "/api/x", "/a:b", ("/api/x", [])),
        ("/(\\d)", "/api/x", "/\u0663", None),
        # Several parameters in a segment: each takes as little as it can.
        ("/:a-:b-:c", "/api/:a/:b/:c", "/1-2-3-4", ("/api/1/2/3-4", [])),
        ("/:a-:b-:c", "/api/:a/:b/:c", "/--2-3", ("/api/-/2/3", [])),
        ("/:a-:b-:c", "/api/:a/:b/:c", "/1-2", None),
        ("/:a-:b.json", "/api/:a/:b", "/1-2-3.json.json", ("/api/1/2-3.json", [])),
        ("/:a:b", "/api/:a/:b", "/123", ("/api/1/23", [])),
        ("/:a:b", "/api/:a/:b", "/1", None),
        ("/:a-:b/:c-:d/x", "/api/:b/:d", "/1-2-3/4-5/x", ("/api/2-3/5", [])),
        ("/:a-:n(\\d+)", "/api/:a/:n", "/1-2-3", ("/api/1-2/3", [])),
        ("/:a.:b", "/api/:a/:b", "/1.2.3", ("/api/1/2.3", [])),
        ("/v:n*/x", "/api/:n", "/v12/x", ("/api/2", [])),
        ("/v:n+/x", "/api/:n", "/v/x", None),
        ("/q/:ids(\\d+)*", "/api/q", "/q/1/2", ("/api/q", [("ids", "1/2")])),
    ],
)
def test_rewrites_match_and_fill_in_as_on_vercel(
    tmp_path: Path, source: str, destination: str, path: str, leads_to: Any
) -> None:
    (rewrite,) = rewrites(tmp_path, {"source": source, "destination": destination})
    assert rewrite.follow(path) == leads_to


HOSTILE = [  # each takes a backtracking matcher years
    "/:a-:b-:c-:d-:e-:f/x",
    "/:a.:b.:c.:d.:e.:f.json",
    "/:a:b:c:d:e:f:g/x",
    "/v:n*/x",
    "/v:n+x/:a-:b",
    "/:a-:b-:c-:d/:e-:f-:g-:h/x",
]


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("source", HOSTILE)
@pytest.mark.parametrize("unit", ["-", "a-", ".", "a.b", "v", "a-/"])
def test_no_path_keeps_the_parameters_of_a_segment_busy(
    tmp_path: Path, source: str, unit: str
) -> None:
    (rewrite,) = rewrites(tmp_path, {"source": source, "destination": "/api/x"})
    assert rewrite.longest is None
    assert rewrite.follow("/" + unit * (1_000_000 // len(unit)) + "/!") is None


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    ("source", "longest"),
    [
        ("/(.*)", None),
        ("/:lang(en|de)/(.*)", None),
        ("/([^/]+)/([^/]+)/:id(\\d+)/:path*", None),
        ("/(.*)-(.*)", 14_142),
        ("/(.*)/x/:path*", None),
        ("/(.*)/:path*/x", 14_142),
        ("/(.*)-(.*)-(.*)/x", 843),
    ],
)
def test_a_path_is_limited_for_several_patterns(
    tmp_path: Path, source: str, longest: int | None
) -> None:
    (rewrite,) = rewrites(tmp_path, {"source": source, "destination": "/api/x"})
    assert rewrite.longest == longest
    if longest is not None:
        assert rewrite.follow("/" + "-/" * (longest // 2 - 1) + "!") in (None, ("/api/x", []))
        message = f"^A path must have at most {longest} characters .*, got {longest + 1}.$"
        with pytest.raises(Unloadable, match=message):
            rewrite.follow("/" * (longest + 1))


def test_no_file_and_no_rewrites_give_an_empty_list(tmp_path: Path) -> None:
    assert read_rewrites(tmp_path / "vercel.json") == []
    (tmp_path / "vercel.json").write_text("{}")
    assert read_rewrites(tmp_path / "vercel.json") == []


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"destination": "https://example.com/"}, "leads outside the project"),
        ({"destination": {"service": "x"}}, "leads outside the project"),
        ({"destination": "/api/x", "has": [{"type": "host"}]}, "has conditions"),
        ({"destination": "/api/x", "missing": [{"type": "host"}]}, "has conditions"),
    ],
)
def test_an_unsupported_rewrite_is_an_error_when_a_path_matches(
    tmp_path: Path, rule: Any, problem: str
) -> None:
    (rewrite,) = rewrites(tmp_path, {"source": "/x/(.*)", **rule})
    assert rewrite.follow("/y") is None
    with pytest.raises(Unloadable, match=f"^The rewrite of '/x/\\(\\.\\*\\)' {problem}"):
        rewrite.follow("/x/y")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"rewrites": [{"source": "/x"}]}',
        '{"rewrites": ["/x"]}',
        '{"rewrites": 3}',
        '{"routes": []}',
        *(
            json.dumps({"rewrites": [{"source": source, "destination": "/api"}]})
            for source in (
                "/(x",
                "/(x\\",
                "/{x}",
                "/*",
                "/x\\",
                "/([)",
                "/:a((?:b+))*",
                "/v(\\d+)+",
                "/:a(.*)*",
                3,
            )
        ),
    ],
)
def test_malformed_rewrites_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "vercel.json").write_text(text)
    with pytest.raises(Unloadable, match=r"vercel.json' cannot be read: "):
        read_rewrites(tmp_path / "vercel.json")
