"""What a spreadsheet is given."""

import csv
import io

import pytest

from services.chassis.downloads import as_csv


def read(*rows: list[str | int | None]) -> list[list[str]]:
    text = bytes(as_csv(rows, "report.csv").body).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_excel_knows_the_letters_by_the_mark_at_the_head() -> None:
    answer = as_csv([["Số đã lấy", 12]], "report.csv")
    assert bytes(answer.body).startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-disposition"] == 'attachment; filename="report.csv"'


@pytest.mark.parametrize("text", ["=1+1", "+84", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert read([text])[0][0] == f"'{text}"


def test_commas_quotes_and_numbers_come_through() -> None:
    assert read(['Đất đai, "chuyển quyền"', -3, None]) == [['Đất đai, "chuyển quyền"', "-3", ""]]
