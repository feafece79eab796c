"""A ward's YAML: what is right goes to each service in its own shape; what is wrong is told where it stands."""

from pathlib import Path

import pytest

from services.caunoi.commands.seed import Mistaken, read, read_all
from services.caunoi.demo.prepare import WARDS

RIGHT = """\
centre: "31186"
name: {vi: Trung tâm, en: Centre}
short_name: P. Cái Răng
location: {lat: 10.0, lon: 105.7}
hours:
  mon: ["07:00-11:00", "13:00-17:00"]
exceptions:
  2026-11-28: ["07:00-11:00"]
services:
  chung-thuc:
    name: {vi: Chứng thực, en: Certified copies}
    series: B
    counters: [1, 2]
hamlets:
  khu-vuc-1: {name: Khu vực 1, lat: 10.0, lon: 105.7}
on_duty: {minimum: 2, maximum: 3}
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "ward.yaml"
    file.write_text(text, "utf-8")
    return file


def mistakes(tmp_path: Path, text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(Mistaken) as told:
        read(written(tmp_path, text))
    return [(one.line, one.column, one.where) for one in told.value.mistakes]


@pytest.mark.parametrize("file", WARDS, ids=lambda file: file.stem)
def test_the_demo_wards_are_right_and_marked_as_illustrative(file: Path) -> None:
    ward = read(file)
    assert set(ward.bodies) == {"queue", "volunteers", "notify"}
    assert "MINH HOẠ" in file.read_text("utf-8")


def test_the_four_demo_wards_are_the_real_places() -> None:
    assert {ward.centre for ward in read_all(WARDS)} == {"31186", "31510", "31135", "31264"}


def test_half_a_point_is_told_where_it_stands(tmp_path: Path) -> None:
    halved = RIGHT.replace("location: {lat: 10.0, lon: 105.7}", "location: {lat: 10.0}")
    with pytest.raises(Mistaken) as told:
        read(written(tmp_path, halved.replace("lat: 10.0, lon: 105.7}", "lon: 105.7}")))
    centre, *hamlets = told.value.mistakes
    assert (hamlets[0].line, hamlets[0].where, hamlets[0].expected) == (15, "hamlets.khu-vuc-1.lon", centre.expected)
    assert (centre.line, centre.where) == (4, "location.lon") and centre.expected.startswith("cả vĩ độ lẫn kinh độ")


def test_what_a_service_would_refuse_is_found_before_any_of_them_is_told(tmp_path: Path) -> None:
    """Else the first service has the new description, and the second the old one."""
    assert mistakes(tmp_path, RIGHT.replace("minimum: 2", "minimum: 5")) == [(16, 32, "on_duty.maximum")]


def test_each_service_gets_its_own_part(tmp_path: Path) -> None:
    bodies = read(written(tmp_path, RIGHT)).bodies
    assert bodies["queue"]["exceptions"] == {"2026-11-28": ["07:00-11:00"]}
    assert bodies["volunteers"]["minimum"] == 2
    assert bodies["notify"]["short_name"] == "P. Cái Răng"
    assert bodies["volunteers"]["hamlets"] == bodies["notify"]["hamlets"]


def test_a_wrong_value_is_told_with_line_and_column(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT.replace("[1, 2]", "[1, zwei]")) == [(13, 19, "services.chung-thuc.counters.1")]


def test_a_field_that_nobody_knows_is_told_where_its_name_stands(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT.replace("    series: B", "    serie: B\n    series: B")) == [
        (12, 5, "services.chung-thuc.serie")
    ]


def test_a_field_that_is_missing_is_told_at_what_it_is_missing_from(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT.replace("    series: B\n", "")) == [(11, 5, "services.chung-thuc.series")]


def test_a_section_that_nobody_knows_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT + "colour: blue\n") == [(17, 1, "colour")]


def test_a_part_of_another_service_is_told_where_the_ward_wrote_it(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT.replace("minimum: 2", "minimum: none")) == [(16, 20, "on_duty.minimum")]


def test_a_date_with_wrong_hours_is_found_again_in_the_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT.replace('28: ["07:00-11:00"]', '28: ["7-11"]'))[0][:2] == (8, 16)


def test_a_centre_that_lost_its_quotes_and_zeros_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT.replace('"31186"', "31186")) == [(1, 9, "centre")]


def test_what_is_not_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    line, _, where = mistakes(tmp_path, RIGHT.replace("[1, 2]", "[1, 2"))[0]
    assert (line, where) in {(13, ""), (14, "")}


def test_the_same_key_twice_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path, RIGHT + "short_name: X\n")[0][0] == 17


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    one = written(tmp_path, RIGHT.replace("series: B", "series: bb"))
    other = tmp_path / "other.yaml"
    other.write_text(RIGHT.replace("[1, 2]", "[]"), "utf-8")
    with pytest.raises(Mistaken) as told:
        read_all([one, other])
    assert {mistake.file for mistake in told.value.mistakes} == {str(one), str(other)}


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "") == [(1, 1, "")]
