"""The few settings that tests change."""

import os
import tempfile
from pathlib import Path

_scratch = tempfile.mkdtemp(prefix="loupe-tests-")
os.environ.setdefault("LOUPE_DATA_DIR", _scratch)
os.environ.setdefault("LOUPE_SECRET_KEY", "only-for-tests-" + "x" * 40)

from .settings import *  # noqa: E402, F403

DEBUG = False
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = Path(_scratch) / "media"
SANDBOX_DIR = Path(_scratch) / "sandbox"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
ACCOUNT_RATE_LIMITS = False
