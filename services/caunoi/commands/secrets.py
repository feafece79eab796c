"""`caunoi secrets`: the keys that services apart share, and the command line's token. Services only read them."""

from pathlib import Path

from services.caunoi import shown
from services.chassis.clock import system_clock
from services.chassis.keys import Keys
from services.queue.accounts_api import keep_operator_token


def make(directory: Path) -> None:
    """What is there stays as it is: another key would leave what was sealed with it closed for ever."""
    there = any(directory.glob("*.key"))
    keys = Keys.at(directory)
    renewed = keep_operator_token(keys, directory / "operator.token", system_clock)
    made = "Đã có khoá trong" if there else "Đã tạo khoá trong"
    token = " Đã cấp mã truy cập cho người vận hành." if renewed else ""
    shown.out.print(f"{made} {directory}.{token} Hãy giữ một bản sao ở nơi khác. [dim]Keep a copy elsewhere.[/]")
