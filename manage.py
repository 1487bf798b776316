#!/usr/bin/env python3
"""The one entry: prepares `.venv` from the hash-pinned lock, then runs the command inside it.

    python3 manage.py up      the whole program under one supervisor
    python3 manage.py test    linters and every test
    python3 manage.py …       any Django command

Until the environment stands, this file may use nothing but the standard library, and
it is written so that an old Python can still read it far enough to say that it is too old.
"""

import hashlib
import os
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".installed")
NEEDS = (3, 11)
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--no-input")
SAFELY = ("--require-hashes", "--no-deps", "--only-binary=:all:")


def refuse(sentence):
    sys.stderr.write("loupe: " + sentence + "\n")
    sys.exit(1)


def lock_for(verb):
    return "requirements-dev.lock" if verb == "test" else "requirements.lock"


def digest_of(lock):
    with open(os.path.join(ROOT, lock), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def installed():
    try:
        with open(STAMP) as file:
            return file.read().split()
    except OSError:
        return []


def check_machine():
    """Refuse, in one sentence each, what would otherwise fail half-way through."""
    if sys.version_info < NEEDS:
        have = "%d.%d" % sys.version_info[:2]
        refuse("Python 3.11 or newer is needed; this is Python %s. Run it with a newer python3." % have)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        refuse("this Python has no venv module; install it (on Debian: apt install python3-venv).")
    if not os.access(ROOT, os.W_OK):
        refuse("no permission to write to %s; run it from a folder you own." % ROOT)


def prepare(verb):
    """Install what the lock names, once per content of the lock; progress is pip's own."""
    lock = lock_for(verb)
    wanted = digest_of(lock)
    # The test lock holds everything of the other one, so either of them will do for running.
    if os.path.exists(PYTHON) and {wanted, digest_of("requirements-dev.lock")} & set(installed()):
        return
    check_machine()
    try:
        if not os.path.exists(PYTHON):
            print("[1/2] Making .venv", flush=True)
            subprocess.check_call([sys.executable, "-m", "venv", VENV])
        print("[2/2] Installing %s (hash-checked)" % lock, flush=True)
        subprocess.check_call([PYTHON, *PIP, *SAFELY, "-r", lock], cwd=ROOT)
        done = installed()
        with open(STAMP, "w") as file:
            file.write("\n".join(dict.fromkeys([*done, wanted])))
    except subprocess.CalledProcessError as error:
        refuse("the installation of %s stopped (%d); what is above says why." % (lock, error.returncode))
    except OSError as error:
        refuse("the environment could not be made: %s." % error)


def inside_environment():
    """True where no `.venv` is wanted (a container) or this already is it."""
    return os.environ.get("LOUPE_NO_VENV") == "1" or os.path.realpath(sys.prefix) == os.path.realpath(VENV)


def main():
    verb = sys.argv[1] if len(sys.argv) > 1 else "help"
    if (not inside_environment() or verb == "test") and os.environ.get("LOUPE_NO_VENV") != "1":
        prepare(verb)
    if verb == "setup":
        return print("Ready: python3 manage.py up")
    if verb == "test":
        interpreter = sys.executable if inside_environment() else PYTHON
        os.chdir(ROOT)
        os.execv(interpreter, [interpreter, "-m", "tests", *sys.argv[2:]])
    if not inside_environment():
        os.execv(PYTHON, [PYTHON, os.path.abspath(__file__), *sys.argv[1:]])
    if os.getpid() == 1:  # the first process of a container ignores what it does not handle
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        refuse(str(error))
    return None


if __name__ == "__main__":
    main()
