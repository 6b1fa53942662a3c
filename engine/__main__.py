"""`python -m engine`: the engine's command line."""

import gc

if __name__ == "__main__":
    # What a command makes lives until it ends: to go through it again and again takes a tenth of its time.
    gc.set_threshold(100_000)

    from engine.cli.main import run

    run()
