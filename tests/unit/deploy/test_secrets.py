"""No key, token or password lies in the repository. What is in the image `make compose-test` looks at."""

import subprocess
from collections.abc import Iterator

from detect_secrets.core.scan import get_plugins
from detect_secrets.settings import transient_settings

from services.caunoi.generate import ROOT

LOOKED_FOR = (
    "PrivateKeyDetector", "JwtTokenDetector", "BasicAuthDetector", "AWSKeyDetector", "GitHubTokenDetector",
    "PypiTokenDetector", "NpmDetector", "SlackDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
MADE_UP = "tests/"
"""What tests say they know: tokens that no key of ours signed, passwords of servers that live for a minute."""


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [file for file in listed.split("\0") if file and (ROOT / file).is_file()]


def secrets_in(text: str) -> Iterator[str]:
    """Whole files at once: line by line, as the tool itself goes, takes half a minute."""
    for plugin in get_plugins():
        for found in plugin.analyze_string(text):
            yield f"{plugin.secret_type}: {found[:12]}..."


def test_no_secret_lies_in_the_repository() -> None:
    with transient_settings({"plugins_used": [{"name": name} for name in LOOKED_FOR]}):
        found = [
            (file, secret) for file in tracked() for secret in secrets_in((ROOT / file).read_text("utf-8", "replace"))
        ]
    assert [one for one in found if not one[0].startswith(MADE_UP)] == []
    assert found, "the made-up ones in tests were not found either: this looks for nothing"


def test_no_key_file_lies_in_the_repository() -> None:
    assert [file for file in tracked() if file.endswith((".key", ".pem", ".p12", ".token", ".env"))] == []
