"""What goes wrong when a person's own network is put on the dashboard."""

from attention.records import GatescopeError


class ServingError(GatescopeError):
    """A network of a person's own that cannot be shown as it was given."""
