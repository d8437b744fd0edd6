"""A step of quantization-aware training with each quantizer next to LSQ's, all of them taking turns on one thread.

    python3 bench/peers/quantizers.py [--config configs/mnist_lenet.json] [--against OTHER_BITFOLD] [--markdown FILE] ...

Weights have 4 bits where a quantizer can have them, else the most below that it can.  Times are of the processor, so that
others on the machine count for less.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

import page
from worker import Ratio, Worker

WIDTHS = (4, 3, 2, 1)


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", default="configs/mnist_lenet.json", help="of the network (default configs/mnist_lenet.json)")
    p.add_argument("--last", default="logits", help="its last layer, whose output has no ReLU (default logits)")
    p.add_argument("--pairs", type=int, default=7, help="turns of each quantizer (default 7)")
    p.add_argument("--steps", type=int, default=30, help="of a turn (default 30)")
    p.add_argument("--batch", type=int, default=128, help="of a step (default 128)")
    p.add_argument("--bitfold", default="./bitfold", help="the program")
    p.add_argument("--against", help="another build of the program, whose LSQ and observed steps take turns, too")
    p.add_argument("--markdown", help="keep the table in this file, too (its section, if it has one)")
    o = p.parse_args()
    for program in (o.bitfold, o.against):
        if program and shutil.which(program) is None:
            p.error(f"{program} is no program; make builds ./bitfold")
    return o


def command(o, program, sets):
    return [program, "bench", o.config, "--mode", "qat", "--batch", str(o.batch), "--threads", "1",
            *(word for s in sets for word in ("--set", s))]


def builds(o, sets):
    run = subprocess.run([*command(o, o.bitfold, sets), "--steps", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0


def sets_of(weights, bits, outputs, o):
    last = json.dumps([{"layers": o.last, "activation_quantizer": "lsq"}], separators=(",", ":"))
    return [f"quant.weights.quantizer={weights}", f"quant.weights.bits={bits}", f"quant.activations.quantizer={outputs}",
            "quant.activations.bits=4", f"quant.overrides={last}"]


def rows(o):
    """Label and assignments of each way to use a quantizer that this network can be built with; LSQ first."""
    text = subprocess.run([o.bitfold, "describe", "quantizers"], check=True, stdout=subprocess.PIPE, text=True).stdout
    names = [line.split()[0] for line in text.splitlines() if line.startswith(" ")]
    found = [("lsq", 4, "lsq")]
    for name in names:
        bits = next((b for b in WIDTHS if builds(o, sets_of(name, b, "lsq", o))), None)
        if bits and name != "lsq":
            found.append((name, bits, "lsq"))
        if name != "lsq" and builds(o, sets_of("lsq", 4, name, o)):
            found.append(("lsq", 4, name))
    return [(f"{w}, {b} bit{'s' if b > 1 else ''}", a, sets_of(w, b, a, o)) for w, b, a in found]


def processor_ms(worker, steps):
    """Of a step: what the process's one thread has run, to the nanosecond."""
    def ran():
        with open(f"/proc/{worker.process.pid}/schedstat") as f:
            return int(f.read().split()[0]) / 1e6
    start = ran()
    worker.ask(steps)
    return (ran() - start) / steps


def main():
    o = options()
    ways = rows(o)
    workers = [(w, a, Worker(f"{w} {a}", [*command(o, o.bitfold, s), "--interleave"])) for w, a, s in ways]
    for w, a, s in ways:
        if o.against and {w.split(",")[0], a} <= {"lsq", "observed"}:
            workers.append((w, f"{a} (other build)", Worker(f"{w} {a}", [*command(o, o.against, s), "--interleave"])))
    for _ in range(o.pairs):
        for _, _, t in workers:
            t.turns.append({"cpu_ms": processor_ms(t, o.steps)})
    for _, _, t in workers:
        t.close()
    first = workers[0][2]
    cells = [[w, a, f"{t.median('cpu_ms'):.2f} ms", str(Ratio(t, first, "cpu_ms"))] for w, a, t in workers]
    text = (f"`{' '.join(['python3', os.path.relpath(__file__), *sys.argv[1:]])}`\n\n{page.stamp()}, 1 thread, batch {o.batch}, "
            f"{o.config}; times of the processor.\n\n"
            + page.table(["weights", "outputs, 4 bits", "a step", "times LSQ's (least to most)"], cells))
    print(text, end="")
    if o.markdown:
        page.replace(o.markdown, "quantizers", text)


main()
