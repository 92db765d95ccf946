"""Whose a version is."""

import pytest
from pytest_django import Settings

from mlops.accounts.roles import Role
from services.models import Version
from services.permissions import may_write


@pytest.mark.parametrize(("method", "is_hers"), [("local", False), ("ldap", True), ("entra", True)])
def test_names_of_directories_compare_without_regard_to_case(
    settings: Settings, method: str, is_hers: bool
) -> None:
    settings.SIGN_IN_METHOD = method
    version = Version(published_by="Dora@Example.org")
    assert may_write(version, username="Dora@Example.org", role=Role.CONTRIBUTOR)
    assert may_write(version, username="dora@example.org", role=Role.CONTRIBUTOR) is is_hers
    assert not may_write(version, username="nora@example.org", role=Role.CONTRIBUTOR)
    assert not may_write(version, username="Dora@Example.org", role=Role.READER)
