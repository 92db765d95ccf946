"""`manage.py computenode` reads its limits from the environment."""

import os

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from nodes.management.commands.computenode import node_config

GIB = 1024**3


def test_unconfigured_limits_are_those_of_the_contract_scaled_to_the_machine() -> None:
    config = node_config("127.0.0.1", 12805)
    assert config.pool_initial_size == max(2, min(5, len(os.sched_getaffinity(0))))
    assert config.pool_max_size == 80
    assert config.run_seconds == 3600
    assert config.shell_memory_bytes >= 2 * GIB
    assert config.cluster_key == settings.CLUSTER_KEY


def test_variables_override_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_POOL_MAX_SIZE", "7")
    monkeypatch.setenv("MLOPS_RUN_SECONDS", "60")
    monkeypatch.setenv("MLOPS_SHELL_MEMORY_MB", "512")
    config = node_config("127.0.0.1", 12805)
    assert (config.pool_max_size, config.run_seconds) == (7, 60)
    assert config.shell_memory_bytes == GIB // 2


@pytest.mark.parametrize("text", ["many", "0", "-1"])
def test_a_limit_that_cannot_be_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MLOPS_POOL_MAX_SIZE", text)
    with pytest.raises(ImproperlyConfigured, match="MLOPS_POOL_MAX_SIZE"):
        node_config("127.0.0.1", 12805)


def test_nodes_on_two_ports_share_no_directory() -> None:
    first, second = (node_config("127.0.0.1", port).data_dir for port in (12805, 12806))
    assert first != second


def test_the_cluster_key_is_not_in_the_printed_form() -> None:
    assert settings.CLUSTER_KEY not in repr(node_config("127.0.0.1", 12805))
