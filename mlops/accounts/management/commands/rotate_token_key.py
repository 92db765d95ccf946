"""`manage.py rotate_token_key`: another key for access tokens."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.key_rotation import prepare_next_key, rotate_key
from mlops.errors import MlopsError


class Command(BaseCommand):
    """Replaces the key in MLOPS_TOKEN_SIGNING_KEY_FILE; running web nodes heed it at once."""

    help = (
        "Replace the key that signs access tokens; tokens of the former one count until they "
        "expire. Exit codes: 0 replaced, or prepared; 1 nothing changed (the message says why); "
        "2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The step, where it is not the whole."""
        steps = parser.add_mutually_exclusive_group()
        steps.add_argument(
            "--next",
            action="store_true",
            help="only make the next key, to be copied to the other web nodes before the rotation",
        )
        steps.add_argument(
            "--compromised",
            action="store_true",
            help="the key got into wrong hands: its tokens, and their logins, end at once",
        )

    def handle(self, *, next: bool, compromised: bool, **options: Any) -> None:  # noqa: ARG002
        """Do it; CommandError says why not."""
        try:
            if next:
                key_id = prepare_next_key()
                self.stdout.write(f"Key {key_id} is prepared; tokens of it count from now on.")
            else:
                key_id = rotate_key(is_compromised=compromised)
                self.stdout.write(f"Key {key_id} signs from now on.")
        except MlopsError as error:
            raise CommandError(error.message) from None
