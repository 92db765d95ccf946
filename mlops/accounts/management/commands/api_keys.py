"""`manage.py api_keys`: the keys by which applications come."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.api.keys import ApiKeyEntry
from mlops.accounts.api_keys.actions import (
    DEFAULT_DAYS,
    MAX_DAYS,
    create_api_key,
    revoke_api_key,
    visible_keys,
)
from mlops.accounts.command_line import add_user_argument, user_named
from mlops.errors import MlopsError


class Command(BaseCommand):
    """One of the words `list`, `add` and `revoke`."""

    help = (
        "Show, make and revoke API keys. A new key is printed this once, alone on standard "
        "output. Exit codes: 0 done; 1 nothing changed (the message says why); 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what it takes."""
        words = parser.add_subparsers(dest="word", required=True)
        listing = words.add_parser("list", help="the keys, without their texts")
        listing.add_argument("--json", action="store_true", help="print JSON")
        adding = words.add_parser("add", help="make one and print it")
        adding.add_argument("account", help="a service account, or the one of --user")
        adding.add_argument("name", help="what the key is for")
        adding.add_argument(
            "--service",
            action="append",
            dest="services",
            metavar="NAME",
            help="bind it to this service; may be repeated. Without it the key opens all that the "
            "account may do",
        )
        adding.add_argument(
            "--days",
            type=int,
            default=DEFAULT_DAYS,
            help=f"how long it is good, {MAX_DAYS} at most; %(default)s when left out",
        )
        revoking = words.add_parser("revoke", help="make one useless")
        revoking.add_argument("id", help="as `list` shows it")
        for some in (listing, adding, revoking):
            add_user_argument(some, "who does it")

    def handle(self, *, word: str, **options: Any) -> None:
        """Do it; CommandError says why not."""
        user = user_named(options["user"])
        try:
            match word:
                case "list":
                    keys: Any = visible_keys(user)  # many=True takes several
                    self._list(ApiKeyEntry(keys, many=True).data, as_json=options["json"])
                case "add":
                    made = create_api_key(
                        user=user,
                        **{name: options[name] for name in ("account", "name", "services", "days")},
                    )
                    until = f"{made.key.expires_at:%Y-%m-%d}"
                    self.stderr.write(f"The key {made.key.pk}, good until {until}:")
                    self.stdout.write(made.text)
                case "revoke":
                    key = revoke_api_key(user=user, key_id=options["id"])
                    self.stdout.write(f"The key {key} of {key.user.username} is revoked.")
        except MlopsError as error:
            raise CommandError(error.message) from None

    def _list(self, keys: Any, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(keys, indent=2))
            return
        for key in keys:
            bounds = "all services" if key["services"] is None else ", ".join(key["services"])
            used = (key["lastUseTime"] or "never")[:16]
            self.stdout.write(
                f"{key['id']}  {key['account']}  {key['name']}  ({bounds})  "
                f"until {key['expiryTime'][:10]}, last used {used}"
            )
