"""`manage.py migrate`: Django's, one at a time on a database that several machines share."""

from typing import Any

from django.core.management.commands import migrate

from mlops.database import exclusive, private_files


class Command(migrate.Command):
    """Whoever comes second waits, and finds nothing left to do."""

    def execute(self, *args: Any, **options: Any) -> Any:
        """The command with its checks, which ask the database already."""
        with private_files():
            return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> Any:
        """See `migrate --help`."""
        with exclusive("migrate"):
            return super().handle(*args, **options)
