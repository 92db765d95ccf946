"""What an entry would add to the list of compute nodes."""

import pytest

from mlops.errors import InvalidRequest
from nodes.preview import preview


def test_a_range_shows_how_many_addresses_it_names_and_the_first_and_the_last() -> None:
    found = preview("http://1.0.1-3.1-2:12805", [])
    assert found.count == 6
    assert (found.first, found.last) == ("http://1.0.1.1:12805/", "http://1.0.3.2:12805/")
    assert str(found) == (
        "http://1.0.1-3.1-2:12805/: 6 addresses, http://1.0.1.1:12805/ to http://1.0.3.2:12805/"
    )


def test_a_single_address_is_its_own_first_and_last() -> None:
    assert str(preview(" HTTP://Node-1:12805 ", [])) == "http://node-1:12805/: 1 address"


def test_addresses_that_other_entries_name_too_are_counted() -> None:
    declared = ["http://10.0.0.250-255:12805/", "http://10.0.1.7:12805/", "http://10.0.0.1:80/"]
    found = preview("http://10.0.0-255.0-255:12805", declared)
    assert found.overlaps == (
        ("http://10.0.0.250-255:12805/", 6),
        ("http://10.0.1.7:12805/", 1),
    )
    assert str(found).endswith(
        "; 6 of them also in http://10.0.0.250-255:12805/; 1 of them also in http://10.0.1.7:12805/"
    )


def test_an_entry_that_is_declared_already_does_not_overlap_with_itself() -> None:
    assert preview("http://10.0.0.1-3:1", ["http://10.0.0.1-3:1/"]).overlaps == ()


def test_the_largest_range_takes_no_longer() -> None:
    entry = "http://0-255.0-255.0-255.0-255:1-65535"
    assert preview(entry, [entry.replace("0-255", "1-2", 1)]).count == 256**4 * 65535


def test_a_wrong_entry_is_refused_with_the_place() -> None:
    with pytest.raises(InvalidRequest, match="at character 14"):
        preview("http://1.1.1.256", [])
