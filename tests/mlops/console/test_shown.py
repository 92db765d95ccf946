"""Figures, sizes and times as people read them."""

import pytest

from mlops.console import shown

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, shown.NOTHING),
        (0, "0"),
        (7, "7"),
        (0.25, "0.25"),
        (9_999, "9,999"),
        (12_400, "12.4 k"),
        (1_250_000, "1.25 M"),
        (3e9, "3 G"),
        (0.0001234, "0.0001"),
    ],
)
def test_numbers_have_about_three_digits(value: float | None, text: str) -> None:
    assert shown.number(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (42, "42 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (3600, "1 h"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert shown.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(("share", "text"), [(0, "0 %"), (0.025, "2.5 %"), (0.0001, "< 0.1 %")])
def test_shares_are_percentages(share: float, text: str) -> None:
    assert shown.percent(share).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("value", "text"), [(12, "12 bytes"), (2048, "2 KiB"), (524_288_000, "500 MiB")]
)
def test_sizes_have_binary_units(value: float, text: str) -> None:
    assert shown.file_size(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(("value", "text"), [(12.44, "12.4 ms"), (1240, "1.24 s")])
def test_long_times_are_seconds(value: float, text: str) -> None:
    assert shown.milliseconds(value).replace("\N{NO-BREAK SPACE}", " ") == text
