"""Figures that code of a session draws come back as files."""

import io

from PIL import Image

from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"


def test_matplotlib_is_not_imported_before_code_does(node: RunningNode) -> None:
    with open_session(node) as session:
        code = "import sys\nseen = 'matplotlib' in sys.modules"
        assert session.run(code, outputs=["seen"]) == {"seen": False}


def test_a_figure_that_was_not_saved_becomes_a_file_and_is_closed(node: RunningNode) -> None:
    with open_session(node) as session:
        result = session.execute(DRAW + "fig = plt.figure()\nfig.gca().plot([3])")
        assert result["changedFiles"] == ["plot001.png", "plot002.png"]
        assert "arn" not in result["consoleOutput"]
        with Image.open(io.BytesIO(session.get_file("plot001.png").content)) as image:
            assert (image.format, image.size) == ("PNG", (640, 480))
        assert session.run("n = len(plt.get_fignums())", outputs=["n"]) == {"n": 0}
        session.delete_file("plot001.png")
        assert session.execute(DRAW)["changedFiles"] == ["plot003.png"]


def test_show_writes_at_once_without_waiting_or_warning(shared: OpenSession) -> None:
    code = DRAW + "plt.show()\nimport os\nn = len(os.listdir())\nplt.figure().show()"
    result = shared.execute(code, outputs=["n"])
    assert result["consoleOutput"] == ""
    assert result["outputParameters"] == [{"name": "n", "value": 1}]
    assert result["changedFiles"] == ["plot001.png", "plot002.png"]


def test_a_figure_that_code_saved_is_not_written_again(shared: OpenSession) -> None:
    result = shared.execute(DRAW + "plt.savefig('mine.svg')\nplt.show()")
    assert result["changedFiles"] == ["mine.svg"]
    assert shared.execute("plt.gcf().savefig('own.png')")["changedFiles"] == ["own.png"]


def test_figures_of_code_that_fails_are_written_too(shared: OpenSession) -> None:
    result = shared.execute(DRAW + "1 / 0")
    assert result["success"] is False
    assert len(result["changedFiles"]) == 1


def test_a_figure_that_cannot_be_drawn_is_told_and_closed(shared: OpenSession) -> None:
    result = shared.execute(DRAW + "t = plt.title('$\\\\nonsense$')")
    assert result["success"] is True
    assert result["consoleOutput"].startswith("A figure was not written: ValueError")
    assert result["changedFiles"] == []
    assert shared.run("n = len(plt.get_fignums())", outputs=["n"]) == {"n": 0}
