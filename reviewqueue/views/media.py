"""Our copies of pictures and videos: seekable, cached for long, never as a document."""

import re
from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from reviewqueue.models import MediaFile

RENDITIONS = {"t": "thumb", "s": "screen", "o": "original"}
BLOCK = 64 * 1024
RANGE = re.compile(r"^bytes=([0-9]{0,18})-([0-9]{0,18})$")


@require_safe
def media(request, name: str, rendition: str, extension: str):
    """One rendition of a file of this workspace. The name changes with the file, so a browser may keep it."""
    file = get_object_or_404(MediaFile.objects.visible_to(request.member), name=name)
    kind = RENDITIONS[rendition]
    is_original = kind == "original"
    if not file.is_here or extension != (file.extension if is_original else "webp"):
        raise Http404
    etag = f'"{file.sha256[:32]}-{rendition}"'
    content_type = file.content_type if is_original else "image/webp"
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        try:
            response = ranged(request, file.stored_as(kind), content_type, etag)
        except FileNotFoundError:
            raise Http404 from None
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    if is_original and file.kind == "image":  # pictures are shown from the re-encoded copies
        response["Content-Disposition"] = f'attachment; filename="{file.name}.{file.extension}"'
    return response


def ranged(request, stored: str, content_type: str, etag: str) -> HttpResponse:
    """The whole file, or the part of it that a Range header asks for (206, or 416 outside of it)."""
    size = default_storage.size(stored)
    wanted = part_of(request.headers.get("Range", ""), size)
    if request.headers.get("If-Range") not in (None, etag):
        wanted = None
    if wanted is None:
        response = FileResponse(default_storage.open(stored), content_type=content_type)
        response["Content-Length"] = size
    elif not wanted:
        response = HttpResponse(status=416, content_type=content_type)
        response["Content-Range"] = f"bytes */{size}"
    else:
        first, last = wanted
        response = StreamingHttpResponse(blocks(stored, first, last), status=206, content_type=content_type)
        response["Content-Length"] = last - first + 1
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Accept-Ranges"] = "bytes"
    return response


def part_of(header: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """(first, last) byte; () if the range lies outside; None to send all (none or nonsense asked)."""
    found = RANGE.match(header.strip())
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        length = int(last)
        return (max(0, size - length), size - 1) if length else ()
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if start >= size:
        return ()
    return (start, end) if start <= end else None


def blocks(stored: str, first: int, last: int) -> Iterator[bytes]:
    with default_storage.open(stored) as file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block
