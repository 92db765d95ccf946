"""`manage.py audit`: the audit trail."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts import audit_reading
from mlops.accounts.audit import REFUSED, SUCCESS
from mlops.accounts.models import AuditEntry
from mlops.errors import InvalidRequest


class Command(BaseCommand):
    """One of the words `list` and `export`."""

    help = (
        "Show the audit trail, newest first: `list` prints some lines, `export` all that matches "
        "as CSV. Exit codes: 0 shown; 1 a date cannot be understood; 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what to look for."""
        words = parser.add_subparsers(dest="word", required=True)
        listing = words.add_parser("list", help="print the newest entries, a line each")
        exporting = words.add_parser("export", help="write all entries as CSV")
        listing.add_argument("--limit", type=int, default=50, help="how many; %(default)s")
        listing.add_argument("--json", action="store_true", help="print JSON, an object a line")
        for some in (listing, exporting):
            some.add_argument("--user", default="", help="who, as it is spelled")
            some.add_argument("--action", default="", help='as in "publish version"')
            some.add_argument("--object", default="", help="with what belongs to it, as in churn")
            some.add_argument("--outcome", default="", choices=[SUCCESS, REFUSED])
            some.add_argument("--from", default="", metavar="TIME", help="ISO 8601, UTC")
            some.add_argument("--to", default="", metavar="TIME", help="before this moment")

    def handle(self, *, word: str, **options: Any) -> None:
        """Print them; CommandError says why not."""
        try:
            found = audit_reading.matching(
                AuditEntry.objects.all(),
                user=options["user"],
                action=options["action"],
                object=options["object"],
                outcome=options["outcome"],
                since=audit_reading.moment(options["from"]) if options["from"] else None,
                until=audit_reading.moment(options["to"]) if options["to"] else None,
            )
        except InvalidRequest as error:
            raise CommandError(error.message) from None
        if word == "export":
            for chunk in audit_reading.as_csv(found):
                self.stdout.write(chunk.decode(), ending="")
            return
        for entry in found[: max(0, options["limit"])]:
            shown = audit_reading.as_json(entry)
            self.stdout.write(
                json.dumps(shown, ensure_ascii=False) if options["json"] else _line(entry)
            )


def _line(entry: AuditEntry) -> str:
    """The entry in a line: when, who, from where, what, and why not."""
    who = entry.username or "somebody"
    what = f"{entry.action} {entry.object}".strip()
    said = entry.outcome + (f": {entry.reason}" if entry.reason else "")
    return f"{entry.at:%Y-%m-%d %H:%M:%S}  {who} ({entry.address})  {what}  {said}"
