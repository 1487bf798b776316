"""The cures of a post that needs attention, from its row."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from reviewqueue.models import GeneratedPost
from reviewqueue.services import cures
from reviewqueue.views import posts


def _post(request, post_id: UUID) -> GeneratedPost:
    return get_object_or_404(GeneratedPost.objects.visible_to(request.member), pk=post_id)


@require_POST
def check(request, post_id: UUID):
    """Ask the service about it at the next chance."""
    post = _post(request, post_id)
    cures.check_now(post, by=request.member)
    return posts.acted(request, post, "The service is being asked")


@require_POST
def copying(request, post_id: UUID):
    """Fetch its refused files once more."""
    post = _post(request, post_id)
    count = cures.copy_again(post, by=request.member)
    return posts.acted(
        request, post, "The file is being copied" if count == 1 else f"{count} files are being copied"
    )
