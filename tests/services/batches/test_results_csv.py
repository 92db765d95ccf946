"""Results of a batch as CSV."""

import csv
import io
from typing import Any

import pytest

from mlops.accounts.models import User
from services.batches.results_csv import as_csv
from services.models import Batch
from services.schema import Parameter
from tests.services.create import create_batch, create_version, finish_batch

pytestmark = pytest.mark.django_db


def lines(batch: Batch) -> list[list[str]]:
    text = b"".join(as_csv(batch)).decode()
    return list(csv.reader(io.StringIO(text)))


def batch_of(user: User, *outputs: Parameter, n_items: int = 3, **options: Any) -> Batch:
    create_version(user, outputs=list(outputs))
    batch = create_batch(user, n_items=n_items)
    return finish_batch(batch, **options)


def test_scalars_have_columns_and_failures_their_reason(alice: User) -> None:
    parameters = Parameter("y", "numeric"), Parameter("v", "vector")
    batch = batch_of(alice, *parameters, failures={1}, outputs=lambda n: {"y": -n / 2, "v": [n]})
    assert lines(batch) == [
        ["item", "success", "y", "v", "errorMessage"],
        ["0", "true", "0.0", "[0]", ""],
        ["1", "false", "", "", "Item 1 is odd."],
        ["2", "true", "-1.0", "[2]", ""],
    ]


def test_frames_of_one_row_have_a_column_for_each_of_their_own(alice: User) -> None:
    frames = [{"a": [1], "b": ["x"]}, {"b": ["y"]}, {"a": [1, 2], "b": ["x", "y"]}]
    batch = batch_of(alice, Parameter("d", "data.frame"), outputs=lambda n: {"d": frames[n]})
    assert lines(batch) == [
        ["item", "success", "d.a", "d.b", "errorMessage"],
        ["0", "true", "1", "x", ""],
        ["1", "true", "", "y", ""],
        ["2", "true", '{"a": [1, 2], "b": ["x", "y"]}', "", ""],
    ]


def test_items_without_a_result_have_only_their_number(alice: User) -> None:
    batch = batch_of(
        alice, Parameter("y", "numeric"), n_items=4, n_done=2, outputs=lambda n: {"y": n}
    )
    assert [line[0] for line in lines(batch)[1:]] == ["0", "1", "2", "3"]
    assert lines(batch)[4] == ["3"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_text_is_taken_for_a_formula(alice: User, text: str) -> None:
    batch = batch_of(alice, Parameter("y", "character"), n_items=1, outputs=lambda _: {"y": text})
    [_, [_, _, cell, _]] = list(
        csv.reader(io.StringIO(b"".join(as_csv(batch)).decode(), newline=""))
    )
    assert cell == f"'{text}"
