"""Forms with a file that may be too large for memory (RFC 7578)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from mlops.errors import InvalidRequest

_TEXT_MAX_BYTES = 1024**2  # of all texts of a form together


@dataclass(slots=True)
class Form:
    """What a form says: its texts by lower-case name, and whether it had the file."""

    texts: dict[str, str] = field(default_factory=dict)
    has_file: bool = False


def read_form(
    chunks: Iterable[bytes], *, content_type: str, file: str, sink: Callable[[bytes], object]
) -> Form:
    """The form in `chunks`; the bytes of its part called `file` go to `sink` as they come.

    Part names match in any case, and what a part says of its own type or file name does not matter.
    An empty body is an empty form. Raises InvalidRequest.
    """
    reader = _Reader(file.lower(), sink)
    kind, options = parse_options_header(content_type)
    parser = None
    for chunk in chunks:
        try:
            if parser is None:
                if kind != b"multipart/form-data" or not options.get(b"boundary"):
                    raise InvalidRequest(
                        "Send a form: Content-Type multipart/form-data with a boundary, the "
                        f"file in its part {file}."
                    )
                parser = MultipartParser(
                    options[b"boundary"],
                    {
                        "on_part_begin": reader.begin,
                        "on_header_begin": reader.begin_header,
                        "on_header_field": reader.extend_header,
                        "on_header_value": reader.extend_value,
                        "on_header_end": reader.end_header,
                        "on_headers_finished": reader.open,
                        "on_part_data": reader.extend,
                        "on_part_end": reader.end,
                        "on_end": reader.finish,
                    },
                )
            parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest(f"The form is malformed: {error}.") from None
    if parser is not None and not reader.is_finished:
        raise InvalidRequest("The form is malformed: its closing boundary is missing.")
    return reader.form


class _Reader:
    """Takes the parser's events, one part after the other."""

    def __init__(self, file: str, sink: Callable[[bytes], object]) -> None:
        self.form = Form()
        self.is_finished = False
        self._file = file
        self._sink = sink
        self._n_text_bytes = 0

    def begin(self) -> None:
        self._name = ""
        self._text: bytearray | None = None

    def begin_header(self) -> None:
        self._header = bytearray()
        self._value = bytearray()

    def extend_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def extend_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace").lower()

    def open(self) -> None:
        is_again = self.form.has_file if self._name == self._file else self._name in self.form.texts
        if is_again:
            raise InvalidRequest(f"The form has its part {self._name} twice.", fields=self._name)
        if self._name == self._file:
            self.form.has_file = True
        else:
            self._text = bytearray()

    def extend(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self._sink(data[start:end])
            return
        self._n_text_bytes += end - start
        if self._n_text_bytes > _TEXT_MAX_BYTES:
            raise InvalidRequest(
                f"The texts of the form are longer than {_TEXT_MAX_BYTES} bytes; the file belongs "
                f"in the part called {self._file}.",
                fields=self._name,
            )
        self._text += data[start:end]

    def end(self) -> None:
        if self._text is None:
            return
        try:
            self.form.texts[self._name] = self._text.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(
                f"The part {self._name} of the form is not UTF-8.", fields=self._name
            ) from None

    def finish(self) -> None:
        self.is_finished = True
