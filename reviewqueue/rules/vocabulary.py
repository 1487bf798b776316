"""The only names under which something is recorded: a label for filters, a sentence for people.

A sentence may use `{subject}` and the keys that `events.record` was given. Who did it and when
stand beside it on the page.
"""

from typing import NamedTuple

from reviewqueue.rules.releases import words


class Word(NamedTuple):
    label: str
    sentence: str


EVENTS = {
    # decisions
    "post.approved": Word("Approved", "Approved {subject}"),
    "post.rejected": Word("Rejected", "Rejected {subject}"),
    "post.composed": Word("To compose", "Sent {subject} to compose"),
    "item.rejected": Word("Item rejected", "Rejected {subject}"),
    "item.published_openly": Word("Made public", "Made {subject} public"),
    "item.hidden": Word("Made private", "Made {subject} private"),
    "decision.undone": Word("Undone", "Took back: {what}"),
    "decision.lapsed": Word("Not sent", "{what} was not sent: {reason}"),
    "decision.first": Word("First approval", "Gave the first of two approvals to {subject}"),
    # what the team says to itself
    "note.written": Word("Note", "Wrote a note on {subject}"),
    "note.mentioned": Word("Mention", "Mentioned {who} in a note on {subject}"),
    "note.removed": Word("Note taken back", "Took back a note on {subject}"),
    # what was asked of the service
    "post.generated": Word("Generate", "Generated from {subject}"),
    "link.cloned": Word("Clone", "Cloned from a link as {subject}"),
    "post.regenerated": Word("Regenerate", "Regenerated {subject}"),
    "post.retried": Word("Retry failed", "Retried what failed in {subject}"),
    "item.regenerated": Word("Regenerate item", "Regenerated {subject}"),
    "voice.converted": Word("Convert voice", "Converted the voice of {subject}"),
    "post.deleted": Word("Delete post", "Deleted {subject}"),
    "item.deleted": Word("Delete item", "Deleted {subject}"),
    "sync.started": Word("Sync", "Synced the sources of {subject}"),
    "source.added": Word("Add source", "Added source {subject}"),
    "source.removed": Word("Remove source", "Removed source {subject}"),
    "source.automation": Word("Automation", "Set {subject} to “{mode}”"),
    "persona.created": Word("New persona", "Created persona {subject}"),
    "persona.changed": Word("Persona", "Changed {what} of {subject}"),
    "account.connecting": Word("Connect account", "Began connecting an account for {subject}"),
    "target.added": Word("Link account", "Linked {account} to {subject}"),
    "target.removed": Word("Unlink account", "Unlinked {account} from {subject}"),
    "billing.topup": Word("Top up", "Began a top-up of {amount}"),
    "billing.reload": Word("Auto-reload", "Set auto-reload: {what}"),
    # how it went
    "operation.failed": Word("Refused", "{what} failed: {reason}"),
    "operation.unknown": Word("Not known", "{what} was sent, no answer came"),
    "operation.blocked": Word("Blocked", "{what} waits: {reason}"),
    "operation.released": Word("Let go on", "Let go on: {what}"),
    "operation.withdrawn": Word("Withdrawn", "Withdrew before it was sent: {what}"),
    "operation.let_be": Word("Let be", "Let be: {what}"),
    "operation.absent": Word("Did not happen", "{what} did not happen. {reason}"),
    "operation.found": Word("Found", "{what} was found to have happened"),
    "operation.resolved": Word("Looked up by hand", "{what}: {outcome}. {note}"),
    # what the service did
    "post.ready": Word("Ready", "{subject} is ready, {took}"),
    "post.failed": Word("Failed", "{subject} could not be generated"),
    "item.ready": Word("New version", "{subject} finished, {took}"),
    "item.failed": Word("Item failed", "{subject} could not be generated"),
    "voice.ready": Word("Voice ready", "The new voice of {subject} is ready"),
    "voice.failed": Word("Voice failed", "The voice of {subject} could not be converted"),
    "delivery.published": Word("Published", "{subject} was published on {account}"),
    "delivery.failed": Word("Delivery failed", "{subject} could not be published on {account}"),
    "sync.ended": Word("Sync ended", "{subject}: {outcome}"),
    "post.outside": Word("Changed outside", "{subject} was changed outside Loupe: {what}"),
    "post.differs": Word(
        "Published differently", "{subject} was published with another {what} than was approved"
    ),
    "post.unreviewed": Word("Published without review", "{subject} was published without review"),
    "media.refused": Word("Media refused", "A file of {subject} was refused: {reason}"),
    # the workspace
    "key.added": Word("Key", "Added the API key ending in {last_four}"),
    "key.removed": Word("Key", "Removed the API key ending in {last_four}"),
    "key.rejected": Word("Key", "The service rejected the API key ending in {last_four}"),
    "service.elsewhere": Word("Alarm", "{said} Check the address in LOUPE_REELMIRROR_URL."),
    "workspace.removed": Word("Workspace", "Removed the workspace {subject}"),
    "settings.changed": Word("Settings", "Changed {what}"),
    "view.shared": Word("View shared", "Shared the view “{subject}”"),
    "view.changed": Word("View changed", "Changed the shared view “{subject}”"),
    "view.removed": Word("View taken back", "Took back the shared view “{subject}”"),
    "signed_in": Word("Sign in", "Signed in"),
}


def word_of(name: str) -> Word:
    """The word for what is recorded already: a newer release may know more of them."""
    return EVENTS.get(name) or Word("Other", f"{{subject}}: {words(name)}")
