"""One process has a data directory, demo and real data never mix, and what cannot be used is told in one line."""

from pathlib import Path

import pytest

from services.chassis.datadir import CannotStart, DataDirectory, InUse


def taken(path: Path, *, demo: bool = False) -> DataDirectory:
    directory = DataDirectory(path)
    directory.take()
    directory.settle(demo=demo)
    return directory


def test_a_second_process_is_told_that_the_directory_is_in_use(tmp_path: Path) -> None:
    taken(tmp_path / "data")
    with pytest.raises(InUse, match="in use by another process"):
        DataDirectory(tmp_path / "data").take()


def test_whoever_comes_after_the_first_has_left_gets_it(tmp_path: Path) -> None:
    taken(tmp_path).release()
    DataDirectory(tmp_path).take()


def test_an_address_stands_only_while_its_system_runs(tmp_path: Path) -> None:
    directory = taken(tmp_path)
    directory.announce("http://127.0.0.1:8000")
    assert DataDirectory(tmp_path).announced() == "http://127.0.0.1:8000"
    directory.release()
    assert DataDirectory(tmp_path).announced() is None


def test_demo_data_never_goes_into_real_data(tmp_path: Path) -> None:
    taken(tmp_path, demo=False).release()
    with pytest.raises(CannotStart, match="real data"):
        taken(tmp_path, demo=True)


def test_demo_sign_ins_are_never_open_in_a_system_that_runs_for_real(tmp_path: Path) -> None:
    taken(tmp_path, demo=True).release()
    with pytest.raises(CannotStart, match="demo data"):
        taken(tmp_path, demo=False)


def test_data_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    taken(tmp_path).release()
    (tmp_path / "version").write_text("2\n")
    with pytest.raises(CannotStart, match="newer version"):
        DataDirectory(tmp_path).take()


def test_a_path_that_is_a_file_is_told_in_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(CannotStart) as told:
        DataDirectory(tmp_path / "data").take()
    assert str(told.value).count("\n") == 1


def test_a_directory_that_cannot_be_written_is_told() -> None:
    with pytest.raises(CannotStart, match="cannot be written"):
        DataDirectory(Path("/proc/caunoi/data")).take()


def test_who_does_not_get_it_leaves_the_address_of_who_has_it(tmp_path: Path) -> None:
    first = taken(tmp_path)
    first.announce("http://127.0.0.1:8000")
    with pytest.raises(InUse):
        DataDirectory(tmp_path).take()
    assert first.announced() == "http://127.0.0.1:8000"
