"""What is read of processes."""

import os
import subprocess
import threading

from nodes.runtime.processes import is_childless

SLEEP = ["sleep", "1000"]


def test_a_process_is_childless_only_while_it_surely_has_no_child() -> None:
    with subprocess.Popen(SLEEP) as child:
        assert is_childless(child.pid)
        assert not is_childless(os.getpid())
        child.kill()


def test_a_process_of_several_threads_is_not_known_to_be_childless() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not is_childless(os.getpid())
    finally:
        end.set()
        thread.join()


def test_a_process_that_is_no_more_is_not_known_to_be_childless() -> None:
    with subprocess.Popen(SLEEP) as ended:
        ended.kill()
    assert not is_childless(ended.pid)
