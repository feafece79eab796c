"""Keys: made once, kept for oneself, never shown."""

import stat
from pathlib import Path

import pytest

from services.chassis.keys import Keys, write_secret
from services.chassis.settings import SettingsError


def test_keys_are_made_at_first_start_and_the_same_afterwards(tmp_path: Path) -> None:
    first = Keys.at(tmp_path / "secrets")
    assert Keys.at(tmp_path / "secrets") == first
    assert len({first.token, first.passes, first.sealing, first.blind, first.once}) == 5


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    Keys.at(tmp_path / "secrets")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_key_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    Keys.at(tmp_path)
    (tmp_path / "passes.key").write_text("short")
    with pytest.raises(SettingsError, match=r"passes\.key: expected 32 bytes"):
        Keys.at(tmp_path)


def test_where_keys_are_given_a_missing_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CAUNOI_SECRETS: .*token\.key: not there; run `caunoi secrets "):
        Keys.at(tmp_path, make=False)


def test_keys_do_not_show_themselves() -> None:
    keys = Keys.random()
    assert keys.token.hex() not in repr(keys) + str(keys)


def test_a_secret_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "operator.token"
    write_secret(path, b"old and long")
    write_secret(path, b"new")
    assert path.read_bytes() == b"new"
    assert [left.name for left in tmp_path.iterdir()] == ["operator.token"]
