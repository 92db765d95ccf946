"""`manage.py grants`: who may consume and who may manage a service."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.errors import MlopsError
from services.actions.set_grants import service_to_govern, set_grants
from services.grants import GROUP, KINDS, RIGHTS, Grant


class Command(BaseCommand):
    """One of the words `show`, `set` and `clear`; see `--help` of each."""

    help = (
        "Show and change the grants of a service; without any it is open to everybody with a "
        "role. Exit codes: 0 done; 1 nothing changed (the message says why); 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what it takes."""
        words = parser.add_subparsers(dest="word", required=True)
        showing = words.add_parser("show", help="the grants of a service")
        setting = words.add_parser("set", help="replace all grants of a service by these")
        clearing = words.add_parser("clear", help="remove all grants of a service")
        for one in (showing, setting, clearing):
            one.add_argument("service", help="the service's name")
            add_user_argument(one, "on whose behalf")
        showing.add_argument("--json", action="store_true", help="print JSON")
        for right in RIGHTS:
            for kind in KINDS:
                setting.add_argument(
                    _option(right, kind),
                    action="append",
                    default=[],
                    metavar="NAME",
                    help=f"a {kind} who may {right} it; may be given several times",
                )

    def handle(self, *, word: str, service: str, user: str, **options: Any) -> None:
        """Do it; CommandError says why not."""
        try:
            who = user_named(user)
            match word:
                case "show":
                    found = service_to_govern(user=who, name=service)
                case "set":
                    found = set_grants(user=who, name=service, grants=_given(options))
                case _:
                    found = set_grants(user=who, name=service, grants=[])
        except MlopsError as error:
            raise CommandError(error.message) from None
        grants = [Grant(**each) for each in found.grants]
        if options.get("json"):
            stored = [each.stored() for each in grants]
            self.stdout.write(json.dumps(stored, ensure_ascii=False, indent=2))
            return
        self.stdout.write("\n".join(map(_words, grants)) or f"{service} has no grants: it is open.")


def _option(right: str, kind: str) -> str:
    return f"--{right}-{kind}"


def _given(options: dict[str, Any]) -> list[Grant]:
    """The grants that the options say; CommandError without any."""
    grants = [
        Grant(right, kind, name)
        for right in RIGHTS
        for kind in KINDS
        for name in options[f"{right}_{kind}"]
    ]
    if not grants:
        raise CommandError("Say who may do what, or remove all grants with `clear`.", returncode=2)
    return grants


def _words(grant: Grant) -> str:
    """`consume group dashboards` and the like, in columns."""
    return f"{grant.right:<8}{grant.kind:<{len(GROUP) + 1}}{grant.name}"
