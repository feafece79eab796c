"""What a demo directory keeps of itself (`DATA/demo.json`, mode 600): password, devices, who is who, how far it came.
Passwords are made anew for every demo directory, so none opens anything elsewhere.
"""

import json
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.caunoi.failures import Failed
from services.chassis.ids import token
from services.chassis.keys import write_secret
from services.chassis.settings import Settings

_WORDS = ("sen", "dua", "tram", "cau", "xoai", "lua", "ghe", "song", "cho", "mia", "khom", "cam", "buoi", "nhan")


def _password() -> str:
    return "-".join([*(secrets.choice(_WORDS) for _ in range(2)), token(6)])


class Kept(BaseModel):
    model_config = ConfigDict(extra="ignore")

    password: str = Field(default_factory=_password)
    """Of every demo account of this directory."""
    devices: dict[str, str] = {}
    """Token by name."""
    members: list[str] = []
    """References, in the order of `people.MEMBERS`."""
    tokens: dict[str, str] = {}
    """Of those who signed in for a story, by account name or member, so that the next one need not: that is limited."""
    ready: bool = False
    told: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What is kept, or a beginning."""
        path = _path(settings)
        try:
            return cls.model_validate_json(path.read_bytes()) if path.exists() else cls()
        except ValueError:
            raise Failed(f"{path}: tệp hỏng.", f"{path}: this file is broken; remove DATA and start anew.") from None

    @staticmethod
    def there(settings: Settings) -> bool:
        return _path(settings).exists()

    def keep(self, settings: Settings) -> None:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_secret(_path(settings), (json.dumps(self.model_dump(), indent=2) + "\n").encode())


def _path(settings: Settings) -> Path:
    return settings.data / "demo.json"
