"""Settings: read once, refused in one line, shown without secrets."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.chassis.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CAUNOI_{name.upper()}", raising=False)


def test_without_any_setting_a_ward_can_start() -> None:
    settings = Settings.load()
    assert (settings.data, settings.port, settings.language, settings.demo) == (Path("data"), 8000, "vi", False)
    assert settings.secrets_directory == Path("data/secrets")


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUNOI_PORT", "9000")
    assert Settings.load(port=None).port == 9000
    assert Settings.load(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAUNOI_PORT", "many"),
        ("CAUNOI_PORT", "70000"),
        ("CAUNOI_BACKEND", "floppy"),
        ("CAUNOI_LANGUAGE", "fr"),
        ("CAUNOI_RETENTION_DAYS", "3"),
        ("CAUNOI_PUBLIC_URL", "javascript:alert(1)"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert str(refused.value).startswith(f"{name}: ")
    assert "\n" not in str(refused.value)


def test_a_misspelt_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAUNOI_PROT", "9000")
    with pytest.raises(SettingsError, match="CAUNOI_PROT: no such setting"):
        Settings.load()


def test_settings_do_not_change_after_they_were_read() -> None:
    with pytest.raises(ValidationError):
        Settings.load().port = 1


def test_what_is_shown_names_every_setting_and_no_key() -> None:
    shown = Settings.load(data=Path("/srv/caunoi")).masked()
    assert shown["CAUNOI_SECRETS"] == "/srv/caunoi/secrets (******)"
    assert set(shown) == {f"CAUNOI_{name.upper()}" for name in Settings.model_fields}


def test_links_lead_to_the_public_address_if_there_is_one() -> None:
    assert Settings.load(port=8123).base_url == "http://localhost:8123"
    assert Settings.load(public_url="https://caunoi.example").base_url == "https://caunoi.example"
