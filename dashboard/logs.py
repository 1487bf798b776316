"""What leaves through the log carries no secret, and says of an outage no more than there is to say."""

import logging

from reviewqueue.upstream.redaction import redact


class RedactingFilter(logging.Filter):
    """Take keys, tokens and payment addresses out of every record, its arguments and its traceback."""

    def filter(self, record):
        record.msg = redact(record.getMessage())
        record.args = ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


class OutageFilter(logging.Filter):
    """A request that found no database is told in one line: every page asks again until it is back."""

    def filter(self, record):
        if getattr(record, "status_code", 0) == 503 and record.exc_info:
            record.msg = f"{record.getMessage()} ({' '.join(str(record.exc_info[1]).split())})"
            record.args, record.exc_info = (), None
        return True
