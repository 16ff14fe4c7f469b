"""No path, link or rewrite leads to a file outside the folder of functions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.projects import write
from unigate import Request
from unigate.cli.vercel.function_folder import FunctionFolder

from .function_files import ECHO, ask, functions, opened, text


@pytest.fixture
def trapped(root: Path) -> Path:
    """Return a file that exists once a file outside the folder was loaded."""
    marker = root / "loaded.txt"
    trap = f"open({str(marker)!r}, 'w').close()\n{ECHO}"
    outside = ["secret.py", "secret/index.py", "apis/secret.py", "api.py", "api_/secret.py"]
    write(root, dict.fromkeys(outside, trap))
    functions(root, "date", "users/[id]", "[...rest]")
    (root / "api/link.py").symlink_to(root / "secret.py")
    (root / "api/relative.py").symlink_to("../secret.py")
    (root / "api/linked").symlink_to(root / "secret")
    (root / "api/up").symlink_to("..")
    (root / "api/round.py").symlink_to("round.py")
    (root / "api/broken.py").symlink_to("nowhere.py")
    return marker


@pytest.mark.parametrize(
    "path",
    [
        "/api/../secret", "/api/..%2fsecret", "/api/%2e%2e/secret", "/api/.%2e%2fsecret.py",
        "/api/%252e%252e/secret", "/api/..\\secret", "/api/..%5csecret", "/api/date/../../secret",
        "/api/%2f{root}/secret", "/api/{root}/secret.py", "/{root}/secret.py", "{root}/secret.py",
        "/../secret", "/secret", "/secret.py", "/api.py", "/apis/secret", "/api_/secret",
        "/api/link", "/api/link.py", "/api/relative", "/api/linked", "/api/linked/index",
        "/api/up/secret", "/api/round", "/api/%00", "/api/secret%00.py", "/api/\xff", "/api/%ff",
        "", "*", "http://localhost/secret", "/api/[...rest]/../../secret",
    ],
)  # fmt: skip
def test_no_path_loads_a_file_outside_the_folder(root: Path, trapped: Path, path: str) -> None:
    answer = text(opened(root), path.format(root=root))
    assert answer is None or answer.startswith("api.[...rest] ")
    assert not trapped.exists()


def test_a_file_that_becomes_a_link_is_not_followed(root: Path, trapped: Path) -> None:
    folder = opened(root)
    (root / "api/date.py").unlink()
    (root / "api/date.py").symlink_to(root / "secret.py")
    with pytest.raises(FileNotFoundError, match="has become a symbolic link"):
        ask(folder, "/api/date")
    assert not trapped.exists()


def test_no_rewrite_leads_outside(root: Path, trapped: Path) -> None:
    rewrites = [
        {"source": f"/{number}", "destination": destination}
        for number, destination in enumerate(
            ["/secret", "/api/../secret", "/secret.py", "/api/link", f"{root}/secret", "//secret"]
        )
    ]
    folder = opened(root, rewrites=[*rewrites, {"source": "/x/(.*)", "destination": "/$1"}])
    targets = [*(f"/{number}" for number in range(len(rewrites))), "/x/secret", "/x/../secret"]
    assert [ask(folder, target) for target in targets if target != "/3"] == [None] * 7
    assert text(folder, "/3") == "api.[...rest] /3?...rest=link"
    assert not trapped.exists()


SEGMENTS = st.sampled_from(
    ["", ".", "..", "%2e", "%2E%2e", "..%2f", "%2f", "%5c", "\\", "api", "date", "users", "7", "up",
     "link", "link.py", "linked", "index", "secret", "secret.py", "[id]", "[...rest]", "%00", "~"]
)  # fmt: skip


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(segments=st.lists(SEGMENTS, max_size=6), text_=st.text(max_size=5), slash=st.booleans())
def test_no_generated_path_leads_outside(
    root: Path, trapped: Path, segments: list[str], text_: str, slash: bool
) -> None:
    folder = FunctionFolder(root / "api")
    written = text_.encode("utf-8", "replace")
    request = Request("GET", ("/" * slash + "/".join(segments)).encode() + written)
    found = folder.gateway_of(request)
    if found is not None:
        gateway = found[0]
        (mount,) = gateway.mounts
        assert mount.app.__code__.co_filename.startswith(f"{root}/api/")
    assert not trapped.exists()
