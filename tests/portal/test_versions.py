"""User agents and the version window (firezone-portal(7), Version window)."""

import pytest
from postern_portal import versions


@pytest.mark.parametrize("client, gateway, fits", [
    ("1.5.12", "1.6.1", True), ("1.5.12", "1.4.0", True), ("1.5.0", "1.5.99", True),
    ("1.5.12", "1.3.9", False), ("1.5.12", "1.7.0", False), ("1.5.12", "2.5.0", False),
    ("1.4.0", "1.6.1", False), ("1.7.0", "1.6.1", True), ("1.9.0", "1.10.0", True),
    ("1.5.12", None, False), ("1.5.12", "1.6", False), ("1.5.12", "v1.6.0", False),
    (None, "0.1.0", True), ("dev", None, True),
])
def test_window(client, gateway, fits):
    assert versions.compatible(client, gateway) is fits


@pytest.mark.parametrize("client, gateway, fits", [
    ("1.4.0", "1.4.0", True), ("1.4.0", "1.3.9", False), ("1.5.0", "1.4.0", True),
    ("1.4.0", "1.6.1", True), ("1.3.3", "1.3.2", True), ("1.3.3", "1.1.0", True),
    ("1.3.3", "1.0.9", False), ("1.0.0", "0.9.0", True), ("1.4.0", None, False),
    (None, "0.1.0", True),
])
def test_the_first_rule(client, gateway, fits):
    assert versions.compatible(client, gateway, first_rule=True) is fits


@pytest.mark.parametrize("user_agent, version, system", [
    ("Debian/12.0.0 gateway/1.6.1 (x86_64; 6.1.0)", "1.6.1", ("Debian", "12.0.0")),
    ("Red Hat Linux/9.4 headless-client/1.5.12", "1.5.12", ("Red Hat Linux", "9.4")),
    ("macOS/15.5 connlib/1.5.0", "1.5.0", ("macOS", "15.5")),
    ("curl/8.0", None, (None, None)),
    ("", None, (None, None)),
])
def test_user_agents(user_agent, version, system):
    assert versions.version(user_agent) == version
    assert versions.operating_system(user_agent) == system
