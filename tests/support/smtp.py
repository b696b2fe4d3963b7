"""A mail server (aiosmtpd) that keeps what it is given in a folder, and misbehaves as it is told.

usage: smtp.py PORT FOLDER [starttls|tls] [login]

Each mail becomes FOLDER/mail-N.json. The file FOLDER/faults has a line for each of the next mails: an answer such as
`451 later`, `close` in the middle, `hang`, `close-after` the answer is due, or `ok`. FOLDER/refuse, if it is there, is the
answer to every recipient. FOLDER/cert.pem and key.pem are for TLS."""

import asyncio
import email
import email.policy
import itertools
import json
import os
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

PORT, FOLDER, FLAGS = int(sys.argv[1]), Path(sys.argv[2]), set(sys.argv[3:])
numbers = itertools.count(1)


def next_fault():
    path = FOLDER / "faults"
    lines = path.read_text().splitlines() if path.exists() else []
    if not lines:
        return "ok"
    part = FOLDER / "faults.part"
    part.write_text("".join(f"{line}\n" for line in lines[1:]))
    part.rename(path)
    return lines[0]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refuse = FOLDER / "refuse"
        if refuse.exists():
            return refuse.read_text().strip()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        fault = next_fault()
        if fault == "close":
            server.transport.abort()
            return "421 closing"
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault not in ("ok", "close-after"):
            return fault
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        part = lambda kind: (found := parsed.get_body((kind,))) and found.get_content()
        kept = {
            "to": envelope.rcpt_tos,
            "from": parsed["From"],
            "subject": parsed["Subject"],
            "message_id": parsed["Message-ID"],
            "headers": {name: str(value) for name, value in parsed.items()},
            "text": part("plain"),
            "html": part("html"),
            "is_tls": server.transport.get_extra_info("ssl_object") is not None,
            "login": session.auth_data,
            "hello": session.host_name,
        }
        name = f"mail-{next(numbers):04}.json"
        (FOLDER / "part").write_text(json.dumps(kept))
        (FOLDER / "part").rename(FOLDER / name)
        if fault == "close-after":
            server.transport.abort()
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    username, password = data.login.decode(), data.password.decode()
    good = (username, password) == ("keys@example.org", "p:ss w@rd")
    return AuthResult(success=good, handled=False, auth_data=username if good else None)


def main():
    context = None
    if FLAGS & {"starttls", "tls"}:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(FOLDER / "cert.pem", FOLDER / "key.pem")
    login = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": "starttls" in FLAGS}
    options = login if "login" in FLAGS else {}

    def session():
        return SMTP(Handler(), tls_context=context if "starttls" in FLAGS else None, **options)

    async def serve():
        server = await asyncio.get_running_loop().create_server(
            session, "127.0.0.1", PORT, ssl=context if "tls" in FLAGS else None
        )
        await server.serve_forever()

    asyncio.run(serve())


main()
