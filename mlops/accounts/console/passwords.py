"""Passwords as they are typed into forms, twice."""

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from mlops.accounts.password_rule import PasswordRuleValidator
from mlops.errors import InvalidRequest


def rule() -> str:
    """What a password must be, in a sentence."""
    return (
        f"{PasswordRuleValidator().get_help_text()} It may not be common or like the user's name."
    )


@sensitive_variables()
def new_password(request: HttpRequest) -> str:
    """The password that was typed; raises InvalidRequest when the two entries differ."""
    password = request.POST.get("password", "")
    if password != request.POST.get("password_again", ""):
        raise InvalidRequest(
            "The two passwords differ: type the same one twice.", fields="password"
        )
    return password
