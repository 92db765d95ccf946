"""What is wrong with the settings, and how to mend it: `manage.py check`, `check --deploy`.

Errors stop every command. Warnings are about nodes that others reach; `check --deploy` shows them,
and the web node logs them at its start.
"""

import stat
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

_SHORTEST_SECRET = 32  # characters; generated ones have 43


@register(Tags.security)
def errors(**kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - the signature is Django's
    """What must not be."""
    return list(_errors(settings.HOST))


@register(Tags.security, deploy=True)
def warnings(**kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - the signature is Django's
    """What should not be, where others reach the node."""
    return list(_warnings(settings.HOST))


def findings(host: str) -> list[CheckMessage]:
    """All about a web node that listens on `host`; no warnings where others do not reach it."""
    return [*_errors(host), *([] if is_loopback(host) else _warnings(host))]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _errors(host: str) -> Iterator[CheckMessage]:
    if settings.DEBUG and not is_loopback(host):
        yield Error(
            f"MLOPS_DEBUG is on while the node listens on {host}: its error pages show code,"
            " settings and what users have sent to everybody.",
            hint="Unset MLOPS_DEBUG, or listen on 127.0.0.1.",
            id="mlops.E001",
        )
    if settings.HTTPS_ONLY and not (settings.TLS_WEB_CERTIFICATE or settings.TRUSTED_PROXIES):
        yield Error(
            "MLOPS_HTTPS_ONLY is on, and nothing speaks TLS: pages would send browsers to https://"
            " for ever.",
            hint="Give the web node a certificate (MLOPS_TLS_WEB_CERTIFICATE), or name the proxy"
            " that has one in MLOPS_TRUSTED_PROXIES.",
            id="mlops.E002",
        )
    if settings.LDAP and find_spec("django_auth_ldap") is None:
        yield Error(
            "MLOPS_LDAP_ENABLED is set, and the package for LDAP is not installed.",
            hint="Type mlops/onebox/install.sh run, which installs it, or unset the variable.",
            id="mlops.E010",
        )


def _warnings(host: str) -> Iterator[CheckMessage]:
    if not is_loopback(host):
        yield from _warnings_for_a_network(host)
    if "*" in settings.TRUSTED_PROXIES:
        yield Warning(
            "MLOPS_TRUSTED_PROXIES is *: every caller may claim any address, and so guess"
            " passwords without being held back.",
            hint="Name the addresses of the proxies.",
            id="mlops.W003",
        )
    if settings.LDAP and not settings.LDAP.is_encrypted:
        yield Warning(
            "Passwords cross the network to the LDAP server in the clear.",
            hint="Set MLOPS_LDAP_USE_LDAPS or MLOPS_LDAP_START_TLS.",
            id="mlops.W010",
        )
    if not settings.HTTPS_ONLY and any(
        origin.startswith("https:") for origin in settings.CSRF_TRUSTED_ORIGINS
    ):
        yield Warning(
            "A proxy offers the console over TLS (MLOPS_TRUSTED_ORIGINS), but browsers may send"
            " its cookies in the clear.",
            hint="Set MLOPS_HTTPS_ONLY=true.",
            id="mlops.W004",
        )
    for path in _private_files():
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
            yield Warning(
                f"Every user of this machine can get at {path}.",
                hint=f"chmod o= {path}",
                id="mlops.W005",
            )
    for name in ("SECRET_KEY", "CLUSTER_KEY", "FORMER_CLUSTER_KEY", "METRICS_TOKEN"):
        secret = getattr(settings, name)
        if secret and len(secret) < _SHORTEST_SECRET:
            yield Warning(
                f"MLOPS_{name} is short enough to be guessed.",
                hint=f"Give it {_SHORTEST_SECRET} random characters or more; this prints some:"
                ' python3 -c "import secrets; print(secrets.token_urlsafe(32))"',
                id="mlops.W006",
            )


def _warnings_for_a_network(host: str) -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Warning(
            f"The node listens on {host} and answers to every host name, also to those under which"
            " somebody else leads browsers to it.",
            hint="Name its host names in MLOPS_ALLOWED_HOSTS.",
            id="mlops.W001",
        )
    if not (settings.TLS_WEB_CERTIFICATE or settings.TRUSTED_PROXIES):
        yield Warning(
            f"The node listens on {host} without TLS: passwords and tokens cross the network in"
            " the clear.",
            hint="Give it a certificate (MLOPS_TLS_WEB_CERTIFICATE), or put a proxy with one in"
            " front of it and name that in MLOPS_TRUSTED_PROXIES.",
            id="mlops.W002",
        )


def _private_files() -> Iterator[Path]:
    if settings.SECRETS_DIR.is_dir():
        yield from sorted(settings.SECRETS_DIR.iterdir())
    yield settings.DATA_DIR / "mlops.sqlite3"
    given = [
        settings.TOKEN_SIGNING_KEY_FILE,
        settings.TLS_WEB_KEY,
        settings.TLS_WEB_PASSWORD_FILE,
        settings.TLS_CLIENT_KEY,
        settings.TLS_CLIENT_PASSWORD_FILE,
    ]
    for path in given:
        if path is not None and path.parent != settings.SECRETS_DIR:
            yield path
