"""What went wrong in user code, told with their lines and without ours."""

import linecache
import os
import resource
import traceback
from types import CodeType

CODE_FILE = "<code>"
INIT_FILE = "<initCode>"
_BLOCK = "<block "
_TEXT_MAX = 16_000


def compile_source(source: str, file_name: str) -> CodeType:
    """The compiled code; its lines are kept for `describe`."""
    lines = source.splitlines(keepends=True)
    linecache.cache[file_name] = (len(source), None, lines, file_name)
    return compile(source, file_name, "exec", dont_inherit=True)


def block_name(number: int) -> str:
    """The file name of a session's block of code."""
    return f"{_BLOCK}{number}>"


def is_code(file_name: str) -> bool:
    """Whether the file name is that of code sent by a user."""
    return file_name in (CODE_FILE, INIT_FILE) or file_name.startswith(_BLOCK)


def describe(error: BaseException, work_dir: str) -> str:
    """Type, text, and those traceback lines that are in the service's own code or files."""
    if isinstance(error, SystemExit):
        head = f"The code called sys.exit({_text_of(error)})."
    elif isinstance(error, SyntaxError) and is_code(error.filename or ""):
        return _syntax_error(error)
    else:
        text = _text_of(error)
        if isinstance(error, MemoryError):
            text = f"{text} {_memory_note()}".lstrip()
        elif isinstance(error, BlockingIOError):  # what fork gives in a full control group
            text = f"{text} (a shell may have only so many processes)"
        head = type(error).__qualname__ + (f": {text}" if text else "")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_theirs(frame.filename, work_dir)
    ]
    lines = traceback.format_list([_relative(frame, work_dir) for frame in frames])
    return _clean(head + "\n" + "".join(lines)).rstrip()


def _memory_note() -> str:
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return f"A shell may use {limit // 1024**2} MiB of memory." if limit > 0 else ""


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 (the text is made by user code)
        return "(its text cannot be shown)"


def _syntax_error(error: SyntaxError) -> str:
    line = (error.text or "").strip()
    head = f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    return _clean(f"{head}\n  {line}" if line else head)


def _is_theirs(file_name: str, work_dir: str) -> bool:
    return is_code(file_name) or file_name.startswith(work_dir + os.sep)


def _relative(frame: traceback.FrameSummary, work_dir: str) -> traceback.FrameSummary:
    name = frame.filename.removeprefix(work_dir + os.sep)
    return traceback.FrameSummary(name, frame.lineno, frame.name, line=frame.line)


def _clean(text: str) -> str:
    if len(text) > _TEXT_MAX:
        text = text[:_TEXT_MAX] + " …"
    return text.encode("utf-8", "replace").decode()
