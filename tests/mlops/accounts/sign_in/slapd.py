"""A directory for tests: an OpenLDAP server of its own, which ends with the test run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ldap
from ldap.dn import escape_dn_chars
from ldap.modlist import addModlist

from mlops.accounts.sign_in.ldap_config import LdapConfig
from tests.certificates import Authority
from tests.nodes.runtime.running import wait_until
from tests.ports import free_port

SUFFIX = "dc=example,dc=org"
PEOPLE, GROUPS = f"ou=People,{SUFFIX}", f"ou=Groups,{SUFFIX}"
QUERY_USER, QUERY_PASSWORD = f"cn=mlops,{SUFFIX}", "qu#ery p\\w,ö"
PASSWORD = "Quite-Secret-1"
_ROOT, _ROOT_PASSWORD = f"cn=root,{SUFFIX}", "root"

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.2 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.3 NAME 'testPerson' SUP top AUXILIARY
  MAY ( userPrincipalName $ userAccountControl ) )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/pid
argsfile {folder}/args
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
access to dn.base="" by * read
database mdb
suffix "{suffix}"
rootdn "{root}"
rootpw {root_password}
directory {folder}/data
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{query_user}" read by * none
overlay memberof
memberof-group-oc groupOfNames
"""


@dataclass
class Slapd:
    """The server, with the query user and two empty branches, and a throw-away authority."""

    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="mlops-slapd-")))
    _process: "subprocess.Popen[bytes] | None" = None
    _added: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir()
        authority = Authority()
        self.ca = authority.write(self.folder)
        authority.issue("CN=directory").write(self.folder, "server")
        (self.folder / "slapd.conf").write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                suffix=SUFFIX,
                root=_ROOT,
                root_password=_ROOT_PASSWORD,
                query_user=QUERY_USER,
            )
        )

    def start(self) -> "Slapd":
        """Starts it and returns when it answers."""
        program = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "slapd is missing: run mlops/onebox/install.sh test"
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        command = [program, "-f", f"{self.folder}/slapd.conf", "-h", urls, "-d", "0"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command], stdout=log, stderr=log
            )
        wait_until(lambda: self._has_ended() or self._answers())
        assert not self._has_ended(), (self.folder / "log").read_text()
        return self

    def fill(self) -> "Slapd":
        """Makes the branches and the query user, which stay."""
        organisation = {"objectClass": ["dcObject", "organization"], "o": ["Example"]}
        self._add(SUFFIX, organisation | {"dc": ["example"]})
        for branch in (PEOPLE, GROUPS):
            self._add(branch, {"objectClass": ["organizationalUnit"]})
        query_user = {"objectClass": ["organizationalRole", "simpleSecurityObject"]}
        self._add(QUERY_USER, query_user | {"userPassword": [QUERY_PASSWORD]})
        return self

    def stop(self) -> None:
        """Kills it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """Ends it and removes all it had."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def person(self, name: str, *, password: str | None = PASSWORD, **attributes: str) -> str:
        """The distinguished name of a new person `{name}@example.org`."""
        dn = f"cn={escape_dn_chars(name)},{PEOPLE}"
        entry = {
            "objectClass": ["inetOrgPerson", "testPerson"],
            "sn": [name],
            "userPrincipalName": [f"{name}@example.org"],
            **({} if password is None else {"userPassword": [password]}),
            **{attribute: [value] for attribute, value in attributes.items()},
        }
        return self.add(dn, entry)

    def group(
        self, name: str, members: Iterable[str], *, is_unique: bool = False, within: str = GROUPS
    ) -> str:
        """The distinguished name of a new group; one of unique names has no memberOf."""
        kind, attribute = ("UniqueNames", "uniqueMember") if is_unique else ("Names", "member")
        # A group must not be empty.
        entry = {"objectClass": [f"groupOf{kind}"], attribute: [*members, QUERY_USER]}
        return self.add(f"cn={escape_dn_chars(name)},{within}", entry)

    def add(self, dn: str, entry: Mapping[str, list[str]]) -> str:
        """Adds an entry, which stays until `forget`."""
        self._add(dn, entry)
        self._added.append(dn)
        return dn

    def join(self, group: str, member: str) -> None:
        self._modify(group, (ldap.MOD_ADD, "member", [member.encode()]))

    def leave(self, group: str, member: str) -> None:
        self._modify(group, (ldap.MOD_DELETE, "member", [member.encode()]))

    def replace(self, dn: str, attribute: str, *values: str) -> None:
        encoded = [value.encode() for value in values]
        self._modify(dn, (ldap.MOD_REPLACE, attribute, encoded))

    def delete(self, dn: str) -> None:
        self._as_root("delete_s", dn)
        self._added.remove(dn)

    def forget(self) -> None:
        """Deletes what was added."""
        while self._added:
            self._as_root("delete_s", self._added.pop())

    def config(self, **changes: Any) -> LdapConfig:
        """The settings with which the product uses it."""
        settings: dict[str, Any] = {
            "hosts": ("127.0.0.1",),
            "port": self.port,
            "use_ldaps": False,
            "start_tls": False,
            "ca": None,
            "query_user_dn": QUERY_USER,
            "query_user_password": QUERY_PASSWORD,
            "search_base": PEOPLE,
            "search_filter": "(|(cn={0})(userPrincipalName={0}))",
            "unique_attribute": "userPrincipalName",
            "display_name_attribute": "displayName",
            "email_attribute": "mail",
            "nested_groups": False,
            "timeout_seconds": 5,
        }
        return LdapConfig(**settings | changes)

    def environment(self) -> dict[str, str]:
        """The same as variables."""
        password_file = self.folder / "password"
        password_file.write_text(f"{QUERY_PASSWORD}\n")
        return {
            "MLOPS_LDAP_ENABLED": "true",
            "MLOPS_LDAP_HOST": "127.0.0.1",
            "MLOPS_LDAP_PORT": str(self.port),
            "MLOPS_LDAP_START_TLS": "true",
            "MLOPS_LDAP_CA": str(self.ca),
            "MLOPS_LDAP_QUERY_USER_DN": QUERY_USER,
            "MLOPS_LDAP_QUERY_USER_PASSWORD_FILE": str(password_file),
            "MLOPS_LDAP_SEARCH_BASE": PEOPLE,
            "MLOPS_LDAP_SEARCH_FILTER": "cn={0}",
            "MLOPS_LDAP_DISPLAY_NAME_ATTRIBUTE_NAME": "displayName",
        }

    def _add(self, dn: str, entry: Mapping[str, list[str]]) -> None:
        encoded = {name: [value.encode() for value in values] for name, values in entry.items()}
        self._as_root("add_s", dn, addModlist(encoded))

    def _modify(self, dn: str, change: tuple[int, str, list[bytes]]) -> None:
        self._as_root("modify_s", dn, [change])

    def _as_root(self, operation: str, *arguments: Any) -> None:
        connection = self._connect()
        getattr(connection, operation)(*arguments)
        connection.unbind_s()

    def _connect(self) -> Any:
        connection = ldap.initialize(f"ldap://127.0.0.1:{self.port}")
        connection.simple_bind_s(_ROOT, _ROOT_PASSWORD)
        return connection

    def _answers(self) -> bool:
        try:
            self._connect().unbind_s()
        except ldap.SERVER_DOWN:
            return False
        return True

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None
