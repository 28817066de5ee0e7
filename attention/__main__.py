"""`python -m attention`, and the command `gatescope`: the command line."""


def run() -> None:
    """The entry point: what the commands need and is not installed is one sentence."""
    try:
        from attention import cli

        cli.run()
    except KeyboardInterrupt:
        raise SystemExit("Aborted!") from None
    except ModuleNotFoundError as error:
        way = "`pip install 'gatescope[dashboard,zoo]'` brings what the commands need"
        raise SystemExit(f"Error: {error.name} is not installed; {way}.") from None


if __name__ == "__main__":
    run()
