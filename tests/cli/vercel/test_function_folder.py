"""`unigate dev --functions`: a folder of functions answers as Vercel serves it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cli.projects import write
from unigate import Gateway, Request, UnknownInterface
from unigate.cli.main import main
from unigate.cli.project.target import Unloadable
from unigate.cli.vercel.function_folder import FunctionFolder
from unigate.emulator import make_request
from unigate.import_strings import import_from

from .function_files import ECHO, ask, functions, invoke, opened, request_for, text

pytestmark = pytest.mark.usefixtures("root")

# A build with --split


TARGETS = [
    "/", "/?a=1&a=2", "/users/create", "/users/ada", "/users/ada?x=%20y", "/users/caf%C3%A9",
    "/users/a%2Fb", "/users/", "/users/ada/", "/users/create/", "/files/a", "/files/a/b/c",
    "/files/", "/files/a//b", "/files/..%2Fb", "/v2/notes/7", "/v2/notes/seven", "/v2/notes", "/v2",
    "/v2/notes/7/", "/nothing", "/api", "/api/index", "/api/users/ada", "//users/ada", "/static/x",
    "/where",
]  # fmt: skip


@pytest.fixture
def split(root: Path) -> Path:
    """Return the functions of a split build, without the modules that the build imported."""
    assert main(["build", "main:app", "--target", "vercel", "--split", "--output", "out"]) == 0
    del sys.modules["main"]
    return root / "out/api"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_a_split_build_answers_as_the_whole_application(
    root: Path, split: Path, method: str
) -> None:
    whole = import_from("main:app")
    del sys.modules["main"]
    folder = FunctionFolder(split)
    for target in TARGETS:
        expected = invoke(whole, request_for(target, method, b"milk"))
        assert ask(folder, target, method, b"milk") == expected, target
    assert sys.modules["main"].__file__ == str(root / "out/main.py")


@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("/", "api.index"),
        ("/users/create", "api.users.create"),
        ("/users/ada", "api.users.[name]"),
        ("/files/a/b", "api.files.[...name]"),
        ("/v2/notes/7", "api.v2.notes.[number]"),
        ("/v2/other", "api.index"),
        ("/api/where", "api.where"),
    ],
)
def test_each_route_of_a_split_build_has_its_own_function(
    split: Path, target: str, module: str
) -> None:
    assert ask(FunctionFolder(split), target) is not None
    assert [name for name in sys.modules if name.partition(".")[0] == "api"] == [module]


# Routing: the configuration that `vercel build` 64 writes for these files, followed path by path


FILES = (
    *("index", "date", "users/index", "users/create", "users/[id]", "items", "items/index"),
    *("[a]/index", "[a]/x", "[a]/[b]", "t/[id]", "t/[id]/more", "[a]/[b]/c", "[a]/t/[b]"),
    *("files/[...name]", "k.m", "k/m", "docs/openapi.json", "[a]/o.k"),
    *("T/q/[b]", "[a]/q/[b]", "d/[a]/[b]/index", "d/[a]/Y", "e/[a]/c", "e/[a]/c/index"),
)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        # A file, with or without its suffix, and the index of a folder.
        ("/api", "api.index /api?"),
        ("/api/", "api.index /api/?"),
        ("/api/index", "api.index /api/index?"),
        ("/api/index.py", "api.index /api/index.py?"),
        ("/api/date", "api.date /api/date?"),
        ("/api/date/", "api.date /api/date/?"),
        ("/api/date.py?a=1", "api.date /api/date.py?a=1"),
        ("/api/users", "api.users.index /api/users?"),
        ("/api/users/", "api.users.index /api/users/?"),
        ("/api/users/create", "api.users.create /api/users/create?"),
        ("/api/items", "api.items /api/items?"),
        ("/api/items/index", "api.items.index /api/items/index?"),
        ("/api/docs/openapi.json", "api.docs.openapi.json /api/docs/openapi.json?"),
        ("/api/d%61te", "api.date /api/date?"),
        ("/api/users/[id]", "api.users.[id] /api/users/[id]?"),
        # A parameter, which is added to the query.
        ("/api/users/7", "api.users.[id] /api/users/7?id=7"),
        ("/api/users/7?id=8&b=", "api.users.[id] /api/users/7?id=8&b="),
        ("/api/users/7?b=1", "api.users.[id] /api/users/7?b=1&id=7"),
        ("/api/t/%26=%2F%C3%A9+", "api.t.[id] /api/t/&=/\u00e9+?id=%26%3D%2F%C3%A9%2B"),
        ("/api/files/a", "api.files.[...name] /api/files/a?...name=a"),
        ("/api/t/1", "api.t.[id] /api/t/1?id=1"),
        ("/api/t/1/more", "api.t.[id].more /api/t/1/more?id=1"),
        ("/api/t/1/more.py", "api.t.[id].more /api/t/1/more.py?id=1"),
        # More segments come first, then fewer parameters at the end.
        ("/api/z", "api.[a].index /api/z?a=z"),
        ("/api/z/", "api.[a].index /api/z/?a=z"),
        ("/api/z/index.py", "api.[a].index /api/z/index.py?a=z"),
        ("/api/z/x", "api.[a].x /api/z/x?a=z"),
        ("/api/z/x/", "api.[a].x /api/z/x/?a=z"),
        ("/api/z/y", "api.[a].[b] /api/z/y?a=z&b=y"),
        ("/api/z/y/c", "api.[a].[b].c /api/z/y/c?a=z&b=y"),
        ("/api/z/t/y", "api.[a].t.[b] /api/z/t/y?a=z&b=y"),
        ("/api/t/t/c", "api.[a].[b].c /api/t/t/c?a=t&b=t"),
        ("/api/z/o.k", "api.[a].o.k /api/z/o.k?a=z"),
        ("/api/z/oxk", "api.[a].[b] /api/z/oxk?a=z&b=oxk"),
        ("/api/T/q/1", "api.[a].q.[b] /api/T/q/1?a=T&b=1"),
        ("/api/e/z/c", "api.e.[a].c.index /api/e/z/c?a=z"),
        ("/api/d/z/Y", "api.d.[a].[b].index /api/d/z/Y?a=z&b=Y"),
        # Two files with the same module name.
        ("/api/k.m", "api.k.m /api/k.m?"),
        ("/api/k/m", "api.k.m_ /api/k/m?"),
        # No function.
        ("/", None),
        ("/date", None),
        ("/Api/date", None),
        ("/api/z/y/", None),
        ("/api/z/y/d", None),
        ("/api//date", None),
        ("/api/files/a/b/d", None),
        ("/api/users%2Fcreate/x/y", None),
    ],
)  # fmt: skip
def test_a_path_has_the_function_that_it_has_on_vercel(
    root: Path, target: str, answer: str | None
) -> None:
    functions(root, *FILES)
    assert text(opened(root), target) == answer


def test_an_encoded_slash_does_not_separate_segments(root: Path) -> None:
    functions(root, "users/create", "[name]")
    answer = "api.[name] /api/users/create?name=users%2Fcreate"
    assert text(opened(root), "/api/users%2Fcreate") == answer


def test_rewrites_come_after_files_and_before_parameters(root: Path) -> None:
    functions(root, "index", "date", "users/[id]", "posts/[id]")
    folder = opened(
        root,
        rewrites=[
            {"source": "/api/date", "destination": "/api/index"},
            {"source": "/api/users/:id", "destination": "/api/index"},
            {"source": "/p/:id", "destination": "/api/posts/:id"},
            {"source": "/last/:of", "destination": "/api/posts/9"},
            {"source": "/when/:year/:month", "destination": "/api/date?a=1"},
            {"source": "/first", "destination": "/second"},
            {"source": "/second", "destination": "/api/date.py"},
            {"source": "/lost", "destination": "/api/nothing/at/all"},
        ],
    )
    assert text(folder, "/api/date") == "api.date /api/date?"
    assert text(folder, "/api/users/7") == "api.index /api/users/7?id=7"
    assert text(folder, "/p/7?q=1") == "api.posts.[id] /p/7?q=1&id=7"
    assert text(folder, "/last/all") == "api.posts.[id] /last/all?of=all&id=9"
    assert text(folder, "/when/2026/11?year=1") == "api.date /when/2026/11?year=1&a=1&month=11"
    assert text(folder, "/first") == "api.date /first?"
    assert text(folder, "/lost") is None
    assert text(folder, "/other") is None


def test_the_original_request_is_unchanged(root: Path) -> None:
    functions(root, "[id]", "date")
    folder = opened(root)
    request = make_request("POST", "https://localhost/api/7", [("x-a", "1")], b"milk")
    found = folder.gateway_of(request)
    assert found is not None
    seen = found[1]
    assert (request.query_string, seen.query_string) == (b"", b"id=7")
    assert (seen.raw_path, seen.body, seen.headers) == (b"/api/7", b"milk", request.headers)
    same = make_request("GET", "https://localhost/api/date")
    found = folder.gateway_of(same)
    assert found is not None
    assert found[1] is same


def test_the_name_of_the_folder_begins_the_paths(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"lib/date.py": ECHO})
    (root / "link").symlink_to("lib")
    assert text(FunctionFolder(root / "lib"), "/lib/date") == "lib.date /lib/date?"
    assert text(FunctionFolder(root / "link"), "/lib/date") == "lib.date /lib/date?"
    monkeypatch.chdir(root / "lib")
    assert text(FunctionFolder(Path()), "/lib/date") == "lib.date /lib/date?"
    for name in ("lib", "lib.date"):
        sys.modules.pop(name, None)


# Applications in files


@pytest.mark.parametrize(
    "code",
    [
        ECHO,
        ECHO.replace("app", "application"),
        f"import unigate\n{ECHO.replace('app', 'inner')}\napp = unigate.wrap(inner)\n",
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    body = f\"{__name__} {scope['path']}?\".encode()\n"
        "    await send({'type': 'http.response.body', 'body': body})\n",
        f"# coding: latin-1\n# \u00e9\n{ECHO}",
    ],
    ids=["wsgi", "application", "gateway", "asgi", "latin-1"],
)
def test_a_file_defines_an_application_or_a_gateway(root: Path, code: str) -> None:
    (root / "api").mkdir()
    (root / "api/date.py").write_text(code, "latin-1")
    folder = opened(root)
    assert text(folder, "/api/date") == "api.date /api/date?"
    assert text(folder, "/api/date") == "api.date /api/date?"


def test_a_gateway_is_not_wrapped_again(root: Path) -> None:
    write(root, {"api/date.py": "from main import app\n"})
    found = opened(root).gateway_of(Request("GET", b"/api/date"))
    assert found is not None
    gateway = found[0]
    assert isinstance(gateway, Gateway)
    assert gateway is sys.modules["main"].app


@pytest.mark.parametrize("name", ["handler", "Handler"])
def test_vercels_handler_classes_are_refused(root: Path, name: str) -> None:
    code = f"import http.server\nclass {name}(http.server.BaseHTTPRequestHandler): pass\n"
    write(root, {"api/date.py": code})
    with pytest.raises(UnknownInterface, match=rf"api/date\.py has a class '{name}'"):
        ask(opened(root), "/api/date")


@pytest.mark.usefixtures("bounded")
def test_files_that_are_not_functions(root: Path) -> None:
    functions(root, "date", "_hidden", ".hidden", "_d/x", ".d/x", "node_modules/x")
    helper = {"api/helper.py": "def f(): ...\n", "api/page.html": "", "api/app.pyc": ECHO}
    write(root, {**helper, "api/dir.py/x.txt": ""})
    os.mkfifo(root / "api/pipe.py")
    folder = opened(root)
    assert text(folder, "/api/date") is not None
    for name in ("_hidden", ".hidden", "_d/x", ".d/x", "node_modules/x", "helper", "page.html",
                 "app.pyc", "app", "dir", "dir.py", "pipe"):  # fmt: skip
        assert ask(folder, f"/api/{name}") is None, name


# Modules


def test_helpers_are_imported_as_on_vercel(root: Path) -> None:
    imports = "from ._words import WORD\nfrom api.users._words import WORD as same\n"
    code = f"{imports}from main import site as app\nassert WORD is same\n"
    write(root, {
        "api/users/_words.py": "WORD = ['tea']\n",
        "api/users/[name].py": code,
        "api/users/plain.py": f"import _words\n{ECHO}",
        "api/files/_words.py": "",
        "api/files/[...name].py": f"from . import _words\n{ECHO}",
    })  # fmt: skip
    folder = opened(root)
    assert ask(folder, "/api/users/ada") is not None
    with pytest.raises(ModuleNotFoundError, match="No module named '_words'"):
        ask(folder, "/api/users/plain")
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'api\.files\.\['"):
        ask(folder, "/api/files/a")


def test_modules_have_the_names_that_vercel_gives_them(root: Path) -> None:
    functions(root, "index", "users/index", "users/[id]")
    folder = opened(root)
    for path, module in [("", "api.index"), ("/users", "api.users.index")]:
        assert (text(folder, f"/api{path}") or "").split()[0] == module
        assert sys.modules[module].__file__ == str(root / f"{module.replace('.', '/')}.py")


# Loading


COUNTED = f"with open('loaded.txt', 'a') as file:\n    file.write(__name__ + ' ')\n{ECHO}"


def test_a_file_is_loaded_once_at_its_first_request(root: Path) -> None:
    write(root, {"api/a.py": COUNTED, "api/b.py": COUNTED, "loaded.txt": ""})
    folder = opened(root)
    assert (root / "loaded.txt").read_text() == ""
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda _: text(folder, "/api/a"), range(32)))
    assert answers == {"api.a /api/a?"}
    assert (root / "loaded.txt").read_text() == "api.a "
    assert text(folder, "/api/b") == "api.b /api/b?"
    assert (root / "loaded.txt").read_text() == "api.a api.b "


@pytest.mark.parametrize(
    ("broken", "error", "problem"),
    [
        ("raise ValueError('no water')\napp = 1\n", ValueError, "no water"),
        ("import sugar_bowl\napp = 1\n", ModuleNotFoundError, "sugar_bowl"),
        ("def app(:\n", SyntaxError, r"invalid syntax \(date.py, line 1\)"),
        ("app = 3\n", UnknownInterface, "int object cannot be called"),
        ("app: int\n", AttributeError, "no attribute 'app'"),
        ("import sys\nsys.exit(4)\napp = 1\n", SystemExit, "4"),
        ("app = 1\x00\n", (SyntaxError, ValueError), "null bytes"),
    ],
)
def test_a_file_that_fails_is_loaded_again_and_others_work(
    root: Path, broken: str, error: Any, problem: str
) -> None:
    functions(root, "other")
    write(root, {"api/date.py": broken})
    folder = opened(root)
    for _ in range(2):
        with pytest.raises(error, match=problem) as failed:
            ask(folder, "/api/date")
        assert "api.date" not in sys.modules
        assert text(folder, "/api/other") == "api.other /api/other?"
    if not isinstance(failed.value, SyntaxError | UnknownInterface | AttributeError | ValueError):
        assert str(failed.traceback[-1].path).endswith("api/date.py")
    write(root, {"api/date.py": f"{ECHO}# mended\n"})
    assert text(folder, "/api/date") == "api.date /api/date?"


def test_a_missing_module_may_be_added_later(root: Path) -> None:
    write(root, {"api/date.py": f"from api._words import WORD\n{ECHO}"})
    folder = opened(root)
    with pytest.raises(ModuleNotFoundError):
        ask(folder, "/api/date")
    write(root, {"api/_words.py": "WORD = 'tea'\n"})
    assert text(folder, "/api/date") == "api.date /api/date?"


def test_a_file_that_no_longer_defines_an_application_is_refused(root: Path) -> None:
    functions(root, "date")
    folder = opened(root)
    write(root, {"api/date.py": "pass\n"})
    with pytest.raises(UnknownInterface, match=r"date\.py has no app or application"):
        ask(folder, "/api/date")


# Errors


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["[a]", "[b]"], "api has both [a] and [b], which Vercel cannot tell apart."),
        (["[a]/x", "[b]/y"], "api has both [a] and [b], which Vercel cannot tell apart."),
        (["x/[a]", "x/[b]/y"], "api/x has both [a] and [b], which Vercel cannot tell apart."),
        (["[a]/[a]"], "api/[a]/[a].py has two parameters of the same name."),
    ],
)
def test_files_that_vercel_cannot_tell_apart_are_refused(
    root: Path, names: list[str], problem: str
) -> None:
    functions(root, *names)
    with pytest.raises(Unloadable) as refused:
        opened(root)
    assert refused.value.message == problem


@pytest.mark.parametrize("name", ["nowhere", "main.py", "empty"])
def test_a_folder_without_functions_is_refused(root: Path, name: str) -> None:
    write(root, {"empty/_hidden.py": ECHO, "empty/helper.py": "x = 1\n"})
    with pytest.raises(Unloadable, match=f"'{name}' must be a folder with at least one function"):
        FunctionFolder(Path(name))


def test_rewrites_that_cannot_be_read_are_refused(root: Path) -> None:
    functions(root, "date")
    (root / "vercel.json").write_text("{")
    with pytest.raises(Unloadable, match=r"vercel\.json' cannot be read"):
        opened(root)
