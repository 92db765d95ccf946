"""The demo services that the first start trains, publishes and scores."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from mlops.accounts.models import User
from mlops.env import env_str
from services import folders
from services.actions.publish_folder import publish_folder
from services.models import Version

TRAINING_SECONDS = 600
SHOWN_LINES = 5


class TrainingError(Exception):
    """A demo could not be trained; the text is the end of what the training said."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A service folder beside this module, but for the model, which `training` writes into it."""

    name: str
    version: str
    training: Sequence[str]

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def example(self) -> str:
        """The JSON to score it with, on one line."""
        return (self._source / "example.json").read_text().strip()

    def is_done(self) -> bool:
        """Whether it was published and answered once; if deleted since, it is not wanted back."""
        return self._done_file.exists()

    def mark_done(self) -> None:
        """Records that it has been published and answered."""
        self._done_file.parent.mkdir(exist_ok=True)
        self._done_file.touch()

    def can_be_trained(self) -> bool:
        """Whether the interpreter that trains it is installed."""
        return shutil.which(self.training[0]) is not None

    def publish(self, user: User) -> None:
        """Trains it and publishes it as `user`, unless it is published already.

        Raises TrainingError and what `publish_folder` raises.
        """
        if Version.objects.named(self.name, self.version).exists():
            return
        # Always the same place: what a training that was killed leaves does not pile up.
        folder = self._done_file.with_name("training")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._source, folder)
        try:
            self._train(folder)
            publish_folder(user=user, folder=folders.read(folder))
        finally:
            shutil.rmtree(folder)

    def _train(self, folder: Path) -> None:
        try:
            training = subprocess.run(
                self.training,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=TRAINING_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TrainingError(f"The training took over {TRAINING_SECONDS} seconds.") from None
        if training.returncode != 0:
            raise TrainingError("\n".join(training.stdout.splitlines()[-SHOWN_LINES:]))

    @property
    def _source(self) -> Path:
        return Path(__file__).with_name(self.name)

    @property
    def _done_file(self) -> Path:
        return Path(settings.DATA_DIR, "demos", self.name)


DEMOS = (
    Demo(name="iris", version="1.0.0", training=(sys.executable, "train.py")),
    Demo(
        name="bos-rf",
        version="1.0.0",
        training=(env_str("MLOPS_RSCRIPT", "Rscript"), "--vanilla", "train.R"),
    ),
)


def pending() -> Iterator[Demo]:
    """The demos that are still to be published and can be."""
    return (demo for demo in DEMOS if not demo.is_done() and demo.can_be_trained())


def left_out() -> Iterator[Demo]:
    """The demos that cannot be published, because what they need is not installed."""
    return (demo for demo in DEMOS if not demo.is_done() and not demo.can_be_trained())
