"""What leaves through the log carries no secret."""

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
