"""`manage.py migrate`: Django's, one at a time on a database that several machines share."""

from typing import Any

from django.core.management.commands import migrate

from mlops.database import exclusive


class Command(migrate.Command):
    """Whoever comes second waits, and finds nothing left to do."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """See `migrate --help`."""
        with exclusive("migrate"):
            return super().handle(*args, **options)
