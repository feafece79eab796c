"""The data directory: made, locked, of a version that is known here; where a running system leaves its address.

DATA/lock             held (flock) by the one process that has the directory
DATA/version          which layout the files have
DATA/demo             there: demo data, which never mixes with real data
DATA/address          while a system runs: where it answers
DATA/backup           when the last backup began
DATA/operator.token   the command line's way in (mode 600)
"""

import contextlib
import errno
import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final

from services.chassis.keys import write_secret

VERSION: Final = 1
BACKUP: Final = "backup"


class CannotStart(Exception):
    """Why nothing can be done, in one line each of Vietnamese and English; the command line exits with 2."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(f"{vi}\n{en}")
        self.vi = vi
        self.en = en


class InUse(CannotStart):
    """Another process has it: a running system, or another command."""


class DataDirectory:
    """One directory, ours between `take` and `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def address_file(self) -> Path:
        return self.path / "address"

    @property
    def is_demo(self) -> bool:
        return self._has("demo")

    @property
    def is_new(self) -> bool:
        """Nothing was ever kept in it."""
        return not self._has("version")

    def _has(self, name: str) -> bool:
        try:
            return (self.path / name).exists()
        except OSError as error:
            raise self._not_usable(error) from None

    def take(self) -> None:
        """Make it if need be, lock it and look at its version. Raises `CannotStart`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = self._locked()
            self._check_version()
            with tempfile.TemporaryFile(dir=self.path) as trial:
                trial.write(bytes(4096))
                trial.flush()
        except OSError as error:
            self.release()
            raise self._not_usable(error) from None
        except CannotStart:
            self.release()
            raise

    def _locked(self) -> int:
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InUse(
                f"{self.path}: thư mục dữ liệu đang được một tiến trình khác sử dụng.",
                f"{self.path}: this data directory is in use by another process.",
            ) from None
        return descriptor

    def settle(self, *, demo: bool) -> None:
        """Write down what it is in use for from now on. Raises `CannotStart` when demo and real data would mix."""
        try:
            if self.is_new:
                if demo:
                    write_secret(self.path / "demo", b"demo data: demo sign-ins work here and nowhere else\n")
                write_secret(self.path / "version", f"{VERSION}\n".encode())
        except OSError as error:
            raise self._not_usable(error) from None
        if demo and not self.is_demo:
            raise CannotStart(
                f"{self.path}: đây là dữ liệu thật; dữ liệu minh hoạ không được trộn vào. Hãy chọn --data khác.",
                f"{self.path}: this holds real data; demo data never goes into it. Choose another --data.",
            )
        if self.is_demo and not demo:
            raise CannotStart(
                f"{self.path}: đây là dữ liệu minh hoạ; hãy thêm --demo, hoặc chọn --data khác cho dữ liệu thật.",
                f"{self.path}: this holds demo data; add --demo, or choose another --data for real data.",
            )

    def announce(self, address: str) -> None:
        """The system answers at `address` from now on."""
        write_secret(self.address_file, address.encode() + b"\n")

    def announced(self) -> str | None:
        """Where the system that runs on it answers, if one does."""
        return self._said(self.address_file)

    def _said(self, file: Path) -> str | None:
        try:
            return file.read_text("ascii").strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._not_usable(error) from None

    def release(self) -> None:
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            self.address_file.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def _check_version(self) -> None:
        try:
            found = (self.path / "version").read_text().strip()
        except FileNotFoundError:
            return
        if not found.isdigit() or int(found) > VERSION:
            raise CannotStart(
                f"{self.path}: dữ liệu do phiên bản mới hơn ghi ({found[:20]}); chương trình này biết đến {VERSION}.",
                f"{self.path}: written by a newer version ({found[:20]}); this program knows up to {VERSION}.",
            )

    def _not_usable(self, error: OSError) -> CannotStart:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return CannotStart(
                f"{self.path}: ổ đĩa đã đầy; hãy giải phóng chỗ trống rồi thử lại.",
                f"{self.path}: the disk is full; make room and try again.",
            )
        why = (error.strerror or type(error).__name__).lower()
        return CannotStart(
            f"{self.path}: không ghi được vào thư mục dữ liệu ({why}); hãy kiểm tra quyền hoặc chọn --data khác.",
            f"{self.path}: this directory cannot be written ({why}); check its permissions or choose another --data.",
        )
