"""The other end of `worker_processes.py`: a process that trains what it is sent through a pipe, and ends with the pipe.

`python -m t1t2_pt.sweeps.worker NUMBER`: the number of the pipe's file descriptor, which was inherited.
"""

import os
import pickle
import queue
import sys
import threading
from multiprocessing.connection import Connection

from t1t2_pt.sweeps.work import Callbacks, Splits, Work, do
from t1t2_pt.system.code_digest import CODE

STOP = "stop"  # what is sent instead of work
Orders = queue.SimpleQueue[Work]


def serve(connection: Connection) -> None:
    """Do what comes through the pipe, a piece at a time, until the pipe is closed.

    Answers are pairs of what (`code`, `steps`, `log`, `epoch`, `runs`, `error`) and its value; first comes the code.
    """

    def answer(what: str, value: object) -> None:
        try:
            connection.send((what, value))
        except OSError:
            os._exit(0)

    stop, orders = threading.Event(), Orders()
    threading.Thread(target=_listen, args=(connection, stop, orders), name="orders", daemon=True).start()
    answer("code", CODE)
    splits = None
    while True:
        work = orders.get()
        splits = splits or Splits(work.data_dir, work.own)
        callbacks = Callbacks(
            stop.is_set,
            lambda steps: answer("steps", steps),
            lambda text: answer("log", text),
            lambda rows: answer("epoch", rows),
        )
        try:
            runs = do(work, callbacks, splits)
        except Exception as error:  # whatever it is, whoever ordered the work raises it
            answer("error", _portable(error))
        else:
            answer("runs", runs)


def _listen(connection: Connection, stop: threading.Event, orders: Orders) -> None:
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # whoever ordered the work is gone, however busy we are
        if message == STOP:
            stop.set()
        else:
            orders.put(message)


def _portable(error: Exception) -> Exception:
    """The error, or what it says where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of whatever an error of another package has in it
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def main(descriptor: str) -> None:
    """Be a worker; what others print here is no result of the command that started us."""
    os.set_inheritable(int(descriptor), False)
    os.dup2(2, 1)
    serve(Connection(int(descriptor)))


if __name__ == "__main__":
    main(sys.argv[1])
