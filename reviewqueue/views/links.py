"""Links that lead away from here: only where a browser may follow, and only as far as is meant."""

from urllib.parse import quote, urlsplit


def safe(url: str) -> str:
    """An address of the service's, or "" if it is not one of the web (`javascript:`, `data:`, nonsense)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def profile(platform: str, handle: str) -> str:
    """Where an account shows itself to anybody."""
    return f"https://www.instagram.com/{quote(handle, safe='')}/" if platform == "instagram" else ""
