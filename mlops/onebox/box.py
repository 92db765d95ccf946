"""The programs of one box, as the supervisor needs to know them."""

import http.client
import os
import ssl
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings

from mlops.env import env_str
from mlops.onebox.claims import local_url
from mlops.onebox.heartbeat import BATCH_WORKER, BEAT, WORKER, heartbeat_file
from mlops.onebox.logs import RotatingLog
from mlops.onebox.probes import Probe, answers, touches
from mlops.onebox.supervisor import Patience, Program
from nodes import trust

HEARTBEAT_SECONDS = 30.0
WORKER_PROCESSES = 2
# One drives batches, on an event loop; the others run jobs and take the messages meanwhile.
BATCH_WORKER_THREADS = 8
_ENDING_SECONDS = 15.0  # of a node, once it has finished what it had begun
MARK_VARIABLE = "MLOPS_ONEBOX"


def web_url() -> str:
    """Where the web node answers on this machine."""
    is_tls = settings.TLS_WEB_CERTIFICATE is not None
    return local_url(settings.HOST, settings.WEB_PORT, is_tls=is_tls)


def compute_url() -> str:
    """Where the compute node answers on this machine."""
    is_tls = bool(env_str("MLOPS_TLS_COMPUTE_CERTIFICATE"))
    return local_url(settings.HOST, settings.COMPUTE_PORT, is_tls=is_tls)


def connection(seconds: float) -> http.client.HTTPConnection:
    """A connection to the web node, whose steps may each take `seconds`."""
    parts = urlsplit(web_url())
    if context := _tls_of_probes(web_url()):
        return http.client.HTTPSConnection(parts.netloc, timeout=seconds, context=context)
    return http.client.HTTPConnection(parts.netloc, timeout=seconds)


def manage(*arguments: str) -> Sequence[str]:
    """The command line of `manage.py` with `arguments`."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def programs() -> list[Program]:
    """Compute node, web node and workers, in the order in which they are started."""
    return [
        Program(
            name="compute node",
            command=manage("computenode"),
            probe=answers(
                f"{compute_url()}/v1/health",
                {"Authorization": f"Bearer {settings.CLUSTER_KEY}"},
                _tls_of_probes(compute_url()),
            ),
            log=log("computenode"),
            stops_last=True,
            # It has no database, but runs the code of users.
            withheld=["MLOPS_DATABASE_URL"],
        ),
        Program(
            name="web node",
            command=manage("webnode"),
            probe=answers(f"{web_url()}/ping", tls=_tls_of_probes(web_url())),
            log=log("webnode"),
        ),
        Program(
            name="worker",
            command=_worker_command(
                "celery", "--beat", "--concurrency", str(WORKER_PROCESSES), "--queues", "celery"
            ),
            probe=_signs_of_life(WORKER, BEAT),
            log=log("worker"),
        ),
        Program(
            name="batch worker",
            command=_worker_command(
                *(BATCH_WORKER, "--pool", "threads", "--concurrency", str(BATCH_WORKER_THREADS)),
                *("--queues", settings.BATCH_QUEUE),
            ),
            probe=_signs_of_life(BATCH_WORKER),
            log=log("batchworker"),
        ),
    ]


def patience() -> Patience:
    """The supervisor's: nodes that are told to stop get their time."""
    return Patience(stop=settings.STOP_SECONDS + _ENDING_SECONDS)


def _tls_of_probes(url: str) -> ssl.SSLContext | None:
    """It shows the client certificate, and asks for no name: certificates rarely say 127.0.0.1."""
    return trust.of_probe() if url.startswith("https:") else None


def log(name: str) -> RotatingLog:
    """The log file called `name`."""
    return RotatingLog(settings.LOG_DIR / f"{name}.log")


def environment() -> dict[str, str]:
    """What the programs get as environment: ours, and a mark to know them by."""
    mark, _, value = mark_of_this_box().partition("=")
    return {
        **os.environ,
        "MLOPS_DATA_DIR": str(settings.DATA_DIR),
        "DJANGO_SETTINGS_MODULE": "mlops.settings",
        # Celery's command is not below manage.py and would not find the project.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(settings.BASE_DIR), *_python_path()])),
        "PYTHONUNBUFFERED": "1",
        mark: value,
    }


def mark_of_this_box() -> str:
    """The entry in their environment that tells our processes from those of another box."""
    return f"{MARK_VARIABLE}={settings.DATA_DIR}"


def _python_path() -> list[str]:
    return os.environ.get("PYTHONPATH", "").split(os.pathsep)


def _signs_of_life(*names: str) -> Probe:
    files = [heartbeat_file(name) for name in names]
    return touches(files, within_seconds=HEARTBEAT_SECONDS)


def _worker_command(name: str, *options: str) -> Sequence[str]:
    return [
        *(sys.executable, "-m", "celery", "--app", "mlops", "--quiet", "worker"),
        *("--hostname", f"{name}@%h", *options),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
