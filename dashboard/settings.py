"""Every setting of Loupe, read from the environment; a fresh checkout runs with none of them set.

Each variable has a row in the README's table (a test fails on a missing one). Secrets may also
come from a file: `LOUPE_SECRET_KEY_FILE=/run/secrets/key` and so on.
"""

import re
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ import ImproperlyConfigured as EnvironError

from dashboard.logs import OutageFilter, RedactingFilter

BASE_DIR = Path(__file__).resolve().parent.parent
PRODUCT = "Loupe"

env = FileAwareEnv()


def setting(reader, name, default):
    """One environment variable through `reader`; nonsense is refused with the variable's name."""
    try:
        value = reader(name, default=default)
        return value.strip() if isinstance(value, str) else value  # a secret's file ends with a line break
    except (ValueError, EnvironError) as error:
        raise ImproperlyConfigured(f"{name} cannot be read: {error}") from error


def one_of(name, default, choices):
    value = setting(env.str, name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")
    return value


def positive(name, default):
    value = setting(env.float, name, default)
    if not value > 0:
        raise ImproperlyConfigured(f"{name} is {value}; it must be greater than 0.")
    return value


def http_address(name, default):
    value = setting(env.str, name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; it must be an address like https://example.com/api."
        )
    return value


# ---- Where things lie ------------------------------------------------------------------------

DATA_DIR = Path(setting(env.str, "LOUPE_DATA_DIR", str(BASE_DIR / "var")))


def kept_secret(name, file_name, make):
    """The secret from the environment, else one made once and kept beside the data (mode 600)."""
    given = setting(env.str, name, "")
    if given:
        return given
    path = DATA_DIR / file_name
    try:
        if not path.exists():
            DATA_DIR.mkdir(parents=True, exist_ok=True)
            made = path.with_name(f"{file_name}.{secrets.token_hex(4)}")
            made.touch(mode=0o600)
            made.write_text(make())
            try:
                path.hardlink_to(made)  # of two processes starting at once, one wins
            except FileExistsError:
                pass
            made.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{DATA_DIR} cannot be used: {error.strerror}. Let this user write there, or set {name}."
        ) from error


def new_fernet_key():
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


SECRET_KEY = kept_secret("LOUPE_SECRET_KEY", "secret-key", lambda: secrets.token_urlsafe(50))
# Newest first, separated by commas; `manage.py rotate_secrets` re-encrypts under the first.
ENCRYPTION_KEYS = kept_secret("LOUPE_ENCRYPTION_KEYS", "encryption-keys", new_fernet_key).split(",")

DEBUG = setting(env.bool, "LOUPE_DEBUG", False)
BIND = setting(env.str, "LOUPE_BIND", "127.0.0.1:8000")
HTTPS = setting(env.bool, "LOUPE_HTTPS", False)
_here = re.sub(r"^(0\.0\.0\.0|\[::\]):", "127.0.0.1:", BIND)
PUBLIC_URL = http_address("LOUPE_PUBLIC_URL", f"{'https' if HTTPS else 'http'}://{_here}")
ALLOWED_HOSTS = [
    *setting(env.list, "LOUPE_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
    urlsplit(PUBLIC_URL).hostname,
    "127.0.0.1",  # the health check inside a container
]
PROXIES = setting(env.int, "LOUPE_PROXIES", 0)
WEB_THREADS = setting(env.int, "LOUPE_WEB_THREADS", 8)

# Divides every wait (polls, holds, leases, settling, the rate minute); for tests and demonstrations.
TIME_SCALE = positive("LOUPE_TIME_SCALE", 1.0)

# ---- The hosted services ---------------------------------------------------------------------

REELMIRROR_URL = http_address("LOUPE_REELMIRROR_URL", "https://reelmirror.com/api")
REELMIRROR_KEY = setting(env.str, "LOUPE_REELMIRROR_KEY", "")
REELMIRROR_SCHEDULE = one_of("LOUPE_REELMIRROR_SCHEDULE", "post", ("post", "patch"))
# Hosts (suffixes) that may serve the service's media, or exact origins such as http://127.0.0.1:8765.
MEDIA_HOSTS = setting(env.list, "LOUPE_MEDIA_HOSTS", ["reelmirror.com"])
MEDIA_MAX_BYTES = int(positive("LOUPE_MEDIA_MAX_MIB", 64.0) * 1024 * 1024)
MEDIA_MAX_PIXELS = 50_000_000

# The sandbox generates this many times faster than the documented ranges; its pages say so.
SANDBOX_SPEED = positive("LOUPE_SANDBOX_SPEED", 6.0)
SANDBOX_DIR = DATA_DIR / "sandbox"

# ---- Django ----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "reviewqueue",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "django_q",
    "template_partials.apps.SimpleAppConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "reviewqueue.middleware.CompressPages",
    "reviewqueue.middleware.ContentPolicy",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "reviewqueue.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "reviewqueue.middleware.Membership",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "reviewqueue.middleware.NotedWrites",
    "reviewqueue.middleware.DomainErrors",
]

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "django.templatetags.l10n",
                "django.templatetags.static",
                "reviewqueue.templatetags.display",
                "reviewqueue.templatetags.keeping",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "reviewqueue.views.shell.shell",
            ],
        },
    }
]


def database():
    """SQLite beside the data by default; anything django-environ understands by LOUPE_DATABASE_URL."""
    try:
        config = env.db_url("LOUPE_DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'loupe.sqlite3'}")
    except (ValueError, EnvironError, KeyError) as error:
        raise ImproperlyConfigured(f"LOUPE_DATABASE_URL cannot be read: {error}") from error
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = {
            # A decision may spend money, so its commit is on the disk before it is acted on (FULL);
            # IMMEDIATE, because a deferred transaction beside a writer fails instead of waiting.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        }
        config["CONN_MAX_AGE"] = 600
    elif config["ENGINE"].endswith("postgresql"):
        config.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
        # The server keeps the plans of what models/prepared.py asks, from the first time on.
        config.setdefault("OPTIONS", {}).setdefault("prepare_threshold", 0)
    else:
        raise ImproperlyConfigured("LOUPE_DATABASE_URL must name SQLite or PostgreSQL.")
    return config


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = setting(env.str, "LOUPE_REDIS_URL", "")
# What is counted before somebody is signed in is counted by all processes together.
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "shared_cache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    ),
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "process"},
}
# A session that is revoked must end at once, so the cache may answer only where all processes share it.
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db" if REDIS_URL else "reviewqueue.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "loupe_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "loupe_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "reviewqueue.views.shell.csrf_failure"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = False  # the proxy in front does that
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = ["security.W008"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "media-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

AUTH_USER_MODEL = "reviewqueue.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "reviewqueue.services.accounts.Adapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_PRESERVE_USERNAME_CASING = False
# Sign-in is limited by account and by address; behind a proxy the address is what that one says of it.
ALLAUTH_TRUSTED_PROXY_COUNT = PROXIES

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
if setting(env.str, "LOUPE_EMAIL_URL", ""):
    vars().update(env.email_url("LOUPE_EMAIL_URL"))
DEFAULT_FROM_EMAIL = setting(env.str, "LOUPE_EMAIL_FROM", "loupe@localhost")

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# Set where the files were collected beforehand (an image): `prepare` then leaves them alone.
STATIC_ROOT = Path(setting(env.str, "LOUPE_STATIC_ROOT", str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = Path(setting(env.str, "LOUPE_MEDIA_ROOT", str(DATA_DIR / "media")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# The queue carries hints only; the rows are the truth. Figures: ADR 3.
Q_CLUSTER = {
    "name": "loupe",
    "orm": "default",
    "workers": 2,
    "timeout": 60,
    "retry": 180,
    "max_attempts": 1,
    "ack_failures": True,
    "queue_limit": 2,
    "bulk": 1,
    "poll": 0.2,
    "catch_up": False,
    "save_limit": 1000,
    "label": "Tasks",
}

LOG_LEVEL = one_of("LOUPE_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"outage": {"()": OutageFilter}, "redact": {"()": RedactingFilter}},
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["outage", "redact"]}
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}
