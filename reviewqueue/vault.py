"""Secrets at rest: Fernet tokens under LOUPE_ENCRYPTION_KEYS, newest first."""

import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """The stored secret was sealed under a key that is no longer listed."""


def _box() -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in settings.ENCRYPTION_KEYS])


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def open_sealed(token: str) -> str:
    """The secret. Raises Unreadable if no listed key opens it."""
    try:
        return _box().decrypt(token.encode()).decode()
    except InvalidToken:
        raise Unreadable("The stored key cannot be decrypted. Enter it again under Settings.") from None


def resealed(token: str) -> str:
    """The same secret under the newest key. Raises Unreadable if no listed key opens it."""
    try:
        return _box().rotate(token.encode()).decode()
    except InvalidToken:
        raise Unreadable("The stored key cannot be decrypted. Enter it again under Settings.") from None


def fingerprint(secret: str) -> str:
    """Names a key without telling it: keys are 32 random characters, so a hash gives nothing away."""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]
