"""Sessions in the database, as Django keeps them; read with a query that is composed once."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.db.models import CharField, DateTimeField
from django.utils import timezone

from reviewqueue.models.prepared import Given, Prepared

_sessions = Prepared(
    lambda: Session.objects.filter(
        session_key=Given("key", CharField()), expire_date__gt=Given("at", DateTimeField())
    ).values_list("session_data", named=True)
)


class SessionStore(db.SessionStore):
    def _get_session_from_db(self):
        found = _sessions.first(key=self.session_key, at=timezone.now())
        if found is None:
            self._session_key = None
        return found
