"""Plots of an R session: files that nothing overwrites, whole when the call has ended."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from .r_shells import RShell

pytestmark = pytest.mark.r


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RShell]:
    with RShell(tmp_path_factory.mktemp("r") / "shell") as shell:
        yield shell


@pytest.fixture
def session(shared: RShell) -> RShell:
    """A session without files or open devices."""
    shared.execute("graphics.off(); setwd(sub('/work/.*', '/work', getwd()))")
    shared.execute("unlink(list.files(), recursive = TRUE)")
    return shared


def size_of(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a PNG file that is whole."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_each_plot_is_a_file_of_400_pixels(session: RShell) -> None:
    run = session.execute("plot(1:3)\nhist(c(1, 2, 2))")
    assert run.changed == ["Rplot001.png", "Rplot002.png"]
    assert [size_of(session.work / name) for name in run.changed] == [(400, 400), (400, 400)]


def test_later_plots_get_new_names(session: RShell) -> None:
    session.execute("plot(1); plot(2)")
    (session.work / "Rplot005.png").write_bytes(b"mine")
    before = (session.work / "Rplot001.png").read_bytes()
    assert session.execute("plot(3)").changed == ["Rplot006.png"]
    assert (session.work / "Rplot001.png").read_bytes() == before
    assert (session.work / "Rplot005.png").read_bytes() == b"mine"


def test_a_plot_can_be_added_to_and_hold_several_figures(session: RShell) -> None:
    run = session.execute("par(mfrow = c(1, 2))\nplot(1)\nlines(1:2)\nplot(2)\nplot(3)")
    assert run.changed == ["Rplot001.png", "Rplot002.png"]


def test_objects_that_draw_when_they_are_printed_do(session: RShell) -> None:
    run = session.execute(
        "print.figure <- function(x, ...) { grid::grid.newpage(); grid::grid.rect() }\n"
        "structure(list(), class = 'figure')\nstructure(list(), class = 'figure')"
    )
    assert run.changed == ["Rplot001.png", "Rplot002.png"]


def test_a_device_without_a_page_leaves_no_file(session: RShell) -> None:
    assert session.execute("par(mar = c(1, 1, 1, 1))\ninvisible(dev.new())").changed == []
    assert session.execute("dev.list()").console == "NULL\n"


def test_plots_before_an_error_or_an_interrupt_are_kept(session: RShell) -> None:
    assert session.execute("plot(1)\nstop('no')").changed == ["Rplot001.png"]
    session.start("plot(1)\ncat('started\\n')\nrepeat {}")
    session.wait_for_console("started\n")
    session.interrupt()
    assert session.execution().changed == ["Rplot002.png"]
    assert size_of(session.work / "Rplot002.png") == (400, 400)


def test_code_that_closes_the_device_finds_its_file(session: RShell) -> None:
    code = "f <- function() { plot(1); dev.off(); file.rename('Rplot001.png', 'one.png') }\nf()"
    assert session.execute(code).changed == ["one.png"]
    assert session.execute("plot(1); graphics.off(); file.exists('Rplot001.png')").console == (
        "[1] TRUE\n"
    )


def test_plots_are_put_where_the_code_is_but_not_outside(session: RShell) -> None:
    assert session.execute("dir.create('100%'); setwd('100%'); plot(1)").changed == [
        "100%/Rplot001.png"
    ]
    assert session.execute("setwd(tempdir()); plot(1)").changed == ["Rplot001.png"]
    session.execute(f"setwd('{session.work}')")


def test_devices_that_the_code_opened_stay_open(session: RShell) -> None:
    session.execute("png('mine.png', 300, 250)\nplot(1)")
    assert session.execute("lines(1:2)\nnames(dev.cur())").console == '[1] "png"\n'
    assert session.execute("invisible(dev.off())").changed == ["mine.png"]
    assert size_of(session.work / "mine.png") == (300, 250)


def test_without_cairo_plots_become_pdf_files_and_that_is_said(session: RShell) -> None:
    session.execute(
        "real <- capabilities\nunlockBinding('capabilities', baseenv())\n"
        "assign('capabilities', function(...) FALSE, baseenv())"
    )
    run = session.execute("plot(1)\nplot(2)")
    session.execute("assign('capabilities', real, baseenv())")
    assert run.changed == ["Rplot001.pdf", "Rplot002.pdf"]
    assert "plots become PDF files" in run.console
    assert (session.work / "Rplot001.pdf").read_bytes().startswith(b"%PDF")
