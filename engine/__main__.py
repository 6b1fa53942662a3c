"""`python -m engine`: the engine's command line."""

from engine.cli.main import run

if __name__ == "__main__":
    run()
