from __future__ import annotations

import stat
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from mcp_gateway.authserver import Users
from mcp_gateway.errors import OperatorError
from mcp_gateway.model.ids import UserId

PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return _open(tmp_path)


def _open(directory: Path) -> Users:
    return Users(directory / "users.yaml", hasher=PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


def test_a_user_is_known_by_name_and_id_and_verified_by_password(users: Users) -> None:
    row = users.add("mira", PASSWORD)
    assert row.id == "user:local/mira"
    assert users.name_of(row.id) == "mira"
    assert users.verify("mira", PASSWORD)
    assert not users.verify("mira", PASSWORD + "x")
    assert not users.verify("nobody", PASSWORD)


def test_passwords_are_argon2id_and_only_the_owner_reads_the_file(tmp_path: Path, users: Users) -> None:
    users.add("mira", PASSWORD)
    file = tmp_path / "users.yaml"
    assert "$argon2id$" in file.read_text()
    assert PASSWORD not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_default_hash_costs_what_rfc_9106_recommends(tmp_path: Path) -> None:
    Users(tmp_path / "users.yaml").add("mira", PASSWORD)
    assert "m=65536,t=3,p=4" in (tmp_path / "users.yaml").read_text()


def test_the_first_start_makes_admin_with_a_new_password_once(tmp_path: Path, users: Users) -> None:
    password = users.first_start()
    assert password is not None
    assert len(password) >= 20
    assert users.verify("admin", password)
    assert _open(tmp_path).first_start() is None
    users.remove("admin")
    assert users.first_start() is None, "an emptied file is not a first start"


def test_another_process_sees_a_change_and_the_fingerprint_moves_with_the_password(
    tmp_path: Path, users: Users
) -> None:
    users.add("mira", PASSWORD)
    before, other = users.fingerprint("mira"), _open(tmp_path)
    other.set_password("mira", "another password")
    assert users.fingerprint("mira") not in {before, None}
    assert users.verify("mira", "another password")
    other.remove("mira")
    assert users.fingerprint("mira") is None
    assert users.name_of(UserId("user:local/mira")) is None


@pytest.mark.parametrize("name", ["", "Mira", "-mira", "mira/x", "mira@host", "a" * 64, "mira\n", "../x"])
def test_a_name_that_would_need_escaping_is_refused(users: Users, name: str) -> None:
    with pytest.raises(OperatorError, match="user name"):
        users.add(name, PASSWORD)


@pytest.mark.parametrize("password", ["", "seven77", "x" * 257])
def test_a_password_has_bounds(users: Users, password: str) -> None:
    with pytest.raises(OperatorError, match="8 to 256"):
        users.add("mira", password)


def test_adding_twice_and_changing_a_stranger_are_refused_with_the_next_step(users: Users) -> None:
    users.add("mira", PASSWORD)
    with pytest.raises(OperatorError, match="exists") as twice:
        users.add("mira", PASSWORD)
    assert "user password mira" in twice.value.remedy
    with pytest.raises(OperatorError, match="no such user"):
        users.set_password("otto", PASSWORD)
    with pytest.raises(OperatorError, match="no such user"):
        users.remove("otto")


@pytest.mark.parametrize("content", ["users: [", "users: {mira: {secret: hunter2}}", "- a\n", "users: {mira: 1}"])
def test_a_broken_file_is_an_error_that_repeats_nothing_of_it(tmp_path: Path, users: Users, content: str) -> None:
    (tmp_path / "users.yaml").write_text(content)
    with pytest.raises(OperatorError, match="users file") as raised:
        users.rows()
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_failed_change_leaves_the_file_as_it_was(tmp_path: Path, users: Users) -> None:
    users.add("mira", PASSWORD)
    before = (tmp_path / "users.yaml").read_text()
    with pytest.raises(OperatorError):
        users.set_password("mira", "short")
    assert (tmp_path / "users.yaml").read_text() == before
