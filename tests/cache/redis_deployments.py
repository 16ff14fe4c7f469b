"""Redis as it is deployed for failover: a primary and its replica behind three Sentinels, and a
cluster whose primaries have replicas.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import redis

from tests.cache.certificate import Certificate
from tests.cache.redis_server import PATIENT, SLOTS, Cluster, Server
from tests.waiting import until

SERVICE = "cache"


class Sentinel(Server):
    """A Sentinel; its configuration is in a file, as Sentinel demands."""

    def __init__(
        self, primary: Server, *, certificate: Certificate | None, password: str | None
    ) -> None:
        super().__init__(certificate=certificate)
        self._primary = primary
        self.password = password

    def _arguments(self) -> list[str]:
        path = Path(self.folder, "sentinel.conf")
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._primary.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 4000",
        ]
        path.write_text("\n".join(lines) + "\n")
        password = ["--requirepass", self.password] if self.password else []
        return [str(path), "--sentinel", *self._where(), *password]

    def primary(self) -> int:
        """Return the port of the current primary."""
        return int(self.run("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])


class SentinelDeployment:
    """A primary, its replica and three Sentinels, which run while entered."""

    def __init__(
        self,
        *options: str,
        certificate: Certificate | None = None,
        sentinel_password: str | None = None,
    ) -> None:
        # Without it, the first replication waits 5 s for more replicas.
        options = ("--repl-diskless-sync-delay", "0", *options)
        self.primary = Server(*options, certificate=certificate)
        self.replica = Server(*options, certificate=certificate)
        self.sentinels = [
            Sentinel(self.primary, certificate=certificate, password=sentinel_password)
            for _ in range(3)
        ]

    def __enter__(self) -> SentinelDeployment:
        self._entered: list[Server] = []
        try:
            for server in (self.primary, self.replica):
                self._entered.append(server.__enter__())
            self.replica.run("REPLICAOF", "127.0.0.1", self.primary.port)
            # Sentinels ask a primary for its replicas when they start, then every 10 s.
            until(self._is_replicated)
            for sentinel in self.sentinels:
                self._entered.append(sentinel.__enter__())
            until(lambda: all(self._is_complete(sentinel) for sentinel in self.sentinels))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for server in reversed(self._entered):
            server.__exit__()

    def _is_replicated(self) -> bool:
        state = self.replica.client.info("replication")
        return bool(state["master_link_status"] == "up")

    def _is_complete(self, sentinel: Sentinel) -> bool:
        # redis-py 7.0 cannot read the reply in its method for it.
        state = sentinel.client.execute_command("SENTINEL MASTER", SERVICE)
        return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    def url(self, **options: object) -> str:
        return f"redis+sentinel://{self.hosts}/{SERVICE}/0?{urlencode(PATIENT | options)}"

    def await_promotion(self) -> None:
        """Wait until the replica is the primary and all Sentinels say so."""
        until(lambda: all(each.primary() == self.replica.port for each in self.sentinels))


class ReplicatedCluster(Cluster):
    """A cluster of three primaries, each with a replica."""

    def __init__(self) -> None:
        super().__init__(3)
        self.replicas = [Server(*self.OPTIONS, "--repl-diskless-sync-delay", "0") for _ in range(3)]

    def __enter__(self) -> ReplicatedCluster:
        super().__enter__()
        try:
            for primary, replica in zip(self.nodes, self.replicas, strict=True):
                self._entered.append(replica.__enter__())
                replica.run("CLUSTER", "MEET", "127.0.0.1", primary.port)
                identity = primary.run("CLUSTER", "MYID")
                until(lambda r=replica, i=identity: i in r.run("CLUSTER", "NODES"))
                replica.run("CLUSTER", "REPLICATE", identity)
            until(self._is_replicated)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _is_replicated(self) -> bool:
        return all(
            replica.client.info("replication")["master_link_status"] == "up"
            and all(b":%d@" % replica.port in node.run("CLUSTER", "NODES") for node in self.nodes)
            for replica in self.replicas
        )

    def url(self, **options: object) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in [*self.nodes, *self.replicas])
        return f"redis+cluster://{hosts}/?{urlencode(PATIENT | options)}"

    def await_promotion(self, of: Server) -> None:
        """Wait until all other nodes know a server as primary."""

        def promoted() -> bool:
            return of.client.info("replication")["role"] == "master" and all(
                self._is_up(node) for node in [*self.nodes, *self.replicas]
            )

        until(promoted)

    @staticmethod
    def _is_up(node: Server) -> bool:
        try:
            info = node.client.execute_command("CLUSTER INFO")
        except redis.RedisError:  # the node that was killed
            return True
        return bool(info["cluster_state"] == "ok" and info["cluster_slots_ok"] == str(SLOTS))
