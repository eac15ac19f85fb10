"""nbdcompare - the parts of nbd-compare, in the order in which a run uses them.

    machine    processes: start, stop, charge for CPU time; and what the machine is
    peers      the NBD servers that BlockRepl is compared with
    blockrepl  BlockRepl itself, in the shapes worth comparing
    workloads  what fio asks of a server, and how one measurement is taken
    report     medians, ratios round by round, the tables, the requirements
    history    one line a run in bench/history.ndjson

Python 3.11 standard library only. Everything that can go wrong for a reason the
user can mend is a `Failure`; it carries one line to print and no traceback.
"""


class Failure(Exception):
    """The run cannot go on, and this is why."""
