"""Clients that score the same version at the same time never see anything of each other."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.one_box import OneBox

CLIENTS = 8
CALLS = 25
# Each call leaves behind whatever it can, and tells what it found of others.
CODE = {
    "Python": """
import os, pathlib
print("caller", who)
found = [str(one) for one in (globals().get("leak"), os.environ.get("LEAK")) if one]
found += [path.read_text() for path in pathlib.Path().iterdir()] + [str(one) for one in seen]
leak = who
os.environ["LEAK"] = str(who)
seen.append(who)
pathlib.Path("mine.txt").write_text(str(who))
answer = found
""",
    "R": """
cat("caller", who, "\\n")
found <- c(if (exists("leak")) leak, Sys.getenv("LEAK", unset = NA), seen)
found <- c(found[!is.na(found)], unlist(lapply(list.files(), readLines)))
leak <- who
Sys.setenv(LEAK = who)
seen <- c(seen, who)
writeLines(as.character(who), "mine.txt")
answer <- as.character(found)
""",
}
INIT = {"Python": "seen = []", "R": "seen <- NULL"}


def publish(box: OneBox, runtime: str) -> str:
    path = f"concurrent-{runtime}/1.0"
    definition = {
        "runtimeType": runtime,
        "code": CODE[runtime],
        "initCode": INIT[runtime],
        "inputParameterDefinitions": [{"name": "who", "type": "integer"}],
        "outputParameterDefinitions": [{"name": "answer", "type": "vector"}],
        "outputFileNames": ["mine.txt"],
    }
    with box.client() as client:
        assert client.post(f"/services/{path}", json=definition).status_code == 201
    return path


def call_often(box: OneBox, path: str, number: int) -> list[dict[str, Any]]:
    """What is wrong with the answers of one client."""
    wrong = []
    with box.client() as client:
        for index in range(CALLS):
            who = number * 1000 + index
            answer = client.post(f"/api/{path}", json={"who": who}).json()
            expected = {
                "success": True,
                "errorMessage": "",
                "consoleOutput": f"caller {who}",
                "changedFiles": ["mine.txt"],
                "outputParameters": {"answer": []},
                "outputFiles": {"mine.txt": str(who)},
            }
            content = base64.b64decode(answer["outputFiles"].get("mine.txt", "")).decode()
            answer["outputFiles"] = {"mine.txt": content.strip()}
            answer["consoleOutput"] = answer["consoleOutput"].strip()
            if answer != expected:
                wrong.append(answer)
    return wrong


@pytest.mark.parametrize("runtime", ["Python", "R"])
def test_no_call_sees_variables_files_or_console_of_another(one_box: OneBox, runtime: str) -> None:
    path = publish(one_box, runtime)
    with ThreadPoolExecutor(CLIENTS) as clients:
        wrong = list(clients.map(lambda number: call_often(one_box, path, number), range(CLIENTS)))
    with one_box.client() as client:
        client.delete(f"/services/{path}")
    assert wrong == [[]] * CLIENTS
