"""A device process that never says anything: `python -m tests.support.silent_device FD DEVICE`."""

import signal

if __name__ == "__main__":
    signal.pause()
