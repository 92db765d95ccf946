"""`manage.py nodes`: the list of declared compute nodes."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mlops.accounts.command_line import add_user_argument, user_named
from mlops.errors import MlopsError
from mlops.status import Status
from nodes import actions, uris
from nodes.declared import declared_entries
from nodes.draining import drain_nodes, resume_nodes
from nodes.health import names
from nodes.overview import KnownNode, known_nodes
from nodes.picture import declared_uris
from nodes.preview import preview
from nodes.status import states_of


class Command(BaseCommand):
    """One of the words `list`, `preview`, `add` … `test`; see `--help` of each."""

    help = (
        "Show and change the list of compute nodes. Exit codes: 0 done, or all nodes that were "
        "tested answer; 1 nothing changed (the message says why), or a node does not answer; "
        "2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The word, and what it takes."""
        words = parser.add_subparsers(dest="word", required=True)
        listing = words.add_parser("list", help="the entries, what they name, and the nodes known")
        previewing = words.add_parser("preview", help="what entries would name; changes nothing")
        adding = words.add_parser("add", help="declare further entries")
        removing = words.add_parser("remove", help="declare entries no longer")
        draining = words.add_parser("drain", help="send no new work to nodes; what runs there ends")
        resuming = words.add_parser("resume", help="send work to drained nodes again")
        testing = words.add_parser("test", help="ask nodes now; without entries all declared ones")
        for some in (previewing, adding, removing, draining, resuming):
            some.add_argument("entries", nargs="+", metavar="URI", help=_ENTRY)
        testing.add_argument("entries", nargs="*", metavar="URI", help=_ENTRY)
        for some in (listing, previewing, testing):
            some.add_argument("--json", action="store_true", help="print JSON")
        for some in (adding, removing, draining, resuming):
            add_user_argument(some, "who changes the list")

    def handle(self, *, word: str, **options: Any) -> None:
        """Do it; CommandError says why not."""
        entries = [one for text in options.get("entries", ()) for one in uris.split_list(text)]
        try:
            match word:
                case "list":
                    self._list(as_json=options["json"])
                case "preview":
                    self._show(entries, as_json=options["json"])
                case "add":
                    actions.add_nodes(user=user_named(options["user"]), entries=entries)
                    self._show(entries, as_json=False)
                case "remove":
                    actions.remove_nodes(user=user_named(options["user"]), entries=entries)
                case "drain":
                    self._change_work(drain_nodes, entries, options["user"])
                case "resume":
                    self._change_work(resume_nodes, entries, options["user"])
                case "test":
                    self._test(entries, as_json=options["json"])
        except MlopsError as error:
            raise CommandError(error.message) from None

    def _list(self, *, as_json: bool) -> None:
        entries, nodes = declared_entries(), known_nodes(now=timezone.now())
        shown = [
            (preview(entry, entries), [node for node in nodes if names([uri], node.address)])
            for entry, uri in zip(entries, map(uris.parse, entries), strict=True)
        ]
        if as_json:
            self._print_json(
                [asdict(each) | {"nodes": list(map(_state_report, some))} for each, some in shown]
            )
            return
        for each, some in shown:
            self.stdout.write(str(each))
            self._show_nodes(some)

    def _show_nodes(self, nodes: Iterable[KnownNode]) -> None:
        for node in nodes:
            self.stdout.write(f"  {_line(node)}")

    def _change_work(
        self,
        change: Callable[..., None],
        entries: Sequence[str],
        user: str,
    ) -> None:
        change(user=user_named(user), entries=entries)
        changed = [uris.parse(entry) for entry in entries]
        nodes = known_nodes(now=timezone.now())
        self._show_nodes(node for node in nodes if names(changed, node.address))

    def _show(self, entries: Sequence[str], *, as_json: bool) -> None:
        declared = declared_entries()
        previews = [preview(entry, declared) for entry in entries]
        if as_json:
            self._print_json([asdict(each) for each in previews])
            return
        for each in previews:
            self.stdout.write(str(each))

    def _test(self, entries: Sequence[str], *, as_json: bool) -> None:
        states = states_of([uris.parse(entry) for entry in entries] or declared_uris())
        if as_json:
            self._print_json({address: _report(state) for address, state in states.items()})
        else:
            for address, state in states.items():
                self.stdout.write(f"{address} {_said(state)}")
        if not states:
            raise CommandError("No compute node answers.")
        if silent := [address for address, state in states.items() if state.code != "pass"]:
            raise CommandError(f"{len(silent)} of {len(states)} nodes cannot be used.")

    def _print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2))


_ENTRY = "an address or range, as in http://10.0.0.1-3:12805; several with commas between them"


def _state_report(node: KnownNode) -> dict[str, Any]:
    health, since = node.health, node.state.since
    return {
        "uri": node.address,
        "state": node.state.name,
        "reason": node.state.reason,
        "since": since.isoformat() if since else None,
        "note": node.note,
        "drainedBy": node.drained_by,
        "version": health.version if health else "",
        "isolation": health.isolation if health else "",
        "latency": health.latency if health else None,
        "calls": health.n_calls if health else 0,
        "sessions": health.n_sessions if health else 0,
    }


def _line(node: KnownNode) -> str:
    """The node in a line: address, state, since when, why, and figures."""
    parts = [f"{node.address} {node.state.name}"]
    if node.state.since:
        parts.append(f"since {timezone.localtime(node.state.since):%Y-%m-%d %H:%M:%S}")
    if node.health and node.health.version:
        parts.append(f"version {node.health.version}")
    if node.health and node.health.latency is not None:
        parts.append(f"{node.health.latency:.1f} ms")
    said = " ".join(one for one in (node.state.reason, node.note) if one)
    return ", ".join(parts) + (f": {said}" if said else "")


def _report(state: Status) -> dict[str, Any]:
    return {"statusCode": state.code, **state.details}


def _said(state: Status) -> str:
    reason = state.details.get("reason")
    if reason and "apiVersion" not in state.details:
        return f"cannot be called: {reason}"
    if reason:
        return f"answers with version {state.details['apiVersion']}. {reason}"
    if state.code != "pass":
        return "does not answer as a compute node"
    runtimes = [
        f"{language} {state.details[f'{prefix}CurrentPoolSize']} shells"
        for language, prefix in (("R", "r"), ("Python", "python"))
        if f"{prefix}CurrentPoolSize" in state.details
    ]
    isolation = state.details.get("isolation")
    apart = f", shells isolated by {isolation}" if isolation else ""
    expires = state.details.get("certificateExpires")
    until = f", certificate until {expires}" if expires else ""
    return f"answers: {', '.join(runtimes) or 'no language'}{apart}{until}"
