"""What a compute node is told at its start."""

from dataclasses import dataclass, field
from pathlib import Path

from .authorization import AllowedClients, ClusterKeys
from .client_certificates import RequiredClient
from .tls import TlsContext

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class NodeConfig:
    """Every setting of one compute node; sizes in bytes, times in seconds."""

    cluster_key: str = field(repr=False)
    former_cluster_key: str = field(default="", repr=False)  # taken as well while it is replaced
    metrics_token: str = field(default="", repr=False)  # shown instead of it for metrics alone
    allowed_clients: AllowedClients = field(default_factory=lambda: AllowedClients(()))
    tls: TlsContext | None = None  # plain HTTP without
    client: RequiredClient | None = None  # the only one to be let in, with `tls`
    data_dir: Path  # of this node alone: bundles, sizes of pools, and the work root
    python: str
    rscript: str
    host: str = "127.0.0.1"
    port: int = 12805
    version: str = ""
    log_path: str = ""

    pool_initial_size: int = 2
    pool_max_size: int = 80
    shell_idle_seconds: float = 900.0
    shell_start_seconds: float = 120.0
    shell_memory_bytes: int = 2 * GIB
    shell_max_processes: int = 64
    shell_file_bytes: int = 8 * GIB  # of each file that it writes
    shell_disk_bytes: int = 32 * GIB  # of all its files
    shell_cpu_seconds: float = 3600.0  # of one call, on all processors together
    shell_isolation: str = "auto"  # or a level of isolation.py
    shell_network: bool = True
    private_paths: tuple[Path, ...] = ()  # what no shell in a sandbox sees

    stop_seconds: float = 30.0  # for what runs when the node is told to stop

    run_seconds: float = 3600.0
    queue_length: int = 1000
    queue_seconds: float = 30.0
    merge_max_rows: int = 1000  # of one run of several calls; 1: calls are never merged
    merge_max_bytes: int = MIB  # of their bodies

    realtime_threads: int = 2
    realtime_seconds: float = 60.0  # the longest that a call of a realtime version may take
    realtime_memory_bytes: int = 2 * GIB  # of model files loaded

    console_max_bytes: int = MIB
    score_max_bytes: int = 256 * MIB
    result_max_bytes: int = 256 * MIB
    upload_max_bytes: int = 4 * GIB
    extracted_max_bytes: int = 16 * GIB  # of one snapshot
    bundle_store_bytes: int = 32 * GIB

    @property
    def cluster_keys(self) -> ClusterKeys:
        """What web nodes may show."""
        return ClusterKeys(self.cluster_key, self.former_cluster_key)

    @property
    def bundles_dir(self) -> Path:
        """Where bundles stay over restarts."""
        return self.data_dir / "bundles"

    @property
    def pools_dir(self) -> Path:
        """Where the sizes of dedicated pools stay over restarts."""
        return self.data_dir / "pools"

    @property
    def work_root(self) -> Path:
        """Where shells have their directories; emptied at each start."""
        return self.data_dir / "work"
