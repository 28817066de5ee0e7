"""`python -m attention`, and the command `gatescope`: the command line, whose every error is one sentence."""

import io
import os
import signal
import sys

DEBUG = "GATESCOPE_DEBUG"
"""In the environment, it has errors end in their traceback."""
LONGEST = 2000
"""Characters of a message."""
STOPPED = 130
"""The exit status of what a person stopped by Ctrl-C, as shells have it."""


def run() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name of a file need not be text
            stream.reconfigure(errors="backslashreplace")
    try:
        from attention import cli

        status = cli.run()
        if sys.stdout:
            sys.stdout.flush()
    except KeyboardInterrupt:
        status = _end("Stopped.", STOPPED)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        status = _end(*_message_and_status(error))
    sys.exit(status)


def _message_and_status(error: Exception) -> tuple[str, int]:
    """What is said of an error, and the exit status. The libraries may be missing that have the classes of errors."""
    if isinstance(error, ModuleNotFoundError):
        way = "`pip install 'gatescope[dashboard,zoo]'` brings what the commands need"
        return f"Error: {error.name} is not installed; {way}.", 1
    if isinstance(error, MemoryError):
        return "Error: There is too little memory; a smaller network or picture takes less.", 1
    if isinstance(error, BrokenPipeError):
        return "", 1  # nobody listens, as after `| head`
    import click

    from attention.foreign import in_line, readable
    from attention.records import GatescopeError, StoppedError

    if isinstance(error, click.Abort):
        return "Stopped.", STOPPED
    if isinstance(error, click.ClickException):
        text = io.StringIO()
        error.show(text)
        return readable(text.getvalue().rstrip()), error.exit_code
    if isinstance(error, GatescopeError):
        return f"Error: {in_line(str(error))}", STOPPED if isinstance(error, StoppedError) else 1
    if isinstance(error, OSError):
        file = in_line(str(error.filename or "A file"))
        return f"Error: {file} cannot be read or written: {error.strerror or error}.", 1
    first = (str(error).splitlines() or [""])[0]
    return f"Error: {type(error).__name__}: {first} (with {DEBUG}=1 in the environment, it is said where).", 1


def _shortened(message: str) -> str:
    """A message may hold whatever a person typed."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST - 500]} ... {message[-500:]}"


def _end(sentence: str, status: int) -> int:
    """Says the sentence; nothing that comes after is a traceback of the interpreter's."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"{_shortened(sentence)}\n" * bool(sentence))):
        try:
            print(text, end="", file=stream, flush=True)
        except OSError:  # a full disk, a pipe that nobody reads: what waits would be tried once more at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


if __name__ == "__main__":
    run()
