"""Django's secrets: what it draws at random, and what it checks against credentials, which a tape holds as tokens only.

With this preset forms have the CSRF token they had, and a login, a session or a signed cookie is found as valid as it was. The
database and the cache have presets of their own.
"""

from __future__ import annotations

from autoplayback.presets import PresetTarget
from autoplayback.presets._secrets import SECRET

_CSRF = "django.middleware.csrf:"
_SESSION = "django.contrib.sessions.backends.base:SessionBase."
_HASHERS = "django.contrib.auth.hashers:"
TARGETS = (
    PresetTarget(f"{_CSRF}_get_new_csrf_string", "django.csrf.new", codec=SECRET),
    PresetTarget(f"{_CSRF}_mask_cipher_secret", "django.csrf.mask", codec=SECRET),
    PresetTarget(f"{_CSRF}_check_token_format", "django.csrf.check_format", trusts=("django",)),
    PresetTarget(f"{_CSRF}_does_token_match", "django.csrf.match"),
    PresetTarget(f"{_SESSION}_get_new_session_key", "django.session.new_key", codec=SECRET),
    PresetTarget(f"{_SESSION}encode", "django.session.encode"),
    PresetTarget(f"{_SESSION}decode", "django.session.decode"),
    PresetTarget(f"{_HASHERS}verify_password", "django.password.verify"),
    PresetTarget(f"{_HASHERS}make_password", "django.password.make", codec=SECRET),
    PresetTarget("django.core.signing:Signer.unsign", "django.unsign", trusts=("django",)),
    PresetTarget("django.core.signing:TimestampSigner.unsign", "django.unsign", trusts=("django",)),
    PresetTarget("django.utils.crypto:get_random_string", "django.random_string"),
)
