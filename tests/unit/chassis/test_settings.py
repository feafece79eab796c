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
        ("CAUNOI_KAFKA_SERVERS", "kafka"),
        ("CAUNOI_KAFKA_SECURITY", "rot13"),
        ("CAUNOI_QUEUE_URL", "queue:8000"),
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


def test_a_password_is_read_from_its_file_alone(tmp_path: Path) -> None:
    (tmp_path / "kafka.password").write_text("sen dừa tràm\n")
    settings = Settings.load(secrets=tmp_path, kafka_user="caunoi", kafka_security="SASL_SSL")
    assert settings.password("kafka") == "sen dừa tràm"
    assert settings.password("mongo") == ""
    assert "sen" not in " ".join(settings.masked().values()) + repr(settings)


def test_a_login_that_lacks_something_is_one_line_that_says_what(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CAUNOI_KAFKA_USER: SASL_SSL wants a user"):
        Settings.load(kafka_security="SASL_SSL").password("kafka")
    with pytest.raises(SettingsError, match=r"mongo\.password: the password of caunoi is read here: no such file"):
        Settings.load(secrets=tmp_path, mongo_user="caunoi").password("mongo")


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(SettingsError, match=r"CAUNOI_KAFKA_CA: .*ca\.pem: holds no certificate"):
        Settings.load(kafka_ca=tmp_path / "ca.pem").certificates("kafka")
    with pytest.raises(SettingsError, match=r"CAUNOI_MONGO_CA: .*gone\.pem: no such file"):
        Settings.load(mongo_ca=tmp_path / "gone.pem").certificates("mongo")
