"""The grammar of compute-node URIs: single ones, and ranges of octets and ports.

    entry  = scheme "://" host [ ":" port ] [ "/" ]
    scheme = "http" | "https"
    host   = DNS name | oct "." oct "." oct "." oct
    oct    = N | N "-" M        0 to 255, N <= M
    port   = P | P "-" Q        1 to 65535, P <= Q

A host of other than four numeric parts is a DNS name and is never expanded, dashes or not. An entry
expands to the product of its ranges, the leftmost octet slowest and the port fastest. The text of
an entry and of an address ends with a slash (administration section 3).
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mlops.errors import InvalidRequest

MAX_ADDRESSES = 65_536  # of one list
MAX_LENGTH = 255  # characters of an entry

_OCTET = re.compile(r"[0-9]+(-[0-9]+)?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PLAIN = re.compile(r"[a-z0-9._-]")


@dataclass(frozen=True)
class NodeUri:
    """An entry understood: `parts` are the four ranges of an IPv4 host, none for a DNS name."""

    scheme: str
    host: str  # as written, in lower case
    parts: tuple[range, ...]
    port_text: str  # "" when none was given
    ports: range  # empty when none was given

    def __str__(self) -> str:
        port = f":{self.port_text}" if self.port_text else ""
        return f"{self.scheme}://{self.host}{port}/"

    @property
    def is_range(self) -> bool:
        """Whether it names more than one address."""
        return self.count() > 1

    def count(self) -> int:
        """How many addresses it names."""
        return math.prod(len(part) for part in self.parts) * max(len(self.ports), 1)

    def contains(self, address: "NodeUri") -> bool:
        """Whether it names the single `address`."""
        if self.scheme != address.scheme or len(self.parts) != len(address.parts):
            return False
        if not self.parts and self.host != address.host:
            return False
        mine, others = (*self.parts, self.ports), (*address.parts, address.ports)
        return all(
            other[0] in part if other else not part
            for part, other in zip(mine, others, strict=True)
        )

    def n_shared(self, other: "NodeUri") -> int:
        """How many addresses both name, found without enumerating them."""
        if self.scheme != other.scheme or len(self.parts) != len(other.parts):
            return 0
        if not self.parts and self.host != other.host:
            return 0
        if bool(self.ports) != bool(other.ports):  # the default port has another spelling
            return 0
        mine, others = (*self.parts, self.ports), (*other.parts, other.ports)
        return math.prod(
            max(0, min(one.stop, two.stop) - max(one.start, two.start)) if one else 1
            for one, two in zip(mine, others, strict=True)
        )

    def address_at(self, place: int) -> str:
        """The address at `place` of `expand`, from 0 on, found without enumerating them."""
        port = ""
        if self.ports:
            place, index = divmod(place, len(self.ports))
            port = f":{self.ports[index]}"
        octets = []
        for part in reversed(self.parts):
            place, index = divmod(place, len(part))
            octets.append(str(part[index]))
        host = ".".join(reversed(octets)) or self.host
        return f"{self.scheme}://{host}{port}/"

    def expand(self) -> Iterator[str]:
        """Its addresses, the leftmost octet slowest and the port fastest."""
        hosts: Iterable[str] = [self.host]
        if self.parts:
            hosts = (".".join(map(str, octets)) for octets in itertools.product(*self.parts))
        endings = [f":{port}/" for port in self.ports] or ["/"]
        return (f"{self.scheme}://{host}{ending}" for host in hosts for ending in endings)


def parse(entry: str) -> NodeUri:
    """The entry understood; raises InvalidRequest that says at which character it is wrong."""
    text = entry.lower()
    if len(text) > MAX_LENGTH:
        raise _wrong(MAX_LENGTH, f"it is longer than {MAX_LENGTH} characters")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("http", "https"):
        raise _wrong(0, "it does not start with http:// or https://")
    start = len(scheme) + len(separator)
    if "@" in rest:
        raise _wrong(start, "it holds a user name or password, which is not supported")
    authority = rest.removesuffix("/")
    host, colon, port_text = authority.partition(":")
    for position, character in enumerate(host, start):
        if not _PLAIN.fullmatch(character):
            raise _wrong(position, f"{character!r} cannot be part of a host")
    parts = _host_parts(host, start)
    ports = range(0)
    if colon:
        ports = _range(port_text, start + len(host) + 1, "a port", 1, 65535)
    return NodeUri(scheme, host, parts, port_text, ports)


def expand(entry: str) -> Iterator[str]:
    """The addresses that an entry names, in order."""
    return parse(entry).expand()


def count(entry: str) -> int:
    """How many addresses an entry names, found without enumerating them."""
    return parse(entry).count()


def split_list(text: str) -> list[str]:
    """The entries of a comma-separated list, blanks around the commas dropped."""
    return [entry.strip() for entry in text.split(",")]


def normalise_list(entries: Sequence[str]) -> list[str]:
    """The entries in their normal spelling, each once, in order.

    Raises InvalidRequest that says which entry is wrong and where, or that the list is too long.
    """
    uris: dict[str, NodeUri] = {}
    for number, entry in enumerate(entries, 1):
        try:
            uri = parse(entry.strip())
        except InvalidRequest as error:
            raise InvalidRequest(f"Entry {number}: {error.message}", fields="entries") from None
        uris[str(uri)] = uri
    n_addresses = sum(uri.count() for uri in uris.values())
    if n_addresses > MAX_ADDRESSES:
        raise InvalidRequest(
            f"The list names {n_addresses} addresses, more than the {MAX_ADDRESSES} allowed.",
            fields="entries",
        )
    return list(uris)


def _host_parts(host: str, start: int) -> tuple[range, ...]:
    """The ranges of an IPv4 host; none for a DNS name."""
    labels = host.split(".")
    if len(labels) == 4 and all(_OCTET.fullmatch(label) for label in labels):
        position = start
        ranges = []
        for label in labels:
            ranges.append(_range(label, position, "an octet", 0, 255))
            position += len(label) + 1
        return tuple(ranges)
    if all(label.isdecimal() for label in labels):
        raise _wrong(start, "an IPv4 address has four parts")
    position = start
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise _wrong(position, _fault_of_label(label))
        position += len(label) + 1
    return ()


def _fault_of_label(label: str) -> str:
    if not label:
        return "a part of the host name is empty"
    if len(label) > 63:
        return "a part of the host name is longer than 63 characters"
    return "a part of a host name neither starts nor ends with a dash"


def _range(text: str, start: int, what: str, lowest: int, highest: int) -> range:
    """The numbers of `N` or `N-M`."""
    first_text, dash, last_text = text.partition("-")
    first = _number(first_text, start, what, lowest, highest)
    if not dash:
        return range(first, first + 1)
    last_start = start + len(first_text) + 1
    last = _number(last_text, last_start, what, lowest, highest)
    if last < first:
        raise _wrong(last_start, f"a range goes upwards, not from {first} to {last}")
    return range(first, last + 1)


def _number(text: str, start: int, what: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise _wrong(start, f"{what} is a number or a range of two, as in 1-3")
    if len(text) > 1 and text.startswith("0"):
        raise _wrong(start, "a number has no leading zero")
    if not lowest <= int(text) <= highest:
        raise _wrong(start, f"{what} is {lowest} to {highest}, not {text}")
    return int(text)


def _wrong(position: int, fault: str) -> InvalidRequest:
    message = f"The compute-node URI is wrong at character {position + 1}: {fault}."
    return InvalidRequest(message, fields="entries")
