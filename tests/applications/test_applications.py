"""Real applications on every kind of host, compared with the same applications asked directly.

Each is asked the same twice: as a server of its own or a plain one serves it, and through
`unigate.wrap` on a host. The answers are the same, except for what `platforms` says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers.processes import Server

from . import environments, hosts, platforms
from .comparison import Exchange, differences, visit
from .environments import SITES
from .hosts import HOSTS, PREFIXES

GIT_SECONDS = 60
# git sends more than a megabyte in chunks. dulwich fails on these servers, also if asked directly:
# it decodes a second time what they have decoded. The other hosts pass bodies with a length.
WITH_CHUNKS = ("uvicorn", "gunicorn", "google")


class Baseline(NamedTuple):
    """A site asked directly.

    Attributes:
        folder: Has the files as they are before a visit, and as a server uses them.
        exchanges: What was said, by the prefix of the site.
    """

    site: str
    folder: Path
    exchanges: Mapping[str, Sequence[Exchange]]


@pytest.fixture(scope="module", params=SITES)
def baseline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    site = request.param
    folder = tmp_path_factory.mktemp(site)
    (folder / "original").mkdir()
    environments.prepare(site, folder / "original")
    exchanges = {}
    for prefix in PREFIXES:
        log = folder / f"directly{prefix.replace('/', '-')}.log"
        with started(hosts.directly(site, prefix, fresh(folder), log)) as server:
            sent = hosts.sent_prefix(site, prefix)
            exchanges[prefix] = visit(SITES[site].visit, server, sent, platforms.instead)
    return Baseline(site, folder, exchanges)


def fresh(folder: Path) -> Path:
    """Return a copy of the original files, always in the same place: sites make tags of paths."""
    files = folder / "files"
    shutil.rmtree(files, ignore_errors=True)
    shutil.copytree(folder / "original", files)
    return files


@contextmanager
def started(server: Server) -> Iterator[Server]:
    with server:
        server.wait_until_it_listens()
        yield server


@pytest.mark.parametrize("host", HOSTS)
def test_a_site_answers_as_it_does_directly(baseline: Baseline, host: str) -> None:
    site, folder, exchanges = baseline
    prefix = HOSTS[host].prefix
    around = hosts.around_gateway(host, site, fresh(folder), folder / f"{host}.log")
    with started(around) as server:
        answered = visit(SITES[site].visit, server, prefix)

    wanted = platforms.expected(site, host, exchanges[prefix])
    found = differences(wanted, answered)
    assert not found, "\n".join([*found, around.output()[-20_000:]])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("baseline", ["klaus"], indirect=True)
def test_git_clones_and_pushes(baseline: Baseline, host: str, tmp_path: Path) -> None:
    site, folder, _ = baseline
    repository = fresh(folder) / "site.git"
    around = hosts.around_gateway(host, site, repository.parent, folder / f"{host}-git.log")
    with started(around) as server:
        url = f"http://127.0.0.1:{server.port}{HOSTS[host].prefix}/site"
        git(tmp_path, "clone", "--quiet", url, "clone")
        clone = tmp_path / "clone"
        assert (clone / "large.bin").stat().st_size == 300_000
        assert git(clone, "rev-parse", "v1") == git(repository, "rev-parse", "v1")

        # A load balancer passes a megabyte, in base64.
        size = 300_000 if host == "alb" else 2_000_000
        (clone / "random.bin").write_bytes(os.urandom(size))
        git(clone, "add", ".")
        if host in WITH_CHUNKS:
            git(clone, "config", "http.postBuffer", "10000000")
        git(clone, "commit", "--quiet", "--message=Add a file")
        git(clone, "push", "--quiet", "origin", "main", "main:refs/heads/größer")
        assert git(repository, "rev-parse", "main", "größer") == 2 * git(clone, "rev-parse", "main")

        git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=größer", url, "again")
        again = (tmp_path / "again" / "random.bin").read_bytes()
        assert again == (clone / "random.bin").read_bytes()


def git(folder: Path, *arguments: str) -> str:
    who = {"AUTHOR": "Ada", "COMMITTER": "Ada"}
    names = {f"GIT_{role}_NAME": name for role, name in who.items()}
    addresses = {f"GIT_{role}_EMAIL": "ada@shop.example" for role in who}
    quiet = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **names, **addresses, **quiet},
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_what_platforms_force_is_seen() -> None:
    assert {row.host for row in platforms.ARRIVES} <= HOSTS.keys()
    assert {host for row in platforms.FORCED for host in row.hosts} <= HOSTS.keys()
