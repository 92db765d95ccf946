"""`manage.py publish_demos`: publish the demo services that are not published yet."""

import http.client
import json
import shlex
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError

from mlops.accounts import tokens
from mlops.accounts.models import User
from mlops.errors import Busy, MlopsError
from mlops.onebox import box
from mlops.onebox.demos import Demo, TrainingError, pending

ANSWER_SECONDS = 120
PATIENCE_SECONDS = 120
RETRY_SECONDS = 0.5

T = TypeVar("T")


class Command(BaseCommand):
    """Trains, publishes and scores each demo; goes on with the next one when one fails."""

    help = (
        "Train and publish the demo services that have not been published yet, and score each "
        "through the REST API of this machine's web node, which must be running. Exit codes: "
        "0 all that could be published are; 1 one failed, and the next start tries it again."
    )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Publish them as the first administrator; CommandError when one failed."""
        user = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if user is None:
            raise CommandError("No demo is published: there is no active administrator.")
        pair = tokens.issue(user)
        try:
            done = [demo for demo in pending() if self._was_published(demo, user, pair)]
        finally:
            tokens.revoke(pair.refresh_token)
        if done:
            self._show_how_to_call(done, user)
        if any(pending()):
            raise CommandError("The next start tries again what failed.")

    def _was_published(self, demo: Demo, user: User, pair: tokens.TokenPair) -> bool:
        self.stdout.write(f"Training and publishing the demo {demo}")
        self.stdout.flush()
        try:
            _patiently(lambda: demo.publish(user))
            answer = _patiently(lambda: _score(demo, pair.access_token))
        except (MlopsError, TrainingError, ScoringError) as error:
            self.stdout.write(f"The demo {demo} failed: {error}")
            return False
        demo.mark_done()
        self.stdout.write(f"{demo} answers {answer}")
        return True

    def _show_how_to_call(self, demos: list[Demo], user: User) -> None:
        self.stdout.write("\nTo call them yourself, copy this; it asks for the password:\n")
        self.stdout.write(how_to_call(demos, user.username, box.web_url()) + "\n")


class ScoringError(Exception):
    """A demo was published but did not answer as it should; the text says what came instead."""


def _patiently(work: Callable[[], T]) -> T:
    """What `work` returns, tried again while no shell is free: they may still be starting."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except Busy:
            if time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


def _score(demo: Demo, access_token: str) -> str:
    """The output parameters as compact JSON, from the REST API as any client would call it."""
    status, body = _post(demo, access_token)
    try:
        result = json.loads(body)
    except ValueError:
        result = {}
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        raise Busy(result.get("message", ""))
    if status != http.HTTPStatus.OK or not result.get("success"):
        raise ScoringError(result.get("errorMessage") or result.get("message") or f"HTTP {status}")
    return json.dumps(result["outputParameters"], separators=(",", ":"))


def _post(demo: Demo, access_token: str) -> tuple[int, bytes]:
    connection = box.connection(ANSWER_SECONDS)
    headers = {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", f"/api/{demo}", demo.example.encode(), headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ScoringError(f"the web node cannot be reached: {error}") from None
    finally:
        connection.close()


def how_to_call(demos: list[Demo], username: str, url: str) -> str:
    """Lines for a shell that sign in and call `demos`: one command, so that it pastes as a whole.

    The password is read from the terminal and stays out of the command and of every argument list.
    """
    credentials = f"""{{"username":"{username}","password":"&"}}"""
    return " &&\n".join(
        [
            f"printf 'Password of {username}: ' && read -rs MLOPS_PASSWORD && printf '\\n'",
            f"""ACCESS=$(printf %s "$MLOPS_PASSWORD" |
  sed 's/[\\"]/\\\\&/g; s/.*/{credentials}/' | curl -s --data @- {url}/login |
  sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')""",
            *(
                f"""curl -s -w '\\n' -H "Authorization: Bearer $ACCESS" {url}/api/{demo} \\
  --data {shlex.quote(demo.example)}"""
                for demo in demos
            ),
        ]
    )
