"""`manage.py service_accounts`: accounts of applications."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.api.service_accounts import ServiceAccount
from mlops.accounts.command_line import add_user_argument, user_named
from mlops.accounts.roles import Role
from mlops.accounts.service_accounts import (
    create_service_account,
    remove_service_account,
    service_accounts,
)
from mlops.errors import MlopsError


class Command(BaseCommand):
    """One of the words `list`, `add` and `remove`."""

    help = (
        "Show, make and remove accounts of applications, which come by API keys. Exit codes: "
        "0 done; 1 nothing changed (the message says why); 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what it takes."""
        words = parser.add_subparsers(dest="word", required=True)
        listing = words.add_parser("list", help="all of them, by name")
        listing.add_argument("--json", action="store_true", help="print JSON")
        adding = words.add_parser("add", help="make one")
        removing = words.add_parser("remove", help="remove one with its keys")
        adding.add_argument(
            "--role",
            choices=[role.name.lower() for role in Role],
            default=Role.READER.name.lower(),
            help="what it may do; %(default)s when left out",
        )
        adding.add_argument("--description", default="", help="whose application it is")
        for some in (adding, removing):
            some.add_argument("name")
            add_user_argument(some, "who does it")

    def handle(self, *, word: str, **options: Any) -> None:
        """Do it; CommandError says why not."""
        try:
            match word:
                case "list":
                    self._list(as_json=options["json"])
                case "add":
                    account = create_service_account(
                        user=user_named(options["user"]),
                        name=options["name"],
                        role=Role[options["role"].upper()],
                        description=options["description"],
                    )
                    self.stdout.write(f"The service account {account} is made.")
                case "remove":
                    user = user_named(options["user"])
                    remove_service_account(user=user, name=options["name"])
                    self.stdout.write(f"The service account {options['name']} is removed.")
        except MlopsError as error:
            raise CommandError(error.message) from None

    def _list(self, *, as_json: bool) -> None:
        accounts: Any = service_accounts()  # many=True takes several
        shown = ServiceAccount(accounts, many=True).data
        if as_json:
            self.stdout.write(json.dumps(shown, indent=2))
            return
        for each in shown:
            self.stdout.write("  ".join([each["name"], each["role"], each["description"]]).rstrip())
