"""The command line. Each command is a few lines here; what it does lives in the module that it imports when it runs,
so that `caunoi --help` answers at once.

Exit codes: 0 done, 1 failed, 2 bad usage, settings or data directory. What fails says why in one line.
"""

import asyncio
import errno
import gc
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

T = TypeVar("T")

app = typer.Typer(
    name="caunoi",
    help="Cầu Nối: hàng đợi, tình nguyện viên và chuyến xe về nhà của một trung tâm hành chính công. "
    "· Queue, volunteers and rides home of a public administrative service centre.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
accounts = typer.Typer(no_args_is_help=True, help="Tài khoản và thiết bị · accounts and devices")
journal = typer.Typer(no_args_is_help=True, help="Nhật ký: việc gì đã xảy ra · what happened, fact by fact")
dlq = typer.Typer(no_args_is_help=True, help="Sự kiện không xử lý được · dead letters")
app.add_typer(accounts, name="accounts")
app.add_typer(dlq, name="dlq")
app.add_typer(journal, name="journal")

Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="thư mục dữ liệu · data directory (CAUNOI_DATA, ./data)")
]
Json = Annotated[bool, typer.Option("--json", help="cho máy đọc · for a machine")]
Centre = Annotated[str, typer.Option("--centre", metavar="CODE", help="mã trung tâm · the centre's five digits")]
Day = Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="ngày · local day (today)")]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="từ lúc · 2026-11-24T08:00, 30m, 2h, 3d")]
OneService = Annotated[str | None, typer.Option("--service", metavar="NAME", help="một dịch vụ · one service")]
Account = Annotated[str, typer.Argument(metavar="NAME", help="tên đăng nhập hoặc mã tài khoản · name or reference")]
_AS_LISTED = "như trong dlq ls · as dlq ls shows it: queue-called/0/12"
Letter = Annotated[str, typer.Argument(metavar="REFERENCE", help=_AS_LISTED)]
Letters = Annotated[list[str], typer.Argument(metavar="REFERENCE...", help=_AS_LISTED)]


def main() -> NoReturn:
    """The entry point: runs a command and turns what went wrong into one line and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """One command (None: that of this process); its exit code, after why it did not work was written."""
    from services.caunoi.shown import wrong

    try:
        app(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        return 1
    except Exception as error:
        vi, en, code = said_of(error)
        wrong(vi, en)
        return code
    return 0


def said_of(error: Exception) -> tuple[str, str, int]:
    """What to tell somebody about it, and the exit code."""
    from services.caunoi.failures import Failed
    from services.chassis.datadir import CannotStart
    from services.chassis.errors import Unavailable
    from services.chassis.settings import SettingsError

    match error:
        case Failed():
            return error.vi, error.en, 1
        case CannotStart():
            return error.vi, error.en, 2
        case SettingsError():
            return f"Cài đặt không hợp lệ: {error}", "", 2
        case Unavailable():
            return error.says("vi"), error.says("en"), 1
        case OSError():
            what, why = error.filename or "Tệp · file", error.strerror or str(error)
            return f"{what}: {_OF_FILES.get(error.errno or 0, 'không dùng được')}.", f"{what}: {why.lower()}.", 1
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    where = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
    return (
        f"Lỗi ngoài dự kiến của chương trình ({type(error).__name__} ở {where}); vui lòng báo cho người phát triển.",
        "This is a mistake in the program; please report it.",
        1,
    )


_OF_FILES = {
    errno.ENOENT: "không có tệp hoặc thư mục này; hãy kiểm tra lại tên",
    errno.EACCES: "không có quyền đọc hoặc ghi ở đây",
    errno.EPERM: "không có quyền đọc hoặc ghi ở đây",
    errno.EROFS: "nơi này chỉ đọc được; hãy chọn nơi khác",
    errno.ENOSPC: "ổ đĩa đã đầy; hãy dọn bớt rồi làm lại",
    errno.EISDIR: "đây là thư mục, cần một tệp",
    errno.ENOTDIR: "đây là tệp, cần một thư mục",
}


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def _settings(data: Path | None = None, **given: Any) -> Any:
    from services.chassis.settings import Settings

    return Settings.load(data=data, **given)


def _done(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


# --------------------------------------------------------------------------------------------------- the system


@app.command()
def up(
    services: Annotated[
        list[str] | None, typer.Argument(metavar="SERVICE", help="chỉ các dịch vụ này · these alone")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="dữ liệu minh hoạ, và câu chuyện · demo data, and the story")
    ] = False,
    data: Data = None,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="cổng · port (8000)")] = None,
    host: Annotated[str | None, typer.Option("--host", help="địa chỉ lắng nghe · address (127.0.0.1)")] = None,
) -> None:
    """Mở hệ thống và giữ cho nó chạy · start the system and keep it running"""
    gc.disable()  # until it answers: an eighth of the time to start went into looking over what is being imported
    from services.caunoi.commands import up as command

    command.up(_settings(data, port=port, host=host, demo=demo or None), services or ())


@app.command()
def events(json: Json = False) -> None:
    """Sơ đồ sự kiện: ai phát, ai xử lý, hàm nào · who publishes, who handles, which function"""
    from services.caunoi import eventmap, shown
    from services.caunoi.services import SERVICES

    if json:
        shown.as_json([row.as_json() for row in eventmap.event_map(SERVICES)])
    else:
        shown.out.print(eventmap.as_table(SERVICES))


@app.command()
def tail(
    data: Data = None,
    centre: Annotated[
        str | None, typer.Option("--centre", metavar="CODE", help="chỉ một trung tâm · one centre")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="tiếp theo sau mã này · resume after")
    ] = None,
    json: Json = False,
) -> None:
    """Theo dõi sự kiện đang xảy ra · follow events as they happen"""
    from services.caunoi.commands import tail as command

    _done(command.follow(_settings(data), centre=centre, after=since, as_json=json))


@app.command()
def story(data: Data = None, centre: Centre = "31186", json: Json = False) -> None:
    """Diễn lại câu chuyện chính trên hệ thống đang chạy · play the main job against a running system"""
    from services.caunoi.commands import story as command

    _done(command.tell(_settings(data), centre=centre, as_json=json))


@app.command()
def doctor(data: Data = None, json: Json = False) -> None:
    """Khám hệ thống: cái gì chưa ổn và phải làm gì · what is not well, and what to do"""
    from services.caunoi.commands import doctor as command

    raise typer.Exit(_done(command.examine(_settings(data), as_json=json)))


@app.command()
def config(json: Json = False, data: Data = None) -> None:
    """In các cài đặt, che bí mật · print the settings, secrets masked"""
    from services.caunoi import shown

    masked = _settings(data).masked()
    if json:
        shown.as_json(masked)
    else:
        for name, value in masked.items():
            shown.out.print(f"{name}={value}", markup=False)


@app.command()
def seed(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="tệp YAML của phường/xã · a ward's YAML")],
    data: Data = None,
    check: Annotated[bool, typer.Option("--check", help="chỉ kiểm tra, không ghi · look for mistakes only")] = False,
) -> None:
    """Nạp cấu hình trung tâm từ YAML · bring a ward's YAML into the services"""
    from services.caunoi.commands import seed as command

    _done(command.seed(_settings(data), files, check_only=check))


@app.command()
def messages(
    data: Data = None,
    centre: Centre = "31186",
    day: Day = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="bao nhiêu tin gần nhất · how many")] = 50,
    json: Json = False,
) -> None:
    """Ngăn kéo tin nhắn: SMS đáng lẽ được gửi · the drawer of SMS"""
    from services.caunoi.commands import messages as command

    _done(command.show(_settings(data), centre=centre, day=day, limit=limit, as_json=json))


@app.command()
def report(
    data: Data = None,
    centre: Centre = "31186",
    day: Day = None,
    json: Json = False,
) -> None:
    """Báo cáo cuối ngày của trung tâm · the evening report of a centre"""
    from services.caunoi.commands import report as command

    _done(command.show(_settings(data), centre=centre, day=day, as_json=json))


# -------------------------------------------------------------------------------------------------- the servers


@app.command()
def secrets(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="thư mục · directory (CAUNOI_SECRETS)")],
) -> None:
    """Tạo khoá cho các dịch vụ chạy riêng, và mã truy cập của lệnh này · keys that services apart share"""
    from services.caunoi.commands import secrets as command

    command.make(directory)


@app.command()
def topics(
    check: Annotated[bool, typer.Option("--check", help="chỉ xem, không tạo · look only")] = False,
    json: Json = False,
) -> None:
    """Tạo các chủ đề Kafka theo hợp đồng, báo chỗ khác · make the contract's topics, report drift"""
    from services.caunoi.commands import topics as command

    raise typer.Exit(_done(command.topics(_settings(), check_only=check, as_json=json)))


@app.command()
def demo(data: Data = None) -> None:
    """Nạp dữ liệu minh hoạ vào hệ thống chạy trên máy chủ, diễn câu chuyện · demo data, and the story once"""
    from services.caunoi.demo import prepare

    _done(prepare.remote(_settings(data)))


# ----------------------------------------------------------------------------------------------------- the data


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="tệp hoặc thư mục đích · file or directory")],
    data: Data = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="sao lưu khoá vào tệp riêng · keys")
    ] = None,
) -> None:
    """Sao lưu khi đang chạy, có kiểm tra · back up online, verified"""
    from services.caunoi.commands import backup as command

    command.back_up(_settings(data), to, keys)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="tệp của lệnh backup · what `backup` wrote")],
    data: Data = None,
    keys: Annotated[Path | None, typer.Option("--keys", metavar="FILE", help="tệp khoá · the keys' backup")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="dời dữ liệu hiện có sang bên · set present data aside")
    ] = False,
) -> None:
    """Phục hồi từ bản sao lưu · restore a backup"""
    from services.caunoi.commands import backup as command

    command.restore(_settings(data), file, keys, replace=replace)


@app.command()
def rebuild(data: Data = None) -> None:
    """Dựng lại các bảng đọc từ nhật ký · views anew from the journal"""
    from services.caunoi.commands import rebuild as command

    command.rebuild(_settings(data))


# -------------------------------------------------------------------------------------------------- accounts, dlq


@accounts.command("add")
def accounts_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="tên đăng nhập · sign-in name, such as canbo.quay3")],
    role: Annotated[list[str], typer.Option("--role", help="staff, coordinator, city, operator, kiosk, display")],
    centre: Annotated[list[str] | None, typer.Option("--centre", metavar="CODE", help="trung tâm · centre")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="đọc mật khẩu từ stdin")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Thêm tài khoản (hỏi mật khẩu) hoặc thiết bị (in mã truy cập) · add an account, or a device and its token"""
    from services.caunoi.commands import accounts as command

    password = command.ask_password(role, from_stdin=password_stdin)
    _done(command.add(_settings(data), name, role, centre or [], password, as_json=json))


@accounts.command("ls")
def accounts_ls(data: Data = None, json: Json = False) -> None:
    """Danh sách tài khoản · list"""
    from services.caunoi.commands import accounts as command

    _done(command.listed(_settings(data), as_json=json))


@accounts.command("disable")
def accounts_disable(account: Account, data: Data = None) -> None:
    """Khoá tài khoản · refuse it everywhere within a minute"""
    from services.caunoi.commands import accounts as command

    _done(command.disable(_settings(data), account))


@accounts.command("token")
def accounts_token(
    account: Account,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="hiệu lực · how long it lasts")] = 400,
    data: Data = None,
    json: Json = False,
) -> None:
    """Cấp mã truy cập mới cho thiết bị, mã cũ hết hiệu lực · a new token; older ones are void"""
    from services.caunoi.commands import accounts as command

    _done(command.token(_settings(data), account, days, as_json=json))


@journal.command("ls")
def journal_ls(
    data: Data = None,
    since: Since = "1h",
    service: OneService = None,
    about: Annotated[str | None, typer.Option("--about", metavar="REFERENCE", help="chỉ phiếu, chuyến xe này")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="bao nhiêu dòng · how many")] = 200,
    json: Json = False,
) -> None:
    """Xem sự việc, cũ nhất trước · read it, oldest first"""
    from services.caunoi.commands import journal as command

    _done(command.listed(_settings(data), service=service, since=since, about=about, limit=limit, as_json=json))


@journal.command("republish")
def journal_republish(
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="từ lúc · 2026-11-24T08:00, 30m, 2h, 3d")],
    data: Data = None,
    service: OneService = None,
) -> None:
    """Phát lại sự kiện; ai đã xử lý thì bỏ qua · publish again; whoever had handled it does nothing"""
    from services.caunoi.commands import journal as command

    _done(command.republish(_settings(data), since=since, service=service))


@dlq.command("ls")
def dlq_ls(
    data: Data = None,
    topic: Annotated[str | None, typer.Option("--topic", help="chỉ sự kiện này · this event only")] = None,
    all_: Annotated[bool, typer.Option("--all", help="cả thư đã xử lý · resolved ones too")] = False,
    json: Json = False,
) -> None:
    """Danh sách · list"""
    from services.caunoi.commands import dlq as command

    _done(command.listed(_settings(data), topic=topic, resolved=all_, as_json=json))


@dlq.command("show")
def dlq_show(reference: Letter, data: Data = None, json: Json = False) -> None:
    """Xem một thư · one letter"""
    from services.caunoi.commands import dlq as command

    _done(command.one(_settings(data), reference, as_json=json))


@dlq.command("replay")
def dlq_replay(reference: Letters, data: Data = None) -> None:
    """Phát lại · put it on the bus again"""
    from services.caunoi.commands import dlq as command

    _done(command.replay(_settings(data), reference))


@dlq.command("discard")
def dlq_discard(
    reference: Letters,
    why: Annotated[str, typer.Option("--why", metavar="WORD", help="lý do, một từ · the reason, one word")],
    data: Data = None,
) -> None:
    """Bỏ hẳn · leave it be for good"""
    from services.caunoi.commands import dlq as command

    _done(command.discard(_settings(data), reference, why))
