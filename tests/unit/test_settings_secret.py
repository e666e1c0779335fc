"""Where a secret is kept, and that it is never shown."""

from pathlib import Path

import pytest

from syncd.errors import UserError
from syncd.settings.secret import Secret, parse_secret

HIDDEN = "shpat_0123456789"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(HIDDEN)
    file.chmod(0o600)
    return file


def test_a_secret_comes_from_the_environment_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret("env", "SHOP_TOKEN")
    monkeypatch.setenv("SHOP_TOKEN", HIDDEN)
    assert secret.get() == HIDDEN


def test_a_rotated_secret_is_taken_up_at_the_next_use(secret_file: Path) -> None:
    secret = Secret("file", str(secret_file))
    assert secret.get() == HIDDEN
    secret_file.write_text("another")
    assert secret.get() == "another"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_the_line_break_that_an_editor_appends_is_no_part_of_a_secret(secret_file: Path, ending: str) -> None:
    secret_file.write_bytes(f" {HIDDEN} ".encode() + ending.encode())
    assert Secret("file", str(secret_file)).get() == f" {HIDDEN} "


def test_a_systemd_credential_is_found_in_the_directory_that_systemd_names(
    secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret_file.parent))
    assert Secret("credential", secret_file.name).get() == HIDDEN


def test_a_credential_without_systemd_says_what_to_add_to_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(UserError, match="not started by systemd") as caught:
        Secret("credential", "shop").get()
    assert "LoadCredential=shop:" in caught.value.hint


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    with pytest.raises(UserError, match="SHOP_TOKEN is not set"):
        Secret("env", "SHOP_TOKEN").get()


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_secret_is_an_error(secret_file: Path, content: str) -> None:
    secret_file.write_text(content)
    with pytest.raises(UserError, match="is empty"):
        Secret("file", str(secret_file)).get()


def test_a_file_that_everybody_can_read_is_refused_with_the_command_that_helps(secret_file: Path) -> None:
    secret_file.chmod(0o644)
    with pytest.raises(UserError, match="can be read by every user") as caught:
        Secret("file", str(secret_file)).get()
    assert caught.value.hint == f"Run: chmod o= {secret_file}"


def test_a_missing_file_and_a_file_that_is_not_text_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        Secret("file", str(tmp_path / "nowhere")).get()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    binary.chmod(0o600)
    with pytest.raises(UserError, match="is not text"):
        Secret("file", str(binary)).get()


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("literal", HIDDEN)
    assert secret.get() == HIDDEN
    assert HIDDEN not in f"{secret!r} {secret} {[secret]}"


def test_a_relative_file_is_looked_for_beside_the_configuration() -> None:
    assert parse_secret({"file": "token"}, Path("/etc/syncd")) == Secret("file", "/etc/syncd/token")
    assert parse_secret({"file": "/run/token"}, Path("/etc/syncd")) == Secret("file", "/run/token")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"env": ""},
        {"env": 1},
        {"env": "A", "file": "b"},
        {"credential": "../passwd"},
        {"environment": HIDDEN},
        7,
        [HIDDEN],
        None,
    ],
)
def test_whatever_else_is_refused_without_repeating_it(value: object) -> None:
    with pytest.raises(ValueError, match="expected one of") as caught:
        parse_secret(value, Path())
    assert HIDDEN not in str(caught.value)
