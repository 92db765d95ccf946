"""Where the LDAP directory is and how people are found in it (administration section 6)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mlops.encrypted_secrets import decrypted
from mlops.env import env_bool, env_file, env_int, env_list, env_secret, env_str

T = TypeVar("T", str, list[str])


@dataclass(frozen=True, slots=True)
class LdapConfig:
    """The settings MLOPS_LDAP_*."""

    hosts: tuple[str, ...]  # tried in turn
    port: int
    use_ldaps: bool
    start_tls: bool
    ca: Path | None
    query_user_dn: str
    query_user_password: str = field(repr=False)
    search_base: str
    search_filter: str  # with parentheses around it, and {0} where the typed name comes
    unique_attribute: str
    display_name_attribute: str
    email_attribute: str
    nested_groups: bool
    timeout_seconds: int

    @property
    def uris(self) -> list[str]:
        """The URIs of the servers, in order."""
        scheme = "ldaps" if self.use_ldaps else "ldap"
        return [f"{scheme}://{_in_uri(host)}:{self.port}" for host in self.hosts]

    @property
    def is_encrypted(self) -> bool:
        """Whether passwords travel to the servers within TLS."""
        return self.use_ldaps or self.start_tls


def current_ldap() -> LdapConfig:
    """The settings in force; only to be asked for where LDAP is enabled."""
    return cast(LdapConfig, settings.LDAP)


def ldap_settings() -> LdapConfig | None:
    """The settings; None where LDAP is not enabled.

    Raises ImproperlyConfigured, which names the variable, where one is missing or wrong.
    """
    if not env_bool("MLOPS_LDAP_ENABLED", False):
        return None
    use_ldaps = env_bool("MLOPS_LDAP_USE_LDAPS", False)
    start_tls = env_bool("MLOPS_LDAP_START_TLS", False)
    if use_ldaps and start_tls:
        raise ImproperlyConfigured(
            "MLOPS_LDAP_USE_LDAPS and MLOPS_LDAP_START_TLS exclude each other: choose one."
        )
    unique = env_str("MLOPS_LDAP_UNIQUE_USER_IDENTIFIER_ATTRIBUTE_NAME", "userPrincipalName")
    return LdapConfig(
        hosts=tuple(_needed("MLOPS_LDAP_HOST", env_list("MLOPS_LDAP_HOST"))),
        port=env_int("MLOPS_LDAP_PORT", 636 if use_ldaps else 389, minimum=1),
        use_ldaps=use_ldaps,
        start_tls=start_tls,
        ca=_authority(is_encrypted=use_ldaps or start_tls),
        query_user_dn=_needed("MLOPS_LDAP_QUERY_USER_DN", env_str("MLOPS_LDAP_QUERY_USER_DN")),
        query_user_password=_query_user_password(),
        search_base=_needed("MLOPS_LDAP_SEARCH_BASE", env_str("MLOPS_LDAP_SEARCH_BASE")),
        search_filter=_filter(env_str("MLOPS_LDAP_SEARCH_FILTER", f"{unique}={{0}}")),
        unique_attribute=unique,
        display_name_attribute=env_str("MLOPS_LDAP_DISPLAY_NAME_ATTRIBUTE_NAME", "name"),
        email_attribute=env_str("MLOPS_LDAP_EMAIL_ATTRIBUTE_NAME", "mail"),
        nested_groups=env_bool("MLOPS_LDAP_NESTED_GROUPS", False),
        timeout_seconds=env_int("MLOPS_LDAP_TIMEOUT_SECONDS", 5, minimum=1),
    )


def _needed(name: str, value: T) -> T:
    if not value:
        raise ImproperlyConfigured(f"MLOPS_LDAP_ENABLED is set without {name}: set it as well.")
    return value


def _authority(*, is_encrypted: bool) -> Path | None:
    path = env_file("MLOPS_LDAP_CA")
    if path is None:
        return None
    if not is_encrypted:
        raise ImproperlyConfigured(
            "MLOPS_LDAP_CA does nothing without TLS: set MLOPS_LDAP_USE_LDAPS or"
            " MLOPS_LDAP_START_TLS."
        )
    if not path.is_file():
        raise ImproperlyConfigured(f"MLOPS_LDAP_CA: {path} is no file; PEM is expected.")
    return path


def _query_user_password() -> str:
    password = env_secret("MLOPS_LDAP_QUERY_USER_PASSWORD")
    setting = "MLOPS_LDAP_QUERY_USER_PASSWORD"
    if path := env_file("MLOPS_LDAP_QUERY_USER_PASSWORD_FILE"):
        if password:
            raise ImproperlyConfigured(f"{setting} and {setting}_FILE are both set: choose one.")
        setting = f"{setting}_FILE"
        try:
            password = path.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise ImproperlyConfigured(f"{setting}: {path} cannot be read as text.") from None
    if not password:
        raise ImproperlyConfigured(
            "MLOPS_LDAP_ENABLED is set without MLOPS_LDAP_QUERY_USER_PASSWORD_FILE: name the file"
            " with the password of the query user."
        )
    if env_bool("MLOPS_LDAP_QUERY_USER_PASSWORD_ENCRYPTED", False):
        return decrypted(password, setting=setting)
    return password


def _filter(text: str) -> str:
    if "{0}" not in text:
        raise ImproperlyConfigured(
            "MLOPS_LDAP_SEARCH_FILTER must hold {0}, where the typed name comes, as in cn={0}."
        )
    return text if text.startswith("(") else f"({text})"


def _in_uri(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
