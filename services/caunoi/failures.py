"""What a command could not do."""


class Failed(Exception):
    """One line each in Vietnamese and English (which may be empty); exit code 1."""

    def __init__(self, vi: str, en: str = "") -> None:
        super().__init__("\n".join(filter(None, (vi, en))))
        self.vi = vi
        self.en = en
