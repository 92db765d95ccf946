"""In which formats a call comes and wants its answer: content negotiation.

JSON is the contract; what does not say clearly that it is something else is JSON, as it always was.
"""

from dataclasses import dataclass

from ..errors import NotAcceptable, UnsupportedFormat
from ..manifests import Manifest

JSON, CSV, ARROW = "json", "csv", "arrow"

MEDIA_TYPES = {
    JSON: "application/json",
    CSV: "text/csv",
    ARROW: "application/vnd.apache.arrow.stream",
}
CONTENT_TYPES = {
    name: f"{kind}; charset=utf-8".encode() if name == CSV else kind.encode()
    for name, kind in MEDIA_TYPES.items()
}
_BY_MEDIA_TYPE = {kind: name for name, kind in MEDIA_TYPES.items()}
_LIKE_JSON = {"text/json", "application/*", "*/*", "*"}
_UTF8 = {"utf-8", "utf8", "us-ascii"}
_FRAME = "data.frame"


@dataclass(frozen=True, slots=True)
class Formats:
    """The format of a call's body and that of its answer."""

    request: str = JSON
    answer: str = JSON


PLAIN = Formats()


def formats_of(content_type: str, accept: str, manifest: Manifest) -> Formats:
    """What the two headers say, each "" when there is none; `PLAIN` when both are JSON.

    `UnsupportedFormat` and `NotAcceptable` when this version cannot be called in it.
    """
    formats = Formats(_request_format(content_type, manifest), _answer_format(accept, manifest))
    return PLAIN if formats == PLAIN else formats


def _request_format(content_type: str, manifest: Manifest) -> str:
    media_type, parameters = _parse(content_type)
    name = _BY_MEDIA_TYPE.get(media_type, JSON)  # many clients do not care what they say
    charset = parameters.get("charset", "utf-8").lower()
    if name == CSV and charset not in _UTF8:
        raise UnsupportedFormat(f"CSV is taken in UTF-8 only, not in {charset}.")
    if name != JSON and [kind for _, kind in manifest.inputs] != [_FRAME]:
        raise UnsupportedFormat(
            f"A body in {media_type} is one data frame. This version "
            f"{_listed('input', manifest.inputs)}: send {MEDIA_TYPES[JSON]}."
        )
    return name


def _answer_format(accept: str, manifest: Manifest) -> str:
    """The format that the caller likes best of those that are possible.

    Others than JSON have to be named. A header that names none of ours is for other servers and
    gets JSON (wire-api section 0).
    """
    wishes: dict[str, tuple[float, bool]] = {}  # how much, and whether by name
    for item in accept.split(","):
        media_range, parameters = _parse(item)
        name = _BY_MEDIA_TYPE.get(media_range) or (JSON if media_range in _LIKE_JSON else "")
        if name:
            quality = _quality(parameters.get("q", "1"))
            wish = quality, media_range in _BY_MEDIA_TYPE
            wishes[name] = max(wishes.get(name, wish), wish)
    if not wishes.keys() - {JSON}:
        return JSON
    is_frame = [kind for _, kind in manifest.outputs] == [_FRAME]
    is_possible = is_frame and not manifest.has_output_files
    for name in sorted(wishes, key=lambda name: wishes[name], reverse=True):  # stable
        if wishes[name][0] and (name == JSON or is_possible):
            return name
    if is_possible:
        return JSON  # the others are named as what is not wanted
    files = " and returns files" if manifest.has_output_files else ""
    raise NotAcceptable(
        f"An answer in CSV or Arrow is one data frame. This version "
        f"{_listed('output', manifest.outputs)}{files}: accept {MEDIA_TYPES[JSON]}."
    )


def _parse(value: str) -> tuple[str, dict[str, str]]:
    """A media type or range, and its parameters."""
    media_type, *rest = value.split(";")
    parameters = {}
    for item in rest:
        name, _, text = item.partition("=")
        parameters[name.strip().lower()] = text.strip().strip('"')
    return media_type.strip().lower(), parameters


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return min(max(quality, 0.0), 1.0) if quality == quality else 0.0


def _listed(what: str, parameters: tuple[tuple[str, str], ...]) -> str:
    if not parameters:
        return f"has no {what}"
    return f"has the {what}s " + ", ".join(f"{name} ({kind})" for name, kind in parameters)
