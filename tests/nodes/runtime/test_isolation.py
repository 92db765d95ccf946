"""Nothing of one call is seen by another: variables, files, console, interpreter state."""

import concurrent.futures
import subprocess
import sys
import textwrap

import pytest

from tests.nodes.runtime.running import RunningNode, processes_below, wait_until, zip_of

SEEN = [("seen", "vector")]


@pytest.mark.parametrize(
    ("init_code", "code"),
    [
        ("", "seen = sorted(n for n in globals() if n == 'secret')\nsecret = 1"),
        ("kept = 1", "seen = [kept]\nkept = 2"),
        ("kept = 1", "seen = [kept]\ndel kept"),
        ("n = 0\ndef bump():\n    global n\n    n += 1\n    return n", "seen = [bump()]"),
        ("log = []", "log.append(1)\nseen = list(log)"),
        ("log = {'a': {'b': []}}", "log['a']['b'].append(1)\nseen = log['a']['b'][:]"),
        ("pool = {1}", "pool.add(len(pool) + 1)\nseen = list(pool)"),
        ("raw = bytearray(b'a')", "raw += b'b'\nseen = [len(raw)]"),
        ("from collections import deque\nq = deque([1])", "q.append(2)\nseen = list(q)"),
        ("def f(acc=[]):\n    acc.append(1)\n    return len(acc)", "seen = [f()]"),
        (
            "def counter():\n    n = 0\n    def step():\n        nonlocal n\n        n += 1\n"
            "        return n\n    return step\nstep = counter()",
            "seen = [step()]",
        ),
        ("class C:\n    n = 0", "C.n += 1\nseen = [C.n]"),
        ("class C:\n    pass\nc = C()\nc.n = 0", "c.n += 1\nseen = [c.n]"),
        ("class C:\n    __slots__ = ('n',)\nc = C()\nc.n = 0", "c.n += 1\nseen = [c.n]"),
        ("def f(): pass\nf.n = 0", "f.n += 1\nseen = [f.n]"),
        ("import numpy as np\na = np.zeros(2)", "a[0] += 1\nseen = a"),
        (
            "import pandas as pd\nd = pd.DataFrame({'a': [1]})",
            "d.loc[0, 'a'] += 1\nd['b'] = 1\nseen = [d.loc[0, 'a'], len(d.columns)]",
        ),
        ("import pandas as pd\ns = pd.Series([1])", "s[0] += 1\nseen = s"),
        ("", "import os\nseen = [os.environ.get('X', 'none')]\nos.environ['X'] = 'set'"),
        ("", "import os\nseen = [os.path.basename(os.getcwd())]\nos.chdir('/')"),
        ("", "import sys\nseen = [len(sys.path)]\nsys.path.append('/nowhere')"),
        ("", "import sys\nseen = sys.argv[:]\nsys.argv.append('x')"),
        (
            "",
            "import warnings\nseen = [len(warnings.filters)]\n"
            "warnings.filterwarnings('ignore', message='odd')",
        ),
        ("", "import numpy as np\nseen = [np.geterr()['divide']]\nnp.seterr(divide='raise')"),
        (
            "",
            "import pandas as pd\nseen = [pd.get_option('display.width')]\n"
            "pd.set_option('display.width', 7)",
        ),
        ("", "import decimal\nc = decimal.getcontext()\nseen = [c.prec]\nc.prec = 5"),
        ("", "import locale\nseen = [locale.setlocale(0)]\nlocale.setlocale(locale.LC_ALL, 'C')"),
        ("", "import gc\nseen = [gc.isenabled()]\ngc.disable()"),
        ("", "import builtins\nseen = [hasattr(builtins, 'leak')]\nbuiltins.leak = 1"),
        ("", "import sys\nseen = [sys.getrecursionlimit()]\nsys.setrecursionlimit(5000)"),
        ("", "import os\nseen = os.listdir()\nopen('left.txt', 'w').close()"),
        ("", "import os\nos.makedirs('a/b')\nseen = [len(os.listdir())]"),
        (
            "",
            "import os, tempfile\nseen = os.listdir(tempfile.gettempdir())\n"
            "tempfile.mkstemp()",
        ),
        (
            "import os\nhome = os.path.expanduser('~')",
            "seen = os.listdir(home)\nopen(home + '/x', 'w').close()",
        ),
        (
            "open('kept.txt', 'w').write('a')",
            "seen = [open('kept.txt').read()]\nopen('kept.txt', 'a').write('b')",
        ),
        (
            "open('kept.txt', 'w').write('a')",
            "import os\nseen = os.listdir()\nos.remove('kept.txt')",
        ),
        (
            "import os\nos.mkdir('d')\nopen('d/f', 'w').write('a')",
            "import shutil, os\nseen = os.listdir('d')\nshutil.rmtree('d')",
        ),
        ("", "import os, shutil\nseen = [os.path.isdir(os.getcwd())]\nshutil.rmtree(os.getcwd())"),
        ("open('mod.py', 'w').write('n = 0')\nimport mod", "mod.n += 1\nseen = [mod.n]"),
        (
            "",
            "import sys\nseen = ['late' in sys.modules]\nopen('late.py', 'w').close()\nimport late",
        ),
    ],
)  # fmt: skip
def test_a_second_call_sees_what_the_first_saw(
    node: RunningNode, init_code: str, code: str
) -> None:
    service = node.publish(code, init_code=init_code, outputs=SEEN)
    first, second, third = (service.outputs()["seen"] for _ in range(3))
    assert first == second == third


def test_init_code_runs_once_for_many_calls(node: RunningNode) -> None:
    service = node.publish(
        "seen = [mark]", init_code="import uuid\nmark = uuid.uuid4()", outputs=SEEN
    )
    assert service.outputs() == service.outputs()


def test_changes_after_a_failed_call_are_undone_too(node: RunningNode) -> None:
    code = "seen = list(log)\nlog.append(x)\nif x: raise ValueError(x)"
    service = node.publish(code, init_code="log = []", inputs=[("x", "integer")], outputs=SEEN)
    assert service.score({"x": 1})["success"] is False
    assert service.outputs({"x": 0}) == {"seen": []}


def test_two_clients_at_once_never_see_each_others_variables_files_or_console(
    node: RunningNode,
) -> None:
    code = (
        "import os, time\n"
        "seen = [n for n in globals() if n.startswith('mine_')] + os.listdir()\n"
        "globals()['mine_' + who] = who\n"
        "open(who, 'w').write(who)\n"
        "print(who)\n"
        "time.sleep(0.002)\n"
        "print(open(who).read())\n"
        "echo = who"
    )
    service = node.publish(
        code,
        inputs=[("who", "character")],
        outputs=[*SEEN, ("echo", "character")],
        output_files=["alice", "bob"],
    )

    def call(number: int) -> None:
        who = "alice" if number % 2 else "bob"
        with node.client() as client:
            for _ in range(25):
                result = service.post({"who": who}, client).json()
                assert result["outputParameters"] == {"seen": [], "echo": who}
                assert result["consoleOutput"] == f"{who}\n{who}\n"
                assert result["changedFiles"] == [who]
                assert list(result["outputFiles"]) == [who]

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        assert list(clients.map(call, range(4))) == [None] * 4


@pytest.mark.parametrize(
    "leave_behind",
    [
        "import threading, time\n"
        "def late():\n    time.sleep(0.3)\n    print('LATE', flush=True)\n"
        "threading.Thread(target=late, daemon=True).start()",
        "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 0.3; echo LATE'])",
        "import subprocess\nsubprocess.Popen(['setsid', 'sh', '-c', '(sleep 0.3; echo LATE) &'])",
        "import os, time\nif os.fork() == 0:\n    time.sleep(0.3)\n    print('LATE', flush=True)",
    ],
)
def test_what_a_call_leaves_running_never_prints_into_another(
    node: RunningNode, leave_behind: str
) -> None:
    code = f"if leave:\n{textwrap.indent(leave_behind, '    ')}\nelse:\n    time.sleep(0.6)"
    service = node.publish(code, init_code="import time", inputs=[("leave", "logical")])
    assert service.score({"leave": True})["success"] is True
    assert service.score({"leave": False})["consoleOutput"] == ""


def test_a_shell_with_a_child_left_behind_is_replaced_and_the_child_is_killed(
    node: RunningNode,
) -> None:
    code = "import subprocess\npid = subprocess.Popen(['setsid', 'sleep', '600']).pid"
    pid = node.publish(code, outputs=[("pid", "integer")]).outputs()["pid"]
    wait_until(lambda: pid not in processes_below(node.work_root))


def test_threads_and_children_of_init_code_may_stay(node: RunningNode) -> None:
    init_code = (
        "import os, subprocess, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "subprocess.Popen(['sleep', '600'])"
    )
    service = node.publish("pid = os.getpid()", init_code=init_code, outputs=[("pid", "integer")])
    assert service.outputs() == service.outputs()


def test_the_bundles_files_are_there_for_each_call_and_its_changes_are_not(
    node: RunningNode,
) -> None:
    payload = zip_of({"data.txt": b"one", "sub/more.txt": b"two"})
    code = (
        "seen = [open('data.txt').read(), open('sub/more.txt').read()]\n"
        "open('data.txt', 'w').write('ONE')\nimport os\nos.remove('sub/more.txt')"
    )
    service = node.publish(code, outputs=SEEN, payload=payload)
    for _ in range(3):
        result = service.score()
        assert result["outputParameters"] == {"seen": ["one", "two"]}
        assert result["changedFiles"] == ["data.txt"]


def test_changed_and_declared_files_are_told_apart(node: RunningNode) -> None:
    code = (
        "open('a.txt', 'w').write('A')\nimport os\nos.mkdir('d')\nopen('d/b.txt', 'w').write('B')"
    )
    service = node.publish(code, output_files=["a.txt", "missing.txt", "../../x"])
    result = service.score()
    assert result["changedFiles"] == ["a.txt", "d/b.txt"]
    assert result["outputFiles"] == {"a.txt": "QQ=="}


CLIENT = """
import io, sys, dill

def predict(x):
    return Scaler().scale(x) + offset

class Scaler:
    def scale(self, x):
        return x * factor

factor = 3
sys.stdout.buffer.write(dill.dumps({"predict": predict, "Scaler": Scaler, "factor": factor}))
"""


def test_functions_dilled_in_a_clients_main_see_objects_inputs_and_init(node: RunningNode) -> None:
    client = subprocess.run([sys.executable, "-c", CLIENT], capture_output=True, check=True)
    service = node.publish(
        "y = predict(x)",
        init_code="offset = 1",
        inputs=[("x", "numeric")],
        outputs=[("y", "numeric")],
        payload=zip_of({".dill": client.stdout}),
    )
    assert service.outputs({"x": 2}) == {"y": 7}


def test_one_shell_serves_call_after_call_also_when_others_wait(node: RunningNode) -> None:
    service = node.publish(
        "import os, time\ntime.sleep(0.01)\npid = os.getpid()", outputs=[("pid", "integer")]
    )

    def call(_: int) -> list[int]:
        with node.client() as client:
            answers = [service.post(client=client).json() for _ in range(20)]
        return [answer["outputParameters"]["pid"] for answer in answers]

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        pids = [pid for answers in clients.map(call, range(4)) for pid in answers]
    assert len(set(pids)) <= 6


def test_the_answer_has_the_fields_of_the_contract_in_order(node: RunningNode) -> None:
    text = node.publish("x = 1", outputs=[("x", "integer")]).post().text
    assert text == (
        '{"success":true,"errorMessage":"","consoleOutput":"","changedFiles":[],'
        '"outputParameters":{"x":1},"outputFiles":{}}'
    )
