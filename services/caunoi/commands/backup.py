"""`caunoi backup` and `caunoi restore`.

A backup is one tar file: what each service keeps as it was at one moment, and `manifest.json` with the moment at which
it began. Files are copied as files, databases of MongoDB as BSON; Kafka is not in it. After restoring every service
leaves unread what the bus has, and publishes again what it has said since 15 minutes before that moment; marks make it
harmless. What was said on the bus after the backup is of a time that nobody remembers: heard now, it would have rides
for tickets that are not there, and make what is said next of the others look old. Keys go to a file of
their own (`--keys`), to be kept elsewhere and not for long: whoever was erased since comes back with it.
"""

import asyncio
import hashlib
import io
import json
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from services.caunoi import shown
from services.caunoi.commands.rest import at_rest
from services.caunoi.failures import Failed
from services.caunoi.services import SERVICES
from services.chassis import logs
from services.chassis.backends.chosen import Backend
from services.chassis.clock import LOCAL, system_clock
from services.chassis.datadir import VERSION, CannotStart, DataDirectory, InUse
from services.chassis.errors import Unavailable
from services.chassis.keys import write_secret
from services.chassis.ports import Copies
from services.chassis.service import System, topic_specs
from services.chassis.settings import Settings

BEFORE: Final = timedelta(minutes=15)
MANIFEST: Final = "manifest.json"
SECRETS: Final = "secrets/"
NAMES: Final = tuple(service.name for service in SERVICES)


# ----------------------------------------------------------------------------------------------------- backing up


def back_up(settings: Settings, to: Path, keys: Path | None) -> None:
    """Whether a system runs or not."""
    copies = _copies(settings)
    try:
        if not copies.occupied():
            where = _where(settings)
            raise CannotStart(f"{where}: chưa có dữ liệu ở đây.", f"{where}: there is no data here.")
        with _at_rest_or_running(settings):
            begun = system_clock()
            target = to / f"caunoi-{begun.astimezone(LOCAL):%Y%m%d-%H%M%S}.tar.gz" if to.is_dir() else to
            _check_place(target, keys)
            _write(target, "data", copies, copies.data, begun)
            if keys:
                _write(keys, "keys", copies, copies.keys, begun, sorted(settings.secrets_directory.glob("*.key")))
            copies.note(begun)
    except Unavailable as error:
        raise Failed(error.says("vi"), error.says("en")) from None


def _check_place(*targets: Path | None) -> None:
    """Before the first is written: else there is a backup without its keys."""
    for target in filter(None, targets):
        if not target.parent.is_dir():
            raise Failed(
                f"{target.parent}: không có thư mục này; hãy tạo nó, hoặc chọn nơi khác.",
                f"{target.parent}: there is no such directory; make it, or choose another place.",
            )


@contextmanager
def _at_rest_or_running(settings: Settings) -> Iterator[None]:
    """Nobody may start on the directory or restore into it meanwhile; a system that runs on it goes on."""
    if settings.on_servers:
        yield
        return
    directory = DataDirectory(settings.data)
    try:
        directory.take()
    except InUse:
        if directory.announced() is None:
            raise
    try:
        yield
    finally:
        directory.release()


def _write(
    target: Path, kind: str, copies: Copies, names: Sequence[str], begun: datetime, key_files: Sequence[Path] = ()
) -> None:
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as temporary:
        into = Path(temporary)
        found: dict[str, dict[str, Any]] = {}
        with shown.progress(f"sao lưu {target.name}", total=len(names)) as bar:
            for name in copies.take(names, into, begun - BEFORE):
                copies.check(into / name)
                found[name] = _described(into / name)
                bar.advance(bar.task_ids[0])
        for key in key_files:
            (into / SECRETS).mkdir(exist_ok=True)
            shutil.copyfile(key, into / SECRETS / key.name)
            found[SECRETS + key.name] = _described(key)
        manifest = {"kind": kind, "of": copies.kind, "version": VERSION, "begun": begun.isoformat(), "files": found}
        packed = into / "packed"
        with _private(packed) as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            _add(tar, MANIFEST, json.dumps(manifest, indent=2).encode())
            for name in found:
                tar.add(into / name, name, filter=_nameless)
        _verify(packed, copies)
        packed.replace(target)
    _sync(target.parent)
    size = target.stat().st_size / 1_048_576
    shown.out.print(f"Đã sao lưu và kiểm tra: [bold]{target}[/] ({len(found)} tệp, {size:.1f} MiB). [dim]verified[/]")


def _described(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


@contextmanager
def _private(path: Path) -> Iterator[io.BufferedWriter]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _nameless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


# ------------------------------------------------------------------------------------------------------ restoring


def restore(settings: Settings, file: Path, keys: Path | None, *, replace: bool) -> None:
    """All of it is unpacked and checked before anything that is kept changes."""
    logs.start("error")
    try:
        with at_rest(settings):
            _restore(settings, _copies(settings), file, keys, replace)
    except Unavailable as error:
        raise Failed(error.says("vi"), error.says("en")) from None


def _restore(settings: Settings, copies: Copies, file: Path, keys: Path | None, replace: bool) -> None:
    where = _where(settings)
    if copies.occupied() and not replace:
        raise CannotStart(
            f"{where}: đã có dữ liệu; thêm --replace để dời nó sang bên rồi phục hồi.",
            f"{where}: there is data already; add --replace to set it aside and restore.",
        )
    aside = f"before-restore-{system_clock().astimezone(LOCAL):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    beside = file.parent if settings.on_servers else settings.data  # files are renamed, not copied: on the same disk
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=beside) as temporary:
        unpacked = Path(temporary)
        manifest = _unpack(file, unpacked, "data", copies)
        names = list(manifest["files"])
        if keys is None and not any(settings.secrets_directory.glob("*.key")):
            raise Failed(
                f"{settings.secrets_directory}: không có khoá; hãy thêm --keys FILE (tên, số điện thoại được mã hoá).",
                "There are no keys here, and names and phone numbers are encrypted: add --keys FILE.",
            )
        if keys:
            names += _unpack(keys, unpacked, "keys", copies)["files"]
        _put_keys(settings, unpacked, [name for name in names if name.startswith(SECRETS)], aside)
        copies.put([name for name in names if not name.startswith(SECRETS)], unpacked, aside)
    if not settings.on_servers:
        _sync(settings.data)
        write_secret(settings.data / "version", f"{manifest['version']}\n".encode())
    begun = datetime.fromisoformat(manifest["begun"])
    owed = asyncio.run(_go_on_from(System(SERVICES, settings), begun - BEFORE, with_views=copies.with_views))
    shown.out.print(
        f"Đã phục hồi dữ liệu lúc {begun.astimezone(LOCAL):%H:%M:%S %d/%m/%Y}; {owed} sự kiện sẽ được phát lại khi "
        f"khởi động. [dim]{owed} events will be published again at the next start[/]"
    )


def _put_keys(settings: Settings, unpacked: Path, names: Sequence[str], aside: str) -> None:
    """Those that are the same stay: where services only read them, they may lie in a place that cannot be written."""
    for name in names:
        place = settings.secrets_directory / Path(name).name
        content = (unpacked / name).read_bytes()
        if place.exists():
            if place.read_bytes() == content:
                continue
            kept = place.parent / aside
            kept.mkdir(exist_ok=True, mode=0o700)
            place.replace(kept / place.name)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_secret(place, content)


async def _go_on_from(system: System, since: datetime, *, with_views: bool) -> int:
    owed = 0
    await system.bus.open(topic_specs())
    for name, running in system.running.items():
        await system.bus.forward(name, [event.topic() for event in running.service.handles])
        await running.store.open()
        await running.store.note_restored(system.clock())
        owed += await running.store.rewind(since)
        if not with_views:
            with shown.progress(f"{name}: dựng lại các bảng đọc") as bar:
                await running.store.rebuild(lambda done: bar.update(bar.task_ids[0], completed=done))
        await running.store.close()
    await system.bus.close()
    return owed


def _copies(settings: Settings) -> Copies:
    copies = Backend.chosen(settings).copies
    assert copies
    return copies(NAMES)


def _where(settings: Settings) -> str:
    return "MongoDB" if settings.on_servers else str(settings.data)


# ------------------------------------------------------------------------------------------------------- checking


def _unpack(file: Path, to: Path, kind: str, copies: Copies) -> dict[str, Any]:
    manifest = _verify(file, copies, to)
    if manifest["kind"] != kind:
        raise Failed(
            f"{file}: đây là bản sao lưu loại khác ({manifest['kind']}).", f"{file}: this is not a {kind} backup."
        )
    if manifest["version"] > VERSION:
        raise CannotStart(
            f"{file}: do phiên bản mới hơn ghi ({manifest['version']}).",
            f"{file}: written by a newer version ({manifest['version']}); this program knows {VERSION}.",
        )
    for name in manifest["files"]:
        if not name.startswith(SECRETS):
            copies.check(to / name)
    return manifest


def _verify(file: Path, copies: Copies, to: Path | None = None) -> dict[str, Any]:
    """Read the archive again, every byte against its manifest; unpack it if `to` is given. Only known names count."""
    try:
        with tarfile.open(file, "r:*") as tar:
            manifest: dict[str, Any] = json.loads(_member(tar, MANIFEST).read())
            if (of := manifest.get("of", "files")) != copies.kind:
                raise Failed(
                    f"{file}: bản sao lưu của kho khác ({of}); ở đây là {copies.kind} (CAUNOI_BACKEND).",
                    f"{file}: a backup of {of}, and this is {copies.kind}; see CAUNOI_BACKEND.",
                )
            for name, said in manifest["files"].items():
                if not _known(name, copies):
                    raise ValueError(name)
                digest = _take(_member(tar, name), to / name if to else None)
                if digest != said["sha256"]:
                    raise ValueError(name)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError):
        raise Failed(f"{file}: không phải bản sao lưu nguyên vẹn.", f"{file}: not a whole backup.") from None
    return manifest


def _known(name: str, copies: Copies) -> bool:
    key = name.startswith(SECRETS) and name.endswith(".key") and name.count("/") == 1
    return key or name in (*copies.data, *copies.keys)


def _member(tar: tarfile.TarFile, name: str) -> Any:
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member


def _take(source: Any, target: Path | None) -> str:
    digest = hashlib.sha256()
    if target is None:
        while piece := source.read(1_048_576):
            digest.update(piece)
        return digest.hexdigest()
    target.parent.mkdir(exist_ok=True, mode=0o700)
    with _private(target) as file:
        while piece := source.read(1_048_576):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
