"""Whether the service in this container is ready, for Docker: exit code 0 or 1, and why on one line.

Nothing but the standard library, run with `-I -S`: it is started every few seconds, in every container.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException


def main() -> int:
    server = HTTPConnection("127.0.0.1", int(os.environ.get("CAUNOI_PORT", "8000")), timeout=4)
    try:
        server.request("GET", "/readyz")
        answer = server.getresponse()
        said = answer.read(4000).decode(errors="replace")
    except (OSError, HTTPException) as error:
        sys.stdout.write(f"no answer: {error}\n")
        return 1
    sys.stdout.write(f"{answer.status} {said}\n")
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
