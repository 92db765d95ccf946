"""Refresh tokens stay out of logs."""

import logging

import pytest
from django.conf import settings

from mlops.accounts.api_keys.text import new_key
from mlops.accounts.log_filter import RedactRefreshTokens


def logged(message: str, *args: object) -> str:
    record = logging.LogRecord("any", logging.INFO, __file__, 1, message, args, None)
    assert RedactRefreshTokens().filter(record)
    return record.getMessage()


@pytest.mark.parametrize(
    "address",
    [
        "/login/refreshToken?refreshToken=s3cret-_x",
        "/login/refreshToken?a=b&REFRESHTOKEN=s3cret-_x&c=d",
        "/login/refreshToken/s3cret-_x",
        "/login/refreshToken/s3cret/x",
        "/login/refreshToken?refreshToken%3Ds3cret",
    ],
)
def test_the_token_is_blotted_out_wherever_it_stands(address: str) -> None:
    assert "s3cret" not in logged(address)
    assert "s3cret" not in logged('%s "DELETE %s HTTP/1.1" %d', "127.0.0.1", address, 200)


def test_an_api_key_is_blotted_out_wherever_it_stands() -> None:
    key = new_key()
    for line in (f"DELETE /apikeys/{key.text} 404", f'{{"key":"{key.text}"}}'):
        assert logged(line) == line.replace(key.text, f"mlops_{key.id}_***")


def test_what_follows_the_token_stays() -> None:
    line = logged('"DELETE /login/refreshToken?refreshToken=s3cret HTTP/1.1" 200')
    assert line == '"DELETE /login/refreshToken?refreshToken=*** HTTP/1.1" 200'


def test_other_records_keep_their_arguments() -> None:
    assert logged("%s took %d ms", "/services", 3) == "/services took 3 ms"


def test_every_handler_of_the_settings_has_the_filter() -> None:
    for handler in settings.LOGGING["handlers"].values():
        assert "redact_refresh_tokens" in handler["filters"]
