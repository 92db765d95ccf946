"""Log files that stay bounded."""

from pathlib import Path

from mlops.onebox.logs import KEPT_FILES, RotatingLog


def test_a_full_file_makes_room_for_a_new_one(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "a.log", max_bytes=10)
    log.write(b"12345678")
    log.write(b"abc")
    assert (tmp_path / "a.log").read_bytes() == b"abc"
    assert (tmp_path / "a.log.1").read_bytes() == b"12345678"


def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "a.log", max_bytes=1)
    for number in range(10):
        log.write(str(number).encode())
    assert len(list(tmp_path.iterdir())) == KEPT_FILES + 1
    assert (tmp_path / "a.log").read_bytes() == b"9"


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    RotatingLog(tmp_path / "a.log").write(b"before\n")
    RotatingLog(tmp_path / "a.log").write(b"after\n")
    assert (tmp_path / "a.log").read_bytes() == b"before\nafter\n"


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "a.log")
    assert log.tail(2) == ""
    log.write(b"1\n2\n3\n")
    assert log.tail(2) == "2\n3"
