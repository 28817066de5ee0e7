"""What goes wrong in a survey."""

from attention.records import GatescopeError


class SurveyError(GatescopeError):
    """A survey that cannot be made, gone on with or read; the message says why."""


class CancelledError(SurveyError):
    """Somebody asked the survey to stop."""
