"""`manage.py publish`: publish a service folder."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.errors import MlopsError
from services import folders
from services.actions.publish_folder import publish_folder


class Command(BaseCommand):
    """Publishes what a folder with a service.toml describes (services/folders.py)."""

    help = (
        "Publish the version that FOLDER/service.toml describes. Models need a running compute "
        "node. Exit codes: 0 published; 1 nothing changed (the message says why); 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The folder, and on whose behalf."""
        parser.add_argument("folder", type=Path, help="the folder with service.toml")
        add_user_argument(parser, "who publishes")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="if the version exists, make it what the folder says",
        )

    def handle(self, *, folder: Path, user: str, replace: bool, **options: Any) -> None:  # noqa: ARG002
        """Publish it; CommandError says why not."""
        try:
            published = publish_folder(
                user=user_named(user), folder=folders.read(folder), replace=replace
            )
        except MlopsError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"Published {published}: POST /api/{published}")
