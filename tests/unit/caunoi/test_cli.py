"""The command line by itself: quick to answer, and one line whatever goes wrong."""

import subprocess
import sys

import pytest

from services.caunoi.cli import said_of
from services.caunoi.client import Answered
from services.caunoi.failures import Failed
from services.chassis.datadir import CannotStart
from services.chassis.settings import SettingsError


def test_help_waits_for_no_web_framework_and_no_client() -> None:
    code = "import sys, services.caunoi.cli; print(*{'fastapi', 'httpx2', 'uvicorn', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Failed("Không được.", "It failed."), 1),
        (CannotStart("Không mở được.", "Cannot start."), 2),
        (SettingsError("CAUNOI_PORT: not a number"), 2),
        (OSError(28, "No space left on device", "backup.tar.gz"), 1),
        (ZeroDivisionError("division by zero"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_goes_wrong_has_its_exit_code_and_a_line(error: Exception, code: int) -> None:
    vi, _, found = said_of(error)
    assert found == code
    assert vi
    assert "\n" not in vi


def test_what_is_wrong_with_a_file_is_said_in_both_languages() -> None:
    vi, en, _ = said_of(OSError(2, "No such file or directory", "phuong.yaml"))
    assert vi == "phuong.yaml: không có tệp hoặc thư mục này; hãy kiểm tra lại tên."
    assert en == "phuong.yaml: no such file or directory."


def test_a_bug_is_told_by_its_place_and_not_by_its_values() -> None:
    vi, _, _ = said_of(ValueError("0912 345 678"))
    assert "ValueError" in vi
    assert "0912" not in vi


def test_a_refusal_never_shows_a_pass() -> None:
    refused = Answered("GET", "/queue/tickets/31186-20261124-7hk2m9x4tq0v.mfrggzdfmztwq2lknnwg23tpoa", 404, {})
    assert "31186-20261124-7hk2m9x4tq0v" in refused.vi
    assert "mfrggzdfmztwq2lknnwg23tpoa" not in refused.vi


def test_a_refusal_says_which_field_was_wrong() -> None:
    problem = {
        "detail": "Yêu cầu không hợp lệ.",
        "slug": "request-not-valid",
        "errors": [{"field": "body.name", "expected": "bắt buộc phải có"}],
    }
    assert "body.name: bắt buộc phải có" in Answered("POST", "/queue/accounts", 422, problem).vi
