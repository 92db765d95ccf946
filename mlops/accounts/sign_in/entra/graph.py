"""The directory of a Microsoft tenant, asked with the key of the web application."""

import logging
import time
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings

from mlops.accounts.models import User
from mlops.accounts.sign_in.directory import DirectoryEntry
from mlops.accounts.sign_in.entra.client import client
from mlops.accounts.sign_in.entra.configuration import EntraSettings, is_id
from mlops.accounts.sign_in.entra.provider import provider
from mlops.errors import DirectoryUnavailable

logger = logging.getLogger(__name__)

_MAX_PAGES = 50
_EARLY_SECONDS = 60.0  # before its end a token of ours is replaced


class Graph:
    """One tenant's directory; raises DirectoryUnavailable whenever it cannot be asked."""

    def __init__(self, entra: EntraSettings) -> None:
        self._entra = entra
        self._token = ""
        self._token_ends_at = 0.0  # time.monotonic(), as below
        self._ids: dict[str, str] = {}  # of the declared groups, by their names in lower case
        self._ids_read_at: float | None = None

    def user(self, directory_id: str) -> DirectoryEntry | None:
        """What the directory says of a user now; None when it is gone or disabled."""
        fields = "id,userPrincipalName,displayName,mail,accountEnabled"
        found = self._get(f"/users/{quote(directory_id, safe='')}?$select={fields}")
        if found is None or not found.get("accountEnabled", True):
            return None
        return DirectoryEntry(
            username=str(found["userPrincipalName"]),
            directory_id=str(found["id"]),
            display_name=str(found.get("displayName") or "")[:256],
            email=str(found.get("mail") or "")[:254],
            groups=self.with_names(self.groups_of(directory_id)),
        )

    def groups_of(self, directory_id: str) -> frozenset[str]:
        """The ids of the groups that a user is in, by way of other groups too."""
        address = f"/users/{quote(directory_id, safe='')}/getMemberObjects"
        answer = self._ask("POST", address, json={"securityEnabledOnly": False})
        groups: set[str] = set()
        for _ in range(_MAX_PAGES):
            if answer is None:
                break
            groups.update(str(each) for each in answer.get("value", ()))
            following = str(answer.get("@odata.nextLink", ""))
            # The key is shown to the directory only.
            if not following.startswith(f"{self._entra.graph}/"):
                break
            answer = self._ask("POST", following, json={"securityEnabledOnly": False})
        return frozenset(groups)

    def with_names(self, groups: frozenset[str]) -> frozenset[str]:
        """The ids, and the names of those that are declared for roles by name."""
        self._look_up_declared_names()
        named = {name for name, group_id in self._ids.items() if group_id in groups}
        return groups | named

    def _look_up_declared_names(self) -> None:
        """Bring the ids of the declared groups up to date.

        A name that several groups have counts for none of them: anybody might have made another.
        """
        declared = {name for names in settings.ROLE_GROUPS.values() for name in names}
        wanted = {name.lower(): name for name in declared if not is_id(name)}
        read_at = self._ids_read_at
        is_fresh = read_at is not None and (
            time.monotonic() - read_at < settings.ROLE_CACHE_SECONDS
        )
        if is_fresh and wanted.keys() <= self._ids.keys():
            return
        try:
            self._ids = {name: self._id_of(wanted[name]) for name in wanted}
        except DirectoryUnavailable:
            if not wanted.keys() <= self._ids.keys():
                raise
            return  # what is known counts on
        self._ids_read_at = time.monotonic()

    def _id_of(self, name: str) -> str:
        """The id of the only security group of this name; empty when it is not the only one."""
        quoted = quote(name.replace("'", "''"), safe="")
        condition = f"displayName eq '{quoted}' and securityEnabled eq true"
        found = self._get(f"/groups?$select=id&$filter={condition.replace(' ', '%20')}")
        groups = (found or {}).get("value", ())
        if len(groups) != 1:
            logger.error(
                "The directory has %d groups named %r: it gives no role.", len(groups), name
            )
            return ""
        return str(groups[0]["id"])

    def _get(self, path: str) -> dict[str, Any] | None:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        """The directory's answer; None for what it does not have."""
        address = path if path.startswith("https://") else f"{self._entra.graph}/v1.0{path}"
        headers = {"Authorization": f"Bearer {self._access_token()}"}
        try:
            with provider().http() as http:
                answer = http.request(method, address, headers=headers, **options)
                if answer.status_code == requests.codes.not_found:
                    return None
                if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
                    self._token_ends_at = 0.0
                    logger.error(
                        "The directory refuses the web application: %s.", answer.status_code
                    )
                answer.raise_for_status()
                found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise provider().unavailable(error) from None
        if not isinstance(found, dict):
            raise provider().unavailable(ValueError())
        return found

    def _access_token(self) -> str:
        if time.monotonic() >= self._token_ends_at:
            with client(provider()) as asking:
                result = asking.obtain_token_for_client(scope=[f"{self._entra.graph}/.default"])
            if "access_token" not in result:
                logger.error("The provider refuses MLOPS_ENTRA_KEY: %s.", result.get("error"))
                raise DirectoryUnavailable(
                    "The directory refuses this server: tell its administrator."
                )
            self._token = str(result["access_token"])
            lifetime = float(result.get("expires_in", 0))
            self._token_ends_at = time.monotonic() + lifetime - _EARLY_SECONDS
        return self._token


@lru_cache(maxsize=4)
def graph(entra: EntraSettings) -> Graph:
    """The directory of a tenant."""
    return Graph(entra)


def look_up(user: User) -> DirectoryEntry | None:
    """What the directory says of a user now; None when it is gone or disabled.

    Raises DirectoryUnavailable when it could not be asked, as always where there is no key.
    """
    entra = provider().entra
    if not entra.can_ask_directory:
        raise DirectoryUnavailable("The provider can only be asked by a new sign-in.")
    return graph(entra).user(user.directory_id)
