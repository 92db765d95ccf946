"""What the first start makes: the database and the administrator. Each step may be repeated."""

import secrets
import string

from django.core.management import call_command

from mlops.accounts.actions import LOCAL_ADMINISTRATOR, set_password
from mlops.accounts.models import User
from mlops.database import exclusive

# Without characters that are easily taken for another.
LETTERS_AND_DIGITS = "".join(sorted({*string.ascii_letters, *string.digits} - set("0O1lI")))
PASSWORD_GROUPS = (5, 4, 5)  # 16 characters with what joins them, as much as the rule ever allowed


def prepare_database() -> None:
    """The database exists and is up to date."""
    call_command("migrate", interactive=False, verbosity=0)


def create_administrator(password: str) -> str | None:
    """The password of the account `admin`, made with `password` or a generated one.

    None when there are accounts already: then nothing is changed. Raises InvalidRequest when
    `password` breaks the rule.
    """
    with exclusive("first start"):
        if User.objects.exists():
            return None
        password = password or generate_password()
        set_password(username=LOCAL_ADMINISTRATOR, password=password)
        return password


def generate_password() -> str:
    """A password of about 80 random bits that meets the rule and can be read out."""
    while True:
        groups = [
            "".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(length))
            for length in PASSWORD_GROUPS
        ]
        password = "-".join(groups)
        if all(
            any(character in kind for character in password)
            for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        ):
            return password
