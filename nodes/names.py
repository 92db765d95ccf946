"""Names that users give to objects and files of a session."""

import unicodedata

from mlops.errors import InvalidRequest

_MAX_LENGTH = 255
_MAX_PATH_LENGTH = 1024


def check_name(name: str) -> str:
    """The name, if it can be one; raises InvalidRequest (wire-api section 4).

    It has 1 to 255 characters, no path separator, no control character, and is not `.` or `..`.
    """
    if not 0 < len(name) <= _MAX_LENGTH:
        raise InvalidRequest(f"A name has 1 to {_MAX_LENGTH} characters.", fields="name")
    if name in (".", ".."):
        raise InvalidRequest("A name is not just dots.", fields="name")
    for character in name:
        if character in "/\\":
            raise InvalidRequest("A name holds no path separator.", fields="name")
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise InvalidRequest("A name holds no control character.", fields="name")
    return name


def check_path(path: str) -> str:
    """The name of a file, if it can be one; raises InvalidRequest.

    It is one or more names with `/` between them, below the working directory.
    """
    if len(path) > _MAX_PATH_LENGTH:
        raise InvalidRequest(f"A path has 1 to {_MAX_PATH_LENGTH} characters.", fields="name")
    for name in path.split("/"):
        check_file_name(name)
    return path


def check_file_name(name: str) -> str:
    """The name of a file in the working directory itself; raises InvalidRequest."""
    if len(check_name(name).encode()) > _MAX_LENGTH:
        raise InvalidRequest(f"The name of a file has at most {_MAX_LENGTH} bytes.", fields="name")
    return name
