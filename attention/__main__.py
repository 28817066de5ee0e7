"""`python -m attention`: the command line."""

from attention.cli import run

if __name__ == "__main__":
    run()
