"""`manage.py computenode`: run a compute node of this machine (architecture: port 12805)."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlops import __version__
from mlops.env import env_bool, env_file, env_int, env_list, env_path, env_str
from nodes.runtime.authorization import AllowedClients
from nodes.runtime.certificates import IdentityFiles, TlsError
from nodes.runtime.client_certificates import RequiredClient
from nodes.runtime.config import GIB, MIB, NodeConfig
from nodes.runtime.errors import NodeError
from nodes.runtime.server import serve
from nodes.runtime.tls import TlsContext, server_context


class Command(BaseCommand):
    """Exit code 0 after SIGTERM or SIGINT, 1 when the node could not start."""

    help = "Runs a compute node: pools of R and Python shells behind the compute node API."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `BaseCommand`."""
        parser.add_argument("--host", default=settings.HOST, help="address to listen on")
        parser.add_argument(
            "--port", type=int, default=settings.COMPUTE_PORT, help="port to listen on"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """See `BaseCommand`."""
        try:
            serve(node_config(options["host"], options["port"]))
        except NodeError as error:
            raise CommandError(error.message) from None


def node_config(host: str, port: int) -> NodeConfig:
    """The configuration from settings and `MLOPS_*` variables."""
    tls, client = _tls()
    memory = env_int("MLOPS_SHELL_MEMORY_MB", _default_memory_mb(), minimum=256) * MIB
    realtime_memory = env_int("MLOPS_REALTIME_MEMORY_MB", _default_memory_mb(), minimum=1) * MIB
    return NodeConfig(
        cluster_key=settings.CLUSTER_KEY,
        tls=tls,
        client=client,
        allowed_clients=_allowed_clients(),
        former_cluster_key=settings.FORMER_CLUSTER_KEY,
        metrics_token=settings.METRICS_TOKEN,
        data_dir=settings.DATA_DIR / f"computenode-{port}",
        python=sys.executable,
        rscript=env_str("MLOPS_RSCRIPT", "Rscript"),
        host=host,
        port=port,
        version=__version__,
        log_path=str(settings.LOG_DIR),
        pool_initial_size=env_int("MLOPS_POOL_INITIAL_SIZE", _default_initial_size(), minimum=1),
        pool_max_size=env_int("MLOPS_POOL_MAX_SIZE", 80, minimum=1),
        shell_idle_seconds=env_int("MLOPS_SHELL_IDLE_SECONDS", 900, minimum=1),
        shell_memory_bytes=memory,
        shell_max_processes=env_int("MLOPS_SHELL_MAX_PROCESSES", 64, minimum=2),
        shell_file_bytes=env_int("MLOPS_SHELL_FILE_MB", 8192, minimum=1) * MIB,
        shell_disk_bytes=env_int("MLOPS_SHELL_DISK_MB", 32_768, minimum=1) * MIB,
        shell_cpu_seconds=env_int("MLOPS_SHELL_CPU_SECONDS", 3600, minimum=1),
        shell_isolation=env_str("MLOPS_SHELL_ISOLATION", "auto").lower(),
        shell_network=env_bool("MLOPS_SHELL_NETWORK", default=True),
        private_paths=(settings.DATA_DIR, *_files_of_settings()),
        stop_seconds=settings.STOP_SECONDS,
        run_seconds=env_int("MLOPS_RUN_SECONDS", 3600, minimum=1),
        queue_length=env_int("MLOPS_QUEUE_LENGTH", 1000),
        queue_seconds=env_int("MLOPS_QUEUE_SECONDS", 30, minimum=1),
        merge_max_rows=env_int("MLOPS_MERGE_MAX_ROWS", 1000, minimum=1),
        merge_max_bytes=env_int("MLOPS_MERGE_MAX_BYTES", MIB, minimum=1),
        realtime_threads=env_int("MLOPS_REALTIME_THREADS", _processors(), minimum=1),
        realtime_seconds=env_int("MLOPS_REALTIME_SECONDS", 60, minimum=1),
        realtime_memory_bytes=realtime_memory,
        console_max_bytes=env_int("MLOPS_CONSOLE_MAX_BYTES", MIB),
        score_max_bytes=settings.MAX_JSON_BYTES,
        upload_max_bytes=settings.MAX_UPLOAD_BYTES,
    )


def _allowed_clients() -> AllowedClients:
    try:
        return AllowedClients(env_list("MLOPS_ALLOWED_CLIENTS"))
    except ValueError as error:
        raise CommandError(f"MLOPS_ALLOWED_CLIENTS: {error}.") from None


def _files_of_settings() -> list[Path]:
    """The files that settings name: most hold secrets, and none is a shell's business."""
    names = [name for name in os.environ if name.startswith("MLOPS_") and name != "MLOPS_RSCRIPT"]
    paths = [env_path(name, settings.DATA_DIR) for name in names if "/" in env_str(name)]
    return [path for path in paths if path.is_file()]


def _tls() -> tuple[TlsContext | None, RequiredClient | None]:
    try:
        identity = IdentityFiles.of(
            "MLOPS_TLS_COMPUTE",
            certificate=env_file("MLOPS_TLS_COMPUTE_CERTIFICATE"),
            key=env_file("MLOPS_TLS_COMPUTE_KEY"),
            password=env_file("MLOPS_TLS_COMPUTE_PASSWORD_FILE"),
        )
        client = RequiredClient.of(
            "MLOPS_TLS_CLIENT",
            authorities=env_file("MLOPS_TLS_CLIENT_CA"),
            issuer=env_str("MLOPS_TLS_CLIENT_ISSUER"),
            subject=env_str("MLOPS_TLS_CLIENT_SUBJECT"),
        )
        if identity is not None:
            return server_context("compute node", identity, client), client
        if client is not None:
            raise TlsError(
                "MLOPS_TLS_CLIENT_SUBJECT is set without MLOPS_TLS_COMPUTE_CERTIFICATE: client"
                " certificates are shown over TLS only, so give the compute node one of its own."
            )
    except TlsError as error:
        raise CommandError(str(error)) from None
    return None, None


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _default_initial_size() -> int:
    return max(2, min(5, _processors()))


def _default_memory_mb() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(2 * GIB, total // 4) // MIB
