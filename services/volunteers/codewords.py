"""Two words that the driver says at the door and the citizen reads on her ticket: easy to say, and to hear."""

import secrets

_THINGS = (
    "sen", "mai", "dừa", "xoài", "mận", "cam", "bưởi", "ổi", "ghe", "xuồng", "cầu", "đình", "nón", "áo", "mây", "nắng",
    "trăng", "sao", "chim", "cá", "trâu", "cò", "lúa", "trà",
)  # fmt: skip
_QUALITIES = (
    "hồng", "vàng", "xanh", "tím", "trắng", "đỏ", "nâu", "bạc", "nhỏ", "lớn", "mới", "xinh", "sáng", "hiền", "thơm",
    "vui",
)  # fmt: skip


def choose() -> str:
    return f"{secrets.choice(_THINGS)} {secrets.choice(_QUALITIES)}"
