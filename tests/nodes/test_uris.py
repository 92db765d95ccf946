"""The grammar of compute-node URIs (administration section 3)."""

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlops.errors import InvalidRequest
from nodes import uris

Span = tuple[int, int]


def spans(lowest: int, highest: int) -> st.SearchStrategy[Span]:
    """First and last of a range, often the same."""
    numbers = st.integers(lowest, highest)
    return st.one_of(numbers.map(lambda n: (n, n)), st.tuples(numbers, numbers).map(sorted_pair))


def sorted_pair(pair: Span) -> Span:
    return min(pair), max(pair)


def written(span: Span) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"


def size(span: Span) -> int:
    return span[1] - span[0] + 1


@pytest.mark.parametrize(
    ("entry", "addresses"),
    [
        ("http://1.1.1.1:12805", ["http://1.1.1.1:12805/"]),
        (
            "http://1.0.1-3.1-2:12805",
            [
                "http://1.0.1.1:12805/",
                "http://1.0.1.2:12805/",
                "http://1.0.2.1:12805/",
                "http://1.0.2.2:12805/",
                "http://1.0.3.1:12805/",
                "http://1.0.3.2:12805/",
            ],
        ),
        (
            "http://1.0.1.1-3:12805",
            ["http://1.0.1.1:12805/", "http://1.0.1.2:12805/", "http://1.0.1.3:12805/"],
        ),
        (
            "http://1.1.1.1:10-12",
            ["http://1.1.1.1:10/", "http://1.1.1.1:11/", "http://1.1.1.1:12/"],
        ),
        ("http://10.0.0.7:1-2/", ["http://10.0.0.7:1/", "http://10.0.0.7:2/"]),
        ("https://10.0.0.1", ["https://10.0.0.1/"]),
        ("http://localhost:12805", ["http://localhost:12805/"]),
        ("HTTP://Node-1.Contoso.com:12805/", ["http://node-1.contoso.com:12805/"]),
        ("http://compute_node", ["http://compute_node/"]),
        ("http://1.0.1-3:80", ["http://1.0.1-3:80/"]),
        ("http://a.1.1.1-3", ["http://a.1.1.1-3/"]),
    ],
)
def test_an_entry_expands_to_its_addresses_in_order(entry: str, addresses: list[str]) -> None:
    assert list(uris.expand(entry)) == addresses
    assert uris.count(entry) == len(addresses)


def test_a_whole_octet_is_256_addresses() -> None:
    assert uris.count("http://10.0.0.0-255:12805") == 256


@given(
    st.sampled_from(["http", "https"]),
    st.lists(spans(0, 255), min_size=4, max_size=4),
    st.none() | spans(1, 65535),
)
def test_expansion_is_the_product_with_the_port_fastest(
    scheme: str, octets: list[Span], ports: Span | None
) -> None:
    entry = f"{scheme}://{'.'.join(map(written, octets))}"
    expected_count = size(ports) if ports else 1
    for octet in octets:
        expected_count *= size(octet)
    if ports:
        entry += f":{written(ports)}"
    assert uris.count(entry) == expected_count

    assume(expected_count <= 2000)
    numbers = [range(first, last + 1) for first, last in [*octets, ports or (0, 0)]]
    assert list(uris.expand(entry)) == [
        f"{scheme}://{a}.{b}.{c}.{d}{f':{port}' if ports else ''}/"
        for a, b, c, d, port in itertools.product(*numbers)
    ]


@given(st.lists(spans(0, 255), min_size=4, max_size=4), spans(1, 65535))
def test_an_address_is_an_entry_that_names_itself(octets: list[Span], ports: Span) -> None:
    entry = f"http://{'.'.join(map(written, octets))}:{written(ports)}"
    first = next(uris.expand(entry))
    assert list(uris.expand(first)) == [first]
    assert str(uris.parse(first)) == first
    assert not uris.parse(first).is_range


@given(st.text(max_size=60) | st.from_regex(r"https?://[0-9a-z.:/-]*", fullmatch=True))
def test_any_other_text_is_understood_or_refused(text: str) -> None:
    try:
        uri = uris.parse(text)
    except InvalidRequest:
        return
    assert str(uris.parse(str(uri))) == str(uri)
    assert next(uri.expand()).startswith(f"{uri.scheme}://")


def test_the_largest_entry_is_counted_without_enumerating_it() -> None:
    entry = "http://0-255.0-255.0-255.0-255:1-65535"
    assert uris.count(entry) == 256**4 * 65535
    assert next(uris.expand(entry)) == "http://0.0.0.0:1/"


def test_an_address_is_found_by_its_place_without_enumerating() -> None:
    entry = uris.parse("http://1.0.1-3.1-2:80-81")
    assert [entry.address_at(place) for place in range(entry.count())] == list(entry.expand())
    largest = uris.parse("http://0-255.0-255.0-255.0-255:1-65535")
    assert largest.address_at(largest.count() - 1) == "http://255.255.255.255:65535/"


@pytest.mark.parametrize("entry", ["http://node-1", "https://node:443", "http://1.2.3.4"])
def test_the_only_address_of_an_entry_is_at_its_first_place(entry: str) -> None:
    assert uris.parse(entry).address_at(0) == f"{entry}/"


_SMALL = st.builds(
    lambda scheme, octets, ports: uris.parse(
        f"{scheme}://1.2.{'.'.join(map(written, octets))}" + (f":{written(ports)}" if ports else "")
    ),
    st.sampled_from(["http", "https"]),
    st.lists(spans(0, 5), min_size=2, max_size=2),
    st.none() | spans(1, 4),
)


@given(_SMALL, _SMALL)
def test_shared_addresses_are_counted_without_enumerating(
    one: uris.NodeUri, other: uris.NodeUri
) -> None:
    assert one.n_shared(other) == len(set(one.expand()) & set(other.expand()))


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ("http://node", "http://node", 1),
        ("http://node:1-3", "http://node:3-4", 1),
        ("http://node", "http://other", 0),
        ("http://node", "http://1.2.3.4", 0),
    ],
)
def test_names_share_addresses_as_numbers_do(one: str, other: str, count: int) -> None:
    assert uris.parse(one).n_shared(uris.parse(other)) == count


@pytest.mark.parametrize(
    ("entry", "position", "fault"),
    [
        ("", 1, "http://"),
        ("localhost:12805", 1, "http://"),
        ("ftp://1.1.1.1", 1, "http://"),
        ("http://", 8, "empty"),
        ("http://1.1.1.256", 14, "0 to 255"),
        ("http://1.1.3-1.1", 14, "upwards"),
        ("http://1.1.1.1-256", 16, "0 to 255"),
        ("http://1.1.1.01", 14, "leading zero"),
        ("http://1.1.1", 8, "four parts"),
        ("http://1.1.1.1.1", 8, "four parts"),
        ("http://1.1.1.1:", 16, "a port is a number"),
        ("http://1.1.1.1:0", 16, "1 to 65535"),
        ("http://1.1.1.1:65536", 16, "1 to 65535"),
        ("http://1.1.1.1:12-10", 19, "upwards"),
        ("http://1.1.1.1:10-", 19, "a port is a number"),
        ("http://1.1.1.1:10-11-12", 19, "a port is a number"),
        ("http://1.1.1.1:12805/path", 16, "a port is a number"),
        ("http://node/path", 12, "cannot be part of a host"),
        ("http://[::1]:12805", 8, "cannot be part of a host"),
        ("http://no de", 10, "cannot be part of a host"),
        ("http://a..b", 10, "empty"),
        ("http://a.-b", 10, "dash"),
        ("http://b-.a", 8, "dash"),
        ("http://1.1.1.1-", 14, "dash"),
        (f"http://{'x' * 64}", 8, "63 characters"),
        (f"http://{'x' * 300}", 256, "255 characters"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_place(entry: str, position: int, fault: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        uris.parse(entry)
    assert f"at character {position}:" in caught.value.message
    assert fault in caught.value.message


def test_a_password_in_an_entry_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as caught:
        uris.parse("http://user:hunter2@node:12805")
    assert "hunter2" not in caught.value.message


def test_a_list_is_split_at_commas() -> None:
    assert uris.split_list("http://a , http://b:1-2") == ["http://a", "http://b:1-2"]


def test_a_list_is_normalised_and_holds_each_entry_once() -> None:
    entries = ["http://B:1", " http://a/ ", "http://b:1/"]
    assert uris.normalise_list(entries) == ["http://b:1/", "http://a/"]


def test_an_error_in_a_list_names_the_entry() -> None:
    with pytest.raises(InvalidRequest, match=r"Entry 2: .* character 1:"):
        uris.normalise_list(["http://a", "b"])


def test_a_list_of_as_many_addresses_as_allowed_is_taken() -> None:
    assert uris.normalise_list(["http://10.0.0-255.0-255:1"])


def test_a_list_of_more_addresses_than_allowed_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="65537 addresses"):
        uris.normalise_list(["http://10.0.0-255.0-255:1", "http://a"])
