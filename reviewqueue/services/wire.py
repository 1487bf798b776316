"""One conversation with the service: the client, what it saw, and what that teaches."""

from dataclasses import dataclass, field

from reviewqueue import gateway
from reviewqueue.clock import now, wait
from reviewqueue.models import UpstreamKey, Workspace
from reviewqueue.rules import cadence
from reviewqueue.services import events, rates, scopes
from reviewqueue.upstream import errors, exchange


@dataclass
class Wire:
    """A client under a workspace's key; every exchange is kept in `exchanges`.

    `klass`: whose part of the key's minute a read takes when it is tried again; `once`: it never is.
    """

    key: UpstreamKey
    klass: str = "poll"
    once: bool = False
    exchanges: list = field(default_factory=list)

    def __post_init__(self):
        options = {"read_attempts": 1} if self.once else {"may_repeat": self._may_repeat}
        self.api = gateway.client_for(self.key, observe=self._observe, **options)

    def _may_repeat(self) -> bool:
        """Every further attempt is paid for like the first."""
        return rates.grant(self.key.fingerprint, 1, self.klass).given

    def _observe(self, done: exchange.Exchange) -> None:
        self.exchanges.append(done)
        if done.rate is not None:
            rate = done.rate
            rates.learn(self.key.fingerprint, rate.limit, rate.remaining, rate.reset_in_seconds)

    def seconds_behind(self) -> float:
        """By how much the service's clock is behind ours, by what its answers said here."""
        return max(map(exchange.seconds_behind, self.exchanges), default=0.0)

    def learn(self, error: Exception | None) -> None:
        """What the outcome says of the key and the service; pages show it as a banner."""
        if error is None or (isinstance(error, errors.Refused) and not isinstance(error, errors.KeyRejected)):
            changed = rates.answered(self.key)
        elif isinstance(error, errors.KeyRejected):
            changed = rates.rejected(self.key, str(error))
            if changed:
                events.record(
                    "key.rejected", self.key.workspace, by_label=events.SERVICE, last_four=self.key.last_four
                )
        elif isinstance(error, errors.Throttled):
            rates.block(self.key.fingerprint, error.wait)
            changed = True
        elif isinstance(error, errors.Redirected):
            changed = rates.redirected(self.key, str(error))
            # One address alone may redirect, each time it is asked.
            lately = self.key.workspace.events.filter(at__gt=now() - wait(cadence.HOUR))
            if changed and not lately.filter(name="service.elsewhere").exists():
                events.record("service.elsewhere", self.key.workspace, said=str(error))
        elif isinstance(error, (errors.NotSent, errors.OutcomeUnknown)):
            before = self.key.opened_at
            changed = rates.failed(self.key, str(error)) or self.key.opened_at != before  # a page counts down
        else:
            changed = False
        if changed:
            scopes.bump(self.key.workspace_id)

    def spend(self, klass: str, cost: int = 1) -> None:
        """Take requests from the key's minute before making them. Raises NoRoom."""
        self.klass = klass
        given = rates.grant(self.key.fingerprint, cost, klass)
        if not given.given:
            raise NoRoom(given.wait_seconds)


class NoRoom(Exception):
    """The key's minute is used up for this class of requests."""

    def __init__(self, wait_seconds: float):
        self.wait_seconds = wait_seconds
        super().__init__(f"no room for {wait_seconds:.1f} s")


def open_wire(workspace: Workspace, klass: str = "poll", *, once: bool = False) -> Wire:
    """Raises gateway.NoKey."""
    key = gateway.key_of(workspace)
    key.workspace = workspace
    return Wire(key, klass, once)
