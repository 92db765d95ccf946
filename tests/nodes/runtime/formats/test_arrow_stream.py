"""Arrow streams: what is read, what is refused, and that nothing malformed does worse."""

import base64
import contextlib
import random
from typing import Any

import nanoarrow as na
import numpy as np
import pytest

from nodes.runtime.formats import arrow_stream
from nodes.runtime.inputs import InputError
from tests.nodes.runtime.formats.arrow_streams import arrow_of, cells_of, types_of

# As pyarrow writes it, with zstd and without: x [1.0, 2.0], then d ["a", None, "b"] as dictionary.
COMPRESSED = base64.b85decode(
    b"|NsC0Z~y=R5C8xG000UA3;+fI1po*D3IG5A009I53;+NC2mlBG000C42mk;81ONa40RR916aWAK5C9Ya2ml5E2LK"
    b"EJ000mG5C8xG000345C8xG7ytkO1ONa4000000RR91cmM_f2ml5E1^@s600062|NsC0pa1{>6aWAK000003;-"
    b"Aa1^@*B2mlNK3;+NC00RU78~^|SC;$Ke00000000003;-Sg5C8-"
    b"K2mlNK3;+NCPyhe`Bme*a7ytkO0ssI20000000000000I62ml8F1^@s6000010ssI20000000000000000000000"
    b"00000000ApigX00000000000RR910ssI20000000000000005C8xG00000D77#BAP|87000000002+KL7v#00000"
    b"KmY&$00000|NsC000000"
)
DICTIONARY = base64.b85decode(
    b"|NsC0kN^Mx5C8xG000UA3;+fI1po*D3IG5A009I51ONa4y#N3I1ONa40RR916aWAK5C9ke2ml5E2LKEJ5C9Ya5C8"
    b"xG000366aWAKKmY&$8~^|S1ONa4000000RR91WB>pF2mlBG000C42mk;83;+NC2mlNK2ml8F2mk;800001AOHXW1"
    b"ONm81ONa400000|NsC0r~m)}6aWAK000003;+}W1^@*B2mlNK3;+NC00IO66aWAK7ytkO000002mlHI000C42mk;"
    b"85C8xG000UA7yt|a1ONyC3IG5AOaK4?5C8xG0ssI200000000000{{R30000000000000000000000000000003;"
    b"+NC000005C8xG000000ssI200000000000RR910ssI2000000000000000000000RR910ssI200000VPXIP00000"
    b"|NsC0hyVZp6aWAK000003;-"
    b"4Y1^@*B2mlNK3;+NC00RU77ytkO7ytkO00000000UA7yt|a1ONyC3IG5AJOBUy5C8xG0{{R300000000000ssI20"
    b"0000000000RR91000002mk;8000003;+NC00000000000RR910{{R3000000RR91000001poj500000000000000"
    b"00RR9100000|NsC000000"
)


def cells(stream: bytes) -> dict[str, list[Any]]:
    columns = arrow_stream.read(stream)
    return {name: c if isinstance(c, list) else c.tolist() for name, c in columns.items()}


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        (na.int8(), [1, -2], [1, -2]),
        (na.uint64(), [2**63, 1], [2**63, 1]),
        (na.float32(), [0.5, 2.0], [0.5, 2.0]),
        (na.bool_(), [True, False, True], [True, False, True]),
        (na.bool_(), [True, None], [True, None]),
        (na.string(), ["a", None, "é"], ["a", None, "é"]),
        (na.large_string(), ["a", ""], ["a", ""]),
        (na.date32(), [18263, None], ["2020-01-02", None]),
        (na.timestamp("ms", "UTC"), [1_577_934_245_060], ["2020-01-02T03:04:05.06Z"]),
        (na.timestamp("s"), [-1], ["1969-12-31T23:59:59"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_cells_come_as_json_has_them(kind: Any, given: list[Any], found: list[Any]) -> None:
    assert cells(arrow_of({"x": (kind, given)})) == {"x": found}


def test_missing_numbers_are_nan() -> None:
    column = arrow_stream.read(arrow_of({"x": (na.int32(), [1, None])}))["x"]
    assert isinstance(column, np.ndarray)
    np.testing.assert_array_equal(column, [1.0, np.nan])


def test_dictionaries_are_looked_up() -> None:
    assert cells(DICTIONARY) == {"d": ["a", None, "b"]}


def test_compression_is_refused() -> None:
    with pytest.raises(InputError, match="without compression"):
        arrow_stream.read(COMPRESSED)


def test_what_is_written_is_read_by_another_implementation() -> None:
    columns: dict[str, Any] = {
        "n": np.array([1.5, np.nan]),
        "f": np.array([0.5, 1], dtype=np.float32),
        "i": np.array([1, 2]),
        "l": np.array([True, False]),
        "s": ["é", None],
        "o": [None, True],
        "m": [1, 2.5],
        "z": [None, None],
    }
    stream = arrow_stream.write(columns)
    assert cells_of(stream) == {
        "n": [1.5, None],
        "f": [0.5, 1.0],
        "i": [1, 2],
        "l": [True, False],
        "s": ["é", None],
        "o": [None, True],
        "m": [1.0, 2.5],
        "z": [None, None],
    }
    kinds = ["DOUBLE", "FLOAT", "INT64", "BOOL", "STRING", "BOOL", "DOUBLE", "NULL"]
    assert types_of(stream) == dict(zip(columns, kinds, strict=True))


def test_no_rows_and_no_columns_are_tables_too() -> None:
    assert cells_of(arrow_stream.write({"x": np.array([]), "s": []})) == {"x": [], "s": []}
    assert cells(arrow_stream.write({})) == {}


@pytest.mark.parametrize("column", [[1, "a"], [[1], [2]], [True, 1]])
def test_a_column_of_several_types_cannot_be_written(column: list[Any]) -> None:
    with pytest.raises(ValueError, match="column 'x'"):
        arrow_stream.write({"x": column})


def test_malformed_streams_are_refused_and_nothing_else() -> None:
    texts = ["x", "é"]
    whole = arrow_of({"n": (na.float64(), [1.5, None]), "s": (na.string(), texts)})
    lots = random.Random(4)
    for stream in (whole, DICTIONARY) * 1000:
        broken = bytearray(stream)
        for _ in range(lots.choice((1, 2, 4))):
            broken[lots.randrange(len(broken))] = lots.choice((0, 127, 128, 255))
        with contextlib.suppress(InputError):
            arrow_stream.read(bytes(broken[: lots.choice((len(broken), lots.randrange(999)))]))
