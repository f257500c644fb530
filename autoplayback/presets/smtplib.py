"""Mail through the standard library. Best declared under `outputs`: then every byte given to `smtplib.sendmail` is compared."""

from __future__ import annotations

from autoplayback.presets import PresetTarget

_NAMES = ("connect", "ehlo", "helo", "starttls", "login", "sendmail", "noop", "rset", "verify", "docmd", "quit")
_IGNORED = {"connect": ("source_address",), "starttls": ("keyfile", "certfile", "context")}
TARGETS = (
    *(PresetTarget(f"smtplib:SMTP.{name}", f"smtplib.{name}", ignore=_IGNORED.get(name, ())) for name in _NAMES),
    # Asked when an SMTP is made, to say hello by: they look this host up in the network. Django does so once per process.
    PresetTarget("socket:getfqdn", "smtplib.getfqdn", reads=True, missing="localhost"),
    PresetTarget("socket:gethostbyname", "smtplib.gethostbyname", reads=True, missing="127.0.0.1"),
    # Made of the process's id and this host's name.
    PresetTarget("email.utils:make_msgid", "smtplib.make_msgid", ignore=("domain",), reads=True),
)
