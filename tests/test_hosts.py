"""Several machines on one store, imitated where namespaces can be made."""

import contextlib
import sqlite3

from hosts import need_namespaces, on_a_host

from t1t2_pt.runs.reservations import LAPSE, RENEW, Reservations


def test_two_hosts_on_one_disk(store):
    """All that they write is kept, and neither takes what the other one holds until it is silent for a minute."""
    need_namespaces()
    with Reservations(store) as here:
        here.take(["of nobody else"])  # the store is made, as before in a sweep
    hosts = [on_a_host(store.path, name, first, 30, f"of {name}") for name, first in (("a", 0), ("b", 30))]
    for host in hosts:
        host.stdin.write("go\n")
    assert [host.stdout.readline() for host in hosts] == ["of a\n", "of b\n"]
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert sorted(run.config.seed for run in store.all()) == [*range(60)]

    now = 0.0
    with Reservations(store, clock=lambda: now) as here:
        assert here.take(["of a", "of b"]) == set()
        hosts[0].communicate()  # ends in good order
        hosts[1].kill()
        hosts[1].wait()  # before its input ends, at which it would give back what it holds
        hosts[1].communicate()
        assert here.take(["of a", "of b"]) == {"of a"}
        while now < LAPSE - RENEW:
            now += RENEW
            assert here.take(["of b"]) == set()
        now += RENEW
        assert here.take(["of b"]) == {"of b"}
