"""A program that takes turns: it says `ready`, then answers each line "K" with a line of JSON about K steps."""
import json
import os
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAUSE_S = 0.05  # for threads that still spin after the turn before


def machine_s():
    """CPU seconds spent by everybody, all cores."""
    with open("/proc/stat") as f:
        fields = [int(v) for v in f.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def process_s(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Worker:
    def __init__(self, label, command, environment=None):
        self.label, self.turns, self.foreign = label, [], []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        if not self.process.stdout.readline().startswith("ready"):
            raise SystemExit(f"{label}: {' '.join(command)}: did not start")
        self.steps = 1

    def ask(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.label}: ended in its turn")
        return json.loads(answer)

    def fit(self, seconds):
        """Steps that take this long."""
        steps, start = 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - start < 0.1:
            steps += 1 if steps == 0 else steps
            self.ask(steps)
            one = (time.perf_counter() - start) / (2 * steps - 1)
        self.steps = max(1, round(seconds / one))

    def turn(self):
        time.sleep(PAUSE_S)
        busy, own, start = machine_s(), process_s(self.process.pid), time.perf_counter()
        self.turns.append(self.ask(self.steps))
        spent = machine_s() - busy - (process_s(self.process.pid) - own)
        self.foreign.append(100 * max(0.0, spent) / ((time.perf_counter() - start) * os.cpu_count()))

    def series(self, key):
        return [t[key] for t in self.turns]

    def median(self, key):
        return statistics.median(self.series(key))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def interleave(workers, pairs, seconds):
    """Every worker in turn, `pairs` times over; closes them."""
    for w in workers:
        w.fit(seconds)
    for _ in range(pairs):
        for w in workers:
            w.turn()
    for w in workers:
        w.close()


class Ratio:
    """Of two workers' turns, pair by pair."""

    def __init__(self, a, b, key="images_per_s"):
        self.values = sorted(x / y for x, y in zip(a.series(key), b.series(key)))
        self.median = statistics.median(self.values)

    def __str__(self):
        return f"{self.median:.2f} ({self.values[0]:.2f} to {self.values[-1]:.2f})"
