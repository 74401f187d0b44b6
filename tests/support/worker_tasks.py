"""What tests let the workers of a cluster do. It imports little, because each worker imports it."""

import os
import signal
import sys
import time


def own_pid(_):
    return os.getpid()


def double(number):
    return 2 * number


def double_slowly(number):
    time.sleep(0.05)
    return 2 * number


def send_itself(name):
    """Send the worker's process a signal, and wait for its effect."""
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(1)


def wait(seconds):
    time.sleep(seconds)


def end_with(words):
    """End the process as C code does that gives up."""
    os.write(2, f"before\n{words}\n\n".encode())
    os._exit(3)


def raise_memory_error(_):
    raise MemoryError("cannot allocate 5 bytes")


def print_and_double(number):
    print("printed")
    os.write(1, b"written by C code")
    sys.stdout.flush()
    return 2 * number
