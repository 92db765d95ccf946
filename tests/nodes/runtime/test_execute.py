"""A session runs blocks of code one after the other, as a REPL would."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.nodes.runtime.conftest import NO_R
from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode, processes_below, start_node, wait_until

HOLD = "import os, time\nprint('begun')\nwhile not os.path.exists({!r}): time.sleep(0.05)\n"


def test_variables_functions_and_imports_stay_for_the_next_block(shared: OpenSession) -> None:
    shared.run("import math\nx = 2\ndef double(n): return 2 * n")
    assert shared.run("y = double(x) + math.floor(0.5)", outputs=["x", "y"]) == {"x": 2, "y": 4}


@pytest.mark.parametrize(
    ("code", "console"),
    [
        ("1 + 1", "2\n"),
        ("x = 1", ""),
        ("None", ""),
        ("1\n2", "2\n"),
        ("for i in range(2): i", ""),
        ("'text'", "'text'\n"),
        ("# nothing", ""),
        ("", ""),
        ("import sys\nprint('a', end='')\nsys.stderr.write('b')\nprint('c')", "abc\n"),
        ("import os\nprint('a')\nos.system('echo b')\nprint('c')", "a\nb\nc\n"),
        ("print('\\u00e4\\ud800')", "ä\\ud800\n"),
        ("help(len)", "Help on built-in function len in module builtins:\n\n"),
    ],
)
def test_the_console_shows_what_an_interpreter_would(
    shared: OpenSession, code: str, console: str
) -> None:
    printed = shared.printed(code)
    assert printed.startswith(console)
    assert printed == console or code.startswith("help")


def test_the_last_value_is_kept_under_its_usual_name(shared: OpenSession) -> None:
    shared.run("6 * 7")
    assert shared.printed("_ + 1") == "43\n"


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (1, "int 1"),
        (1.5, "float 1.5"),
        (True, "bool True"),
        ("a", "str 'a'"),
        (None, "NoneType None"),
        ([1, None], "list [1, None]"),
        ([[1, 2], [3, 4]], "list [[1, 2], [3, 4]]"),
        (10**20, f"int {10**20}"),
        ({"a": 1, "b": [1]}, "dict {'a': 1, 'b': [1]}"),
        ({"a": [1, 2], "b": [1]}, "dict {'a': [1, 2], 'b': [1]}"),
        ({"a": [[1]]}, "dict {'a': [[1]]}"),
        ({}, "dict {}"),
        ({"b": [1, 2], "a": ["x", None]}, "DataFrame    b    a\n0  1    x\n1  2  NaN"),
    ],
)
def test_an_input_has_the_type_that_its_json_suggests(
    shared: OpenSession, given: Any, seen: str
) -> None:
    assert shared.printed("print(type(x).__name__, x if type(x).__name__ == 'DataFrame' "
                           "else repr(x))", inputs={"x": given}) == seen + "\n"  # fmt: skip


def test_outputs_are_encoded_by_what_they_are(shared: OpenSession) -> None:
    code = (
        "import datetime, numpy as np, pandas as pd\n"
        "values = {'none': None, 'nan': float('nan'), 'nat': pd.NaT, 'inf': np.inf,\n"
        "    'int': np.int8(1),"
        "    'matrix': np.arange(4).reshape(2, 2), 'series': pd.Series([1.5, None]),\n"
        "    'frame': pd.DataFrame({'a': [1, 2], 'b': ['x', None]}), 'set': {1},\n"
        "    'day': datetime.date(2020, 1, 2), 'nested': {'a': [np.float32(0.5), (1, 2)]}}\n"
        "globals().update(values)"
    )
    expected = {
        "none": None,
        "nan": None,
        "nat": None,
        "inf": None,
        "int": 1,
        "matrix": [[0, 1], [2, 3]],
        "series": [1.5, None],
        "frame": {"a": [1, 2], "b": ["x", None]},
        "set": [1],
        "day": "2020-01-02",
        "nested": {"a": [0.5, [1, 2]]},
    }
    assert shared.run(code, outputs=list(expected)) == expected


def test_an_output_that_cannot_be_given_is_left_out_and_named(shared: OpenSession) -> None:
    result = shared.execute("x = 1\nodd = object()\nodd", outputs=["missing", "x"])
    assert result["success"] is False
    assert "output missing does not exist" in result["errorMessage"]
    assert result["outputParameters"] == [{"name": "x", "value": 1}]
    result = shared.execute("", outputs=["odd", "x"])
    assert result["success"] is False
    assert result["errorMessage"].startswith("Output odd cannot be represented in JSON")
    assert result["outputParameters"] == [{"name": "x", "value": 1}]


def test_the_answer_has_its_members_in_the_order_of_the_contract(shared: OpenSession) -> None:
    odd = '],"outputParameters":[1]}'
    result = shared.execute(f"x = {odd!r}\nopen(x, 'w').close()\nprint(x)", outputs=["x"])
    assert list(result.items()) == [
        ("success", True),
        ("errorMessage", ""),
        ("outputParameters", [{"name": "x", "value": odd}]),
        ("consoleOutput", f"{odd}\n"),
        ("changedFiles", [odd]),
    ]


def test_an_error_shows_its_traceback_and_keeps_what_was_done_before_it(
    shared: OpenSession,
) -> None:
    result = shared.execute(
        "kept = 1\ndef half(x): return x / 0\nhalf(1)\nlost = 1", outputs=["kept"]
    )
    first, second, *_ = result["consoleOutput"].splitlines()
    assert first == "Traceback (most recent call last):"
    assert re.fullmatch(r'  File "<block \d+>", line 3, in <module>', second)
    assert result["consoleOutput"].endswith("ZeroDivisionError: division by zero\n")
    assert result["errorMessage"].startswith("ZeroDivisionError: division by zero\n")
    assert (result["success"], result["outputParameters"]) == (False, [])
    assert {"half", "kept"} <= set(shared.names())
    assert "lost" not in shared.names()
    # Lines of earlier blocks are still told rightly.
    assert "def half(x): return x / 0" in shared.execute("pass\nhalf(2)")["consoleOutput"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = (", "SyntaxError: '(' was never closed (<block "),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("input('? ')", "EOFError: EOF when reading a line"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt\n"),
        ("import sys\nsys.exit('enough')", "The code called sys.exit(enough)."),
        ("exit(3)", "The code called sys.exit(3)."),
        ("breakpoint()", "BdbQuit"),
        ("class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd", "Odd: (its text"),
        ("'\ud800'", "UnicodeEncodeError: "),
    ],
)
def test_code_that_fails_says_why_and_leaves_the_session_usable(
    shared: OpenSession, code: str, message: str
) -> None:
    result = shared.execute(code)
    assert result["success"] is False
    assert result["errorMessage"].startswith(message)
    assert shared.printed("print('alive')") == "alive\n"


@pytest.mark.parametrize("code", ["quit()", "import sys\nsys.exit(0)", "raise SystemExit"])
def test_a_polite_end_ends_the_block_and_not_the_session(shared: OpenSession, code: str) -> None:
    assert shared.printed(f"print('a')\n{code}\nprint('b')") == "a\n"
    assert shared.printed("print('alive')") == "alive\n"


def test_closed_streams_are_open_again_for_the_next_block(shared: OpenSession) -> None:
    shared.execute("import sys\nsys.stdin.close(), sys.stdout.close(), sys.stderr.close()")
    assert shared.printed("print('alive', sys.stdin.read() == '')") == "alive True\n"


def test_a_fork_that_runs_on_does_not_answer_in_place_of_the_session(shared: OpenSession) -> None:
    assert shared.run("import os\npid = os.fork()", outputs=["pid"])["pid"] > 0
    assert "ValueError" in shared.printed(
        "pid = os.fork()\nif pid == 0: raise ValueError\nos.waitpid(pid, 0)"
    )


def test_the_end_of_the_interpreter_loses_the_session(node: RunningNode) -> None:
    with open_session(node) as session:
        answer = session.post("import os\nos._exit(7)")
        assert (answer.status_code, answer.json()["code"]) == (500, "session-failed")
        assert "exit code 7" in answer.json()["message"]
        assert session.post("1").json()["code"] == "session-unknown"


def test_more_console_than_is_kept_is_cut(shared: OpenSession) -> None:
    printed = shared.printed("for _ in range(1000): print('x' * 999)")
    assert printed.endswith(f"[{1_000_000 - 65536} more bytes of console output were dropped]\n")
    assert shared.printed("print('short')") == "short\n"


def test_files_that_the_run_made_or_modified_are_named(session: OpenSession) -> None:
    made = "import os\nos.mkdir('d')\nfor n in ('a', 'b', 'd/c'): open(n, 'w').write('1')"
    assert session.execute(made)["changedFiles"] == ["a", "b", "d/c"]
    assert session.execute("open('a').read()")["changedFiles"] == []
    changed = "open('a', 'w').write('2')\nos.rename('b', 'e')\nos.chdir('d')\nopen('f', 'w')"
    assert session.execute(changed)["changedFiles"] == ["a", "d/f", "e"]
    failed = session.execute("open('g', 'w').close()\n1 / 0")
    assert failed["changedFiles"] == ["d/g"]


def test_a_file_that_changes_as_soon_as_a_block_begins_is_seen(shared: OpenSession) -> None:
    for text in "abcdef":
        assert shared.execute(f"open('a', 'w').write({text!r})")["changedFiles"] == ["a"]


def test_calls_are_served_in_order_and_some_need_not_wait(
    shared: OpenSession, tmp_path: Path
) -> None:
    shared.put_file("given.txt", b"1")
    first = shared.start(HOLD.format(str(tmp_path / "go")) + "order = ['first']\nprint('ended')")
    second = shared.threads.submit(shared.execute, "order.append('second')\nprint('second')")
    assert "given.txt" in shared.files()
    assert shared.get_file("given.txt").content == b"1"
    assert shared.console() == "begun\n"
    assert shared.history()[-1].endswith("print('ended')")
    assert shared.id in shared.node.http.get("/v1/sessions").json()["sessions"]
    removed = shared.threads.submit(shared.delete_file, "given.txt")
    report = shared.node.http.get("/v1/health").json()
    assert report["sessions"] >= 1
    assert shared.id in report["busySessions"]
    assert shared.id in report["sessionIds"]
    (tmp_path / "go").touch()
    assert first.result()["consoleOutput"] == "begun\nended\n"
    assert second.result()["consoleOutput"] == "second\n"
    assert removed.result().status_code == 200
    assert shared.run("", outputs=["order"]) == {"order": ["first", "second"]}


def test_the_console_is_that_of_the_last_block(shared: OpenSession) -> None:
    shared.run("print('one')")
    assert shared.console() == "one\n"
    shared.put("x", 1)
    assert shared.console() == "one\n"
    shared.run("")
    assert shared.console() == ""


def test_the_history_has_every_block_as_it_was_sent(session: OpenSession) -> None:
    blocks = ["x = 1", "1 / 0", " \n", "x = ("]
    for block in blocks:
        session.execute(block)
    assert session.history() == blocks


def test_an_old_history_makes_room_for_the_new(shared: OpenSession) -> None:
    for number in range(3):
        shared.execute(f"# {number}" + "x" * 2_000_000)
    assert [block[:3] for block in shared.history()] == ["# 1", "# 2"]


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"code": 1, "inputs": [], "outputs": []}',
     '{"code": "", "inputs": [{"value": 1}], "outputs": []}',
     '{"code": "", "inputs": [], "outputs": "x"}'],
)  # fmt: skip
def test_a_body_that_is_not_well_formed_is_refused(shared: OpenSession, body: str) -> None:
    answer = shared.node.http.post(f"{shared.path}/execute", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-request")


def test_objects_of_the_workspace_and_of_code_are_the_same(session: OpenSession) -> None:
    session.put("x", [1])
    session.run("import math\nx.append(2)\ndef f(): return sum(x)")
    assert session.value("x") == [1, 2]
    assert session.names() == ["f", "x"]


def test_objects_that_cannot_be_saved_are_named(shared: OpenSession) -> None:
    shared.run("odd = None\nfine = 1\nlater = (n for n in ())")
    answer = shared.node.http.post(f"{shared.path}/snapshot")
    assert (answer.status_code, answer.json()["code"]) == (400, "snapshot-invalid")
    assert "later cannot be saved" in answer.json()["message"]
    shared.run("del later")
    shared.snapshot()


def test_a_service_made_of_a_session_has_what_its_code_defined(session: OpenSession) -> None:
    session.run("factor = 3\ndef scale(x): return factor * x\nopen('unit.txt', 'w').write('m')")
    service = session.node.publish(
        "y = f'{scale(x)} {open(\"unit.txt\").read()}'",
        inputs=[("x", "integer")],
        outputs=[("y", "character")],
        payload=session.snapshot(),
    )
    assert service.outputs({"x": 2}) == {"y": "6 m"}


def test_a_session_that_is_closed_while_it_runs_lets_the_code_end(
    node: RunningNode, tmp_path: Path
) -> None:
    with open_session(node) as session:
        running = session.start(HOLD.format(str(tmp_path / "go")) + "print('ended')")
        closing = session.threads.submit(session.close)
        (tmp_path / "go").touch()
        assert running.result()["consoleOutput"] == "begun\nended\n"
        assert closing.result().status_code == 200
        assert session.post("1").json()["code"] == "session-unknown"


def test_a_session_that_is_closed_by_force_ends_at_once_with_all_it_started(
    node: RunningNode,
) -> None:
    with open_session(node) as session:
        home = Path(session.run("import os\nhome = os.getcwd()", outputs=["home"])["home"]).parent
        running = session.threads.submit(
            session.post, "import subprocess\nprint('begun')\nsubprocess.run(['sleep', '600'])"
        )
        wait_until(lambda: "begun" in session.console())
        assert session.close("?force=1").status_code == 200
        assert running.result().json()["code"] == "session-failed"
        wait_until(lambda: not processes_below(home) and not home.exists())


def test_a_node_that_stops_answers_the_calls_that_wait(tmp_path: Path) -> None:
    node = start_node(tmp_path, environment={"MLOPS_RSCRIPT": NO_R})
    session = OpenSession(node)
    answer = session.threads.submit(session.post, "print('begun')\nwhile True: pass")
    wait_until(lambda: "begun" in session.console())
    node.process.send_signal(signal.SIGTERM)
    assert (answer.result().status_code, answer.result().json()["code"]) == (
        500,
        "cut-off",
    )
    assert node.stop() == 0
    assert processes_below(tmp_path) == []
