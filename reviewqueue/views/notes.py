"""Notes on a post: the thread and its form, in focus mode and in the library."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from reviewqueue.forms.notes import NoteForm
from reviewqueue.forms.queue import QueueFilter
from reviewqueue.models import GeneratedPost, Note
from reviewqueue.services import notes as service
from reviewqueue.services.access import require
from reviewqueue.views import fragments, queue

BOARD = "reviewqueue/review/notes.html"


def board(member, post: GeneratedPost, form: NoteForm | None = None) -> dict:
    """The thread of a post and the form under it. `named`: a note in it names the member, unseen as yet."""
    versions = sorted(post.items.all(), key=lambda item: (item.position, item.take))
    return {
        "notes": service.thread(post),
        "named": service.names(member, post),
        "note_form": form or NoteForm(auto_id=f"note-{post.pk}-%s"),
        "versions": versions,
        "has_video": any(item.media_type == "video" for item in versions),
    }


@require_POST
def notes(request, post_id: UUID):
    """Add a note. What is wrong with it stands at its field, and nothing typed is lost."""
    post = get_object_or_404(GeneratedPost.objects.visible_to(request.member), pk=post_id)
    require(request.member, "comment")
    form = NoteForm(request.POST, auto_id=f"note-{post.pk}-%s")
    if form.is_valid():
        data = form.cleaned_data
        try:
            note = service.write(
                post,
                data["text"],
                by=request.member,
                token=data["token"],
                item_id=data["item"],
                pin=data["pin"],
            )
        except service.Misplaced as error:
            form.add_error(error.field, str(error))
        else:
            told = [mention.member.user.name for mention in note.mentions.select_related("member__user")]
            said = f"Note added. {', '.join(told)} will see it" if told else "Note added"
            return answered(request, post, said)
    return refused(request, post, form)


def answered(request, post: GeneratedPost, said: str, form: NoteForm | None = None) -> HttpResponse:
    context = {"post": post, **board(request.member, post, form), "notes_oob": True, "answers": True}
    context["query"] = query_of(request)
    response = fragments.answer(request, back_to(request, post), BOARD, context=context, said=said)
    if fragments.asked_from(request).startswith("/library/"):  # shows more of it than the thread
        response["HX-Trigger"] = "loupe:look"
    return response


def refused(request, post: GeneratedPost, form: NoteForm) -> HttpResponse:
    if fragments.is_fragment(request):
        response = answered(request, post, f"The note was not added. {first_error(form)}", form)
        response.status_code = 422
        return response
    return alone(request, post, form, status=422)


def alone(request, post: GeneratedPost, form: NoteForm, *, status: int = 200) -> HttpResponse:
    """The form with what was typed, as a page for a browser without script."""
    context = {"post": post, **board(request.member, post, form), "back": back_to(request, post)}
    context["query"] = query_of(request)
    return fragments.page(request, "reviewqueue/note.html", context, status=status)


def first_error(form: NoteForm) -> str:
    return next(iter(form.errors.values()))[0]


def back_to(request, post: GeneratedPost) -> str:
    """The page that a plain form came from, at its notes."""
    library = fragments.came_from(request, "/library/")
    return f"{library or f'/review/{post.pk}/{query_of(request)}'}#notes-{post.pk}"


def query_of(request) -> str:
    """The view of the queue in which the post is looked at."""
    return queue.query_of(QueueFilter(request.GET).values())


@require_POST
def removal(request, note_id: UUID):
    """Take back one's own note. Its words lie in the field again."""
    notes = Note.objects.visible_to(request.member).select_related("post", "item")
    note = get_object_or_404(notes, pk=note_id)
    service.take_back(note, by=request.member)
    form = NoteForm(initial={"text": note.text, "item": note.item_id}, auto_id=f"note-{note.post_id}-%s")
    said = "Note taken back. Its words are in the field"
    if fragments.is_fragment(request):
        return answered(request, note.post, said, form)
    messages.info(request, said)
    return alone(request, note.post, form)
