"""What the tests of faults share: small data, and hands that break things."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import zarr

import dlogreg


def rows(n=6000, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) + [1.0, 0, -2, 0]
    eta = X @ [0.4, -0.3, 0.2, 0.7]
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


def stored(path, X, y, chunk=100):
    group = zarr.create_group(path)
    group.create_array("X", data=X, chunks=(chunk, X.shape[1]))
    group.create_array("y", data=y, chunks=(chunk,))
    return group


def bits(results):
    return results.params.tobytes() + results.cov_params().tobytes()


def fitted(X, y, **options):
    return dlogreg.fit(X, y, **{"progress": False, "tol": 1e-8, **options})


class OnPass:
    """Progress that does something when a pass begins."""

    def __init__(self, act):
        self.act = act

    def pass_started(self, number, kind, n_tasks):
        self.act(number)

    def task_done(self, tally): ...

    def pass_ended(self, record): ...

    def close(self): ...


class Killer:
    """Kills workers of a local cluster, now or a little later."""

    def __init__(self, cluster):
        self.cluster, self.killed, self.timers = cluster, [], []

    def living(self):
        nannies = list(self.cluster.workers.values())
        return [nanny.pid for nanny in nannies if nanny.pid not in (None, *self.killed)]

    def kill(self, turn=0, how=signal.SIGKILL):
        pids = sorted(self.living())
        if pids:
            pid = pids[turn % len(pids)]
            os.kill(pid, how)
            self.killed.append(pid)

    def kill_later(self, seconds, turn=0):
        timer = threading.Timer(seconds, self.kill, (turn,))
        self.timers.append(timer)
        timer.start()

    def join(self):
        for timer in self.timers:
            timer.join()
