"""`caunoi backup` and `caunoi restore`.

A backup is one tar file: each database as it was at one moment, and `manifest.json` with the moment at which it began.
The moments differ by a little, so restoring makes every service read the bus again, and publish again, from 15 minutes
before that; marks make it harmless. Keys go to a file of their own (`--keys`), to be kept elsewhere and not for long:
whoever was erased since comes back with it.
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
from services.caunoi.failures import Failed
from services.caunoi.services import SERVICES
from services.chassis import logs
from services.chassis.backends import sqlite_backup
from services.chassis.clock import LOCAL, system_clock
from services.chassis.datadir import VERSION, CannotStart, DataDirectory, InUse
from services.chassis.errors import Unavailable
from services.chassis.keys import write_secret
from services.chassis.service import System, topic_specs
from services.chassis.settings import Settings

BEFORE: Final = timedelta(minutes=15)
MANIFEST: Final = "manifest.json"
DATABASES: Final = (*(f"{service.name}.sqlite" for service in SERVICES), "bus.sqlite")
KEY_TABLES: Final = tuple(f"{service.name}.keys.sqlite" for service in SERVICES)
PLAIN: Final = ("demo", "demo.json")


# ----------------------------------------------------------------------------------------------------- backing up


def back_up(settings: Settings, to: Path, keys: Path | None) -> None:
    """Whether a system runs on the directory or not."""
    directory = DataDirectory(settings.data)
    if directory.is_new:
        raise CannotStart(f"{settings.data}: chưa có dữ liệu ở đây.", f"{settings.data}: there is no data here.")
    with _at_rest_or_running(directory):
        begun = system_clock()
        target = to / f"caunoi-{begun.astimezone(LOCAL):%Y%m%d-%H%M%S}.tar.gz" if to.is_dir() else to
        _write(target, "data", settings.data, begun, [*DATABASES, *PLAIN])
        if keys:
            names = [*KEY_TABLES, *(f"secrets/{file.name}" for file in settings.secrets_directory.glob("*.key"))]
            _write(keys, "keys", settings.data, begun, names, settings.secrets_directory)


@contextmanager
def _at_rest_or_running(directory: DataDirectory) -> Iterator[None]:
    """Nobody may start on it or restore into it meanwhile; a system that runs on it goes on."""
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
    target: Path, kind: str, data: Path, begun: datetime, names: Sequence[str], key_files: Path | None = None
) -> None:
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as temporary:
        copies = Path(temporary)
        found: dict[str, dict[str, Any]] = {}
        with shown.progress(f"sao lưu {target.name}", total=len(names)) as bar:
            for name in names:
                source = key_files / Path(name).name if key_files and name.startswith("secrets/") else data / name
                if source.exists():
                    found[name] = _copy(source, copies / name)
                bar.advance(bar.task_ids[0])
        manifest = {"kind": kind, "version": VERSION, "begun": begun.isoformat(), "files": found}
        packed = copies / "packed"
        with _private(packed) as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            _add(tar, MANIFEST, json.dumps(manifest, indent=2).encode())
            for name in found:
                tar.add(copies / name, name, filter=_nameless)
        _verify(packed)
        packed.replace(target)
    _sync(target.parent)
    size = target.stat().st_size / 1_048_576
    shown.out.print(f"Đã sao lưu và kiểm tra: [bold]{target}[/] ({len(found)} tệp, {size:.1f} MiB). [dim]verified[/]")


def _copy(source: Path, target: Path) -> dict[str, Any]:
    target.parent.mkdir(exist_ok=True)
    if source.suffix == ".sqlite":
        try:
            sqlite_backup.copy(source, target)
        except Unavailable as error:
            raise Failed(error.says("vi"), error.says("en")) from None
    else:
        shutil.copyfile(source, target)
    return {"bytes": target.stat().st_size, "sha256": _sha256(target)}


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
    """All of it is unpacked and checked before anything in the directory changes."""
    logs.start("error")
    directory = DataDirectory(settings.data)
    try:
        directory.take()
        _restore(settings, directory, file, keys, replace)
    except InUse:
        raise CannotStart(
            f"{settings.data}: hệ thống đang chạy; hãy dừng nó trước khi phục hồi.",
            f"{settings.data}: a system runs on it; stop it before you restore.",
        ) from None
    except Unavailable as error:
        raise Failed(error.says("vi"), error.says("en")) from None
    finally:
        directory.release()


def _restore(settings: Settings, directory: DataDirectory, file: Path, keys: Path | None, replace: bool) -> None:
    data = settings.data
    if not directory.is_new and not replace:
        raise CannotStart(
            f"{data}: đã có dữ liệu; thêm --replace để dời nó sang bên rồi phục hồi.",
            f"{data}: there is data already; add --replace to set it aside and restore.",
        )
    if keys is None and not any(settings.secrets_directory.glob("*.key")):
        raise Failed(
            f"{settings.secrets_directory}: không có khoá; hãy thêm --keys FILE (tên, số điện thoại đều được mã hoá).",
            "There are no keys here, and names and phone numbers are encrypted: add --keys FILE.",
        )
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=data) as temporary:
        unpacked = Path(temporary)
        manifest = _unpack(file, unpacked, "data")
        key_manifest = _unpack(keys, unpacked, "keys") if keys else None
        replaced = [*manifest["files"], *(key_manifest["files"] if key_manifest else ())]
        _set_aside(settings, [*DATABASES, *PLAIN, *(KEY_TABLES if keys else ()), *replaced])
        for name in replaced:
            target = _place(settings, name)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (unpacked / name).replace(target)
            _sync(target.parent)
    write_secret(data / "version", f"{manifest['version']}\n".encode())
    since = datetime.fromisoformat(manifest["begun"]) - BEFORE
    owed = asyncio.run(_rewind(System(SERVICES, settings), since))
    when = datetime.fromisoformat(manifest["begun"]).astimezone(LOCAL)
    shown.out.print(
        f"Đã phục hồi dữ liệu lúc {when:%H:%M:%S %d/%m/%Y}; {owed} sự kiện sẽ được phát lại khi khởi động. "
        f"[dim]{owed} events will be published again at the next start[/]"
    )


def _set_aside(settings: Settings, names: Sequence[str]) -> None:
    """What was there stays there, in a directory of its own."""
    aside = settings.data / f"before-restore-{system_clock().astimezone(LOCAL):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    for name in dict.fromkeys(names):
        present = _place(settings, name)
        for file in (present, *(present.with_name(present.name + end) for end in ("-wal", "-shm"))):
            if file.exists():
                kept = aside / Path(name).parent / file.name
                kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                file.replace(kept)


def _place(settings: Settings, name: str) -> Path:
    return settings.secrets_directory / Path(name).name if name.startswith("secrets/") else settings.data / name


async def _rewind(system: System, since: datetime) -> int:
    owed = 0
    await system.bus.open(topic_specs())
    for name, running in system.running.items():
        await system.bus.rewind(name, since)
        await running.store.open()
        owed += await running.store.rewind(since)
        await running.store.close()
    await system.bus.close()
    return owed


# ------------------------------------------------------------------------------------------------------- checking


def _unpack(file: Path, to: Path, kind: str) -> dict[str, Any]:
    manifest = _verify(file, to)
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
        if name.endswith(".sqlite"):
            sqlite_backup.check(to / name)
    return manifest


def _verify(file: Path, to: Path | None = None) -> dict[str, Any]:
    """Read the archive again, every byte against its manifest; unpack it if `to` is given. Only known names count."""
    try:
        with tarfile.open(file, "r:*") as tar:
            manifest: dict[str, Any] = json.loads(_member(tar, MANIFEST).read())
            for name, said in manifest["files"].items():
                if not _known(name):
                    raise ValueError(name)
                digest = _take(_member(tar, name), to / name if to else None)
                if digest != said["sha256"]:
                    raise ValueError(name)
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError):
        raise Failed(f"{file}: không phải bản sao lưu nguyên vẹn.", f"{file}: not a whole backup.") from None
    return manifest


def _known(name: str) -> bool:
    key = name.startswith("secrets/") and name.endswith(".key") and name.count("/") == 1
    return key or name in (*DATABASES, *KEY_TABLES, *PLAIN)


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
