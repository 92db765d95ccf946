"""Users and groups as they are found in the directory (administration section 6)."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ldap
from ldap.dn import str2dn
from ldap.filter import escape_filter_chars

from mlops.accounts.sign_in.directory import DirectoryEntry
from mlops.accounts.sign_in.ldap_config import LdapConfig
from mlops.errors import NotSignedIn

logger = logging.getLogger(__name__)

LONGEST_NAME = 150

_GROUP_CLASSES = "group groupOfNames groupOfUniqueNames groupOfMembers groupOfURLs posixGroup"
_IS_GROUP = "(|{})".format("".join(f"(objectClass={name})" for name in _GROUP_CLASSES.split()))
# Active Directory says that it is one, and finds members of members by itself.
_ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
_IN_CHAIN = "1.2.840.113556.1.4.1941"
_DISABLED = 2  # a bit of userAccountControl

# Groups within groups, where each level is a search of our own.
_MAX_LEVELS = 20
_MAX_GROUPS = 5000
_TERMS_AT_ONCE = 50  # in one filter

Attributes = Mapping[str, Sequence[str]]  # by their names in lower case
Key = tuple[frozenset[tuple[str, str]], ...]  # a distinguished name, as it compares


@dataclass(frozen=True, slots=True)
class Found:
    """One entry."""

    dn: str
    attributes: Attributes

    def first(self, name: str) -> str:
        """The first value of an attribute; empty when it has none."""
        return next(iter(self.attributes.get(name.lower(), [])), "")


class Directory:
    """The directory behind a connection that is bound as the query user; raises ldap.LDAPError."""

    def __init__(self, config: LdapConfig, connection: Any) -> None:
        self._config = config
        self._connection = connection

    def users_named(self, name: str) -> list[Found]:
        """Those whom the search filter finds for a typed name."""
        return self._users(self._config.search_filter.replace("{0}", escape_filter_chars(name)))

    def users_identified(self, username: str) -> list[Found]:
        """Those with this unique name who might still sign in, by whatever name they type."""
        unique = f"({self._config.unique_attribute}={escape_filter_chars(username)})"
        return self._users(f"(&{unique}{self._config.search_filter.replace('{0}', '*')})")

    def entry(self, user: Found) -> DirectoryEntry:
        """What is remembered of a user; raises NotSignedIn for an entry without a usable name."""
        config = self._config
        names = user.attributes.get(config.unique_attribute.lower(), [])
        if len(names) != 1 or len(names[0]) > LONGEST_NAME:
            logger.error(
                "%s needs one value of %s, of at most %s characters, to sign in.",
                user.dn,
                config.unique_attribute,
                LONGEST_NAME,
            )
            raise NotSignedIn(
                "Your entry in the directory has no usable name: ask an administrator."
            )
        return DirectoryEntry(
            username=names[0],
            directory_id=user.dn,
            display_name=user.first(config.display_name_attribute)[:256],
            email=user.first(config.email_attribute)[:254],
            groups=frozenset(self.groups_of(user)),
        )

    def groups_of(self, user: Found) -> set[str]:
        """The names of the user's groups, but those that several groups have."""
        config, (context, is_active_directory) = self._config, self._facts()
        own = _by_key([*user.attributes.get("memberof", []), *self._containing(context, [user.dn])])
        if config.nested_groups and is_active_directory:
            chain = f"(member:{_IN_CHAIN}:={escape_filter_chars(user.dn)})"
            own |= _by_key(found.dn for found in self._groups(context, chain))
        elif config.nested_groups:
            own = self._with_those_around(context, own)
        return self._unique_names(context, own)

    def groups_named(self, name: str) -> list[str]:
        """The distinguished names of all groups of this name."""
        context, _ = self._facts()
        found = self._groups(context, f"(&{_IS_GROUP}(cn={escape_filter_chars(name)}))")
        return [one.dn for one in found if (name_of(one.dn) or "").casefold() == name.casefold()]

    def _users(self, text: str) -> list[Found]:
        config = self._config
        attributes = [
            config.unique_attribute,
            config.display_name_attribute,
            config.email_attribute,
            "memberOf",
            "userAccountControl",
        ]
        return self._search(config.search_base, ldap.SCOPE_SUBTREE, text, attributes)

    def _facts(self) -> tuple[str, bool]:
        """The base of the whole directory, as groups may lie beside people; is it Microsoft's?"""
        found = self._search(
            "", ldap.SCOPE_BASE, "(objectClass=*)", ["namingContexts", "supportedCapabilities"]
        )
        attributes: Attributes = found[0].attributes if found else {}
        base = _key(self._config.search_base)
        contexts = [
            context
            for context in attributes.get("namingcontexts", [])
            if (key := _key(context)) and base and base[-len(key) :] == key
        ]
        context = max(contexts, key=len, default=self._config.search_base)
        return context, _ACTIVE_DIRECTORY in attributes.get("supportedcapabilities", [])

    def _containing(self, context: str, members: Collection[str]) -> Iterator[str]:
        """The groups that name one of the members."""
        for some in _batches(list(members)):
            values = [escape_filter_chars(member) for member in some]
            terms = "".join(f"(member={value})(uniqueMember={value})" for value in values)
            for found in self._groups(context, f"(|{terms})"):
                yield found.dn

    def _with_those_around(self, context: str, own: dict[Key, str]) -> dict[Key, str]:
        """The groups, and those that they are in, at any depth; circles do no harm."""
        all_groups, latest = dict(own), own
        for _ in range(_MAX_LEVELS):
            around = _by_key(self._containing(context, list(latest.values())))
            latest = {key: dn for key, dn in around.items() if key not in all_groups}
            all_groups |= latest
            if not latest:
                return all_groups
            if len(all_groups) > _MAX_GROUPS:
                break
        logger.error("Groups are nested too deeply: some of %s were left out.", len(all_groups))
        return all_groups

    def _unique_names(self, context: str, own: Mapping[Key, str]) -> set[str]:
        """The names of groups, less those that the directory has twice: they could be anybody's."""
        holders: dict[str, dict[Key, str]] = {}
        for key, dn in own.items():
            holders.setdefault((name_of(dn) or "").casefold(), {})[key] = dn
        for some in _batches(list(own.values())):
            terms = "".join(_term_of_name(dn) for dn in some)
            for found in self._groups(context, f"(&{_IS_GROUP}(|{terms}))"):
                same = holders.get((name_of(found.dn) or "").casefold())
                if same is not None and (key := _key(found.dn)):
                    same[key] = found.dn
        names = set()
        for same in holders.values():
            name = name_of(next(iter(same.values()))) or ""
            if len(same) == 1:
                names.add(name)
            else:
                logger.error(
                    "The group name %s is ignored, as it means several: %s.",
                    name,
                    "; ".join(same.values()),
                )
        return names

    def _groups(self, context: str, text: str) -> list[Found]:
        """The entries in the whole directory, or in the part that the query user may search."""
        try:
            return self._search(context, ldap.SCOPE_SUBTREE, text, ["1.1"])
        except (ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS):
            base = self._config.search_base
            return self._search(base, ldap.SCOPE_SUBTREE, text, ["1.1"])

    def _search(self, base: str, scope: int, text: str, attributes: list[str]) -> list[Found]:
        answers = self._connection.search_s(base, scope, text, attributes)
        return [
            Found(
                dn,
                {
                    name.lower(): [value.decode(errors="replace") for value in values]
                    for name, values in found.items()
                },
            )
            for dn, found in answers
            if dn is not None  # of referrals
        ]


def is_disabled(user: Found) -> bool:
    """Whether Active Directory lets this account sign in no longer."""
    control = user.first("userAccountControl")
    return control.isdigit() and bool(int(control) & _DISABLED)


def name_of(dn: str) -> str | None:
    """The value of the first relative name; None for text that is no distinguished name."""
    key = _parsed(dn)
    return key[0][0][1] if key else None


def _parsed(dn: str) -> list[list[tuple[str, str, int]]]:
    try:
        parts: list[list[tuple[str, str, int]]] = str2dn(dn)
    except ldap.DECODING_ERROR:
        return []
    return parts


def _key(dn: str) -> Key:
    return tuple(
        frozenset((kind.lower(), value.casefold()) for kind, value, _ in part)
        for part in _parsed(dn)
    )


def _by_key(dns: Iterable[str]) -> dict[Key, str]:
    return {key: dn for dn in dns if (key := _key(dn))}


def _batches(dns: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(dns), _TERMS_AT_ONCE):
        yield dns[start : start + _TERMS_AT_ONCE]


def _term_of_name(dn: str) -> str:
    kind, value, _ = _parsed(dn)[0][0]
    return f"({kind}={escape_filter_chars(value)})"
