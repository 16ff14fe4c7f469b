"""The examples of docs/cache-at-scale.md do what it says, on real servers."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

from tests.cache.redis_server import Server, shared_cluster
from unigate.cache import RuntimeCache

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cache-at-scale.md").read_text("utf-8")
POOL, *SHARDS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ADDRESS = "127.0.0.1:6379"


def run(code: str, port: int, **names: Any) -> dict[str, Any]:
    """Run an example with a server's port instead of its own, and return its names."""
    assert code.count(ADDRESS) == 1
    exec(code.replace(ADDRESS, f"127.0.0.1:{port}"), names)
    return names


def test_the_readme_links_to_the_page() -> None:
    assert "](docs/cache-at-scale.md)" in (ROOT / "README.md").read_text("utf-8")


def test_the_pool_bounds_the_connections_of_many_threads() -> None:
    with Server() as server:
        patient = POOL.replace("max_connections=4", "max_connections=4&socket_timeout=30")
        backend = run(patient, server.port)["backend"]
        server.run("CLIENT", "PAUSE", "200", "ALL")  # or few threads would be busy at a time
        threads = [threading.Thread(target=backend.get, args=["key"]) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.client.info("stats")["total_connections_received"] == 1 + 4


def test_namespaces_are_spread_over_the_nodes_and_memory_in_front_saves_requests() -> None:
    cluster = shared_cluster()
    loads: list[dict[str, str]] = []

    def load() -> dict[str, str]:
        loads.append({"color": "green"})
        return loads[-1]

    names = run("".join(SHARDS), cluster.nodes[0].port, load=load)
    shops: list[RuntimeCache] = names["shops"]
    cache_of, sessions, near = names["cache_of"], names["sessions"], names["near"]
    customers = [f"customer {number}" for number in range(100)]
    for customer in customers:
        assert cache_of(customer).set("customer", customer, ttl=60)
    assert all(node.run("KEYS", "{shop-*}:key:*") for node in cluster.nodes)
    assert [cache_of(customer).get("customer") for customer in customers[-2:]] == customers[-2:]
    assert names["settings"]() == names["settings"]() == {"color": "green"}
    assert (len(loads), near.stats()["hits"], sessions.stats()["misses"]) == (1, 1, 1)
    for cache in (near, sessions, *shops):
        cache.clear()
        getattr(cache.backend, "close", lambda: None)()
