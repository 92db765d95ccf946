"""The settings of sign-in with Entra ID or another OpenID provider (administration section 7)."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from mlops.encrypted_secrets import decrypted
from mlops.env import env_bool, env_file, env_list, env_secret, env_str

# The hosts of Microsoft's clouds, and where each has its directory.
_GRAPHS = {
    "login.microsoftonline.com": "https://graph.microsoft.com",
    "login.windows.net": "https://graph.microsoft.com",
    "login.microsoft.com": "https://graph.microsoft.com",
    "sts.windows.net": "https://graph.microsoft.com",
    "login.microsoftonline.us": "https://graph.microsoft.us",
    "login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn",
    "login.chinacloudapi.cn": "https://microsoftgraph.chinacloudapi.cn",
}
# These let in the people of all tenants, whoever runs them.
_NOT_ONE_TENANT = {"common", "organizations", "consumers"}
_USER_CLAIMS = ["upn", "preferred_username", "unique_name"]


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """A provider, and what this installation is called there."""

    authority: str  # without a slash at its end
    audience: str  # the web application: this server
    client_id: str  # the native application: command lines
    key: str = field(default="", repr=False)  # the web application's secret; empty without one
    ca: Path | None = None  # the authorities that a private provider's certificate is from
    graph: str = ""  # where a Microsoft tenant has its directory; empty for other providers
    groups_claim: str = "groups"
    user_claims: tuple[str, ...] = tuple(_USER_CLAIMS)
    name: str = ""  # what people call it
    base_url: str = ""  # the console's address, as the provider knows it

    @property
    def is_microsoft(self) -> bool:
        """Whether it is a tenant of Entra ID, which is a little different from other providers."""
        return bool(self.graph)

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or ("Microsoft" if self.is_microsoft else urlsplit(self.authority).netloc)

    @property
    def can_ask_directory(self) -> bool:
        """Whether the directory can be asked about users who are not there."""
        return self.is_microsoft and bool(self.key)


def entra_settings() -> EntraSettings | None:
    """What `MLOPS_ENTRA_*` say; None where it is off.

    Raises ImproperlyConfigured with the name of a variable that is missing or wrong.
    """
    if not env_bool("MLOPS_ENTRA_ENABLED", False):
        return None
    authority = _address("MLOPS_ENTRA_AUTHORITY", env_str("MLOPS_ENTRA_AUTHORITY"))
    host, path = urlsplit(authority).hostname or "", urlsplit(authority).path
    graph = _address("MLOPS_ENTRA_GRAPH", env_str("MLOPS_ENTRA_GRAPH") or _GRAPHS.get(host, ""))
    if not authority:
        raise ImproperlyConfigured(
            "MLOPS_ENTRA_AUTHORITY is missing: https://login.microsoftonline.com/ and the id of"
            " your tenant, or the issuer of another OpenID provider."
        )
    if graph:
        authority = authority.removesuffix("/v2.0")
        tenant = path.strip("/").removesuffix("v2.0").strip("/")
        if not tenant or tenant.lower() in _NOT_ONE_TENANT:
            raise ImproperlyConfigured(
                "MLOPS_ENTRA_AUTHORITY must end with the id or the domain of your own tenant."
            )
    return EntraSettings(
        authority=authority,
        audience=_required("MLOPS_ENTRA_AUDIENCE", env_str("MLOPS_ENTRA_AUDIENCE")),
        client_id=env_str("MLOPS_ENTRA_CLIENT_ID"),
        key=_key(),
        ca=_readable("MLOPS_ENTRA_CA", env_file("MLOPS_ENTRA_CA")),
        graph=graph,
        groups_claim=env_str("MLOPS_ENTRA_GROUPS_CLAIM", "groups"),
        user_claims=tuple(env_list("MLOPS_ENTRA_USER_CLAIMS", _USER_CLAIMS)),
        name=env_str("MLOPS_ENTRA_NAME"),
        base_url=_address("MLOPS_ENTRA_BASE_URL", env_str("MLOPS_ENTRA_BASE_URL"), plain=True),
    )


def is_id(group: str) -> bool:
    """Whether a group is named by its object id."""
    try:
        UUID(group)
    except ValueError:
        return False
    return True


def _required(name: str, value: str) -> str:
    if not value:
        raise ImproperlyConfigured(
            f"{name} is missing: the id of the application that this server is at the provider."
        )
    return value


def _address(name: str, value: str, *, plain: bool = False) -> str:
    """An https address without a slash at its end, or empty; `plain` allows http too."""
    parts = urlsplit(value)
    schemes = ("https", "http") if plain else ("https",)
    if value and (parts.scheme not in schemes or not parts.hostname or parts.query):
        raise ImproperlyConfigured(f"{name} must be an address such as https://host/path")
    return value.rstrip("/")


def _key() -> str:
    """The web application's secret, decrypted; empty without one."""
    key, setting = env_secret("MLOPS_ENTRA_KEY").strip(), "MLOPS_ENTRA_KEY"
    if file := env_file("MLOPS_ENTRA_KEY_FILE"):
        if key:
            raise ImproperlyConfigured(
                "MLOPS_ENTRA_KEY and MLOPS_ENTRA_KEY_FILE are both set; set one."
            )
        setting = "MLOPS_ENTRA_KEY_FILE"
        _readable(setting, file)
        key = file.read_text().strip()
    if key and env_bool("MLOPS_ENTRA_KEY_ENCRYPTED", False):
        return decrypted(key, setting=setting)
    return key


def _readable(name: str, file: Path | None) -> Path | None:
    if file is not None:
        try:
            file.open("rb").close()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}: {file} cannot be read: {error.strerror}") from None
    return file
