"""bitfold compared with PyTorch and ONNX Runtime: the same networks, batch and threads, taking turns.

    python3 bench/peers/compare.py [--networks lenet5,resnet8] [--parts train,engine] [--markdown FILE] ...

A peer gets the layout and the number of threads that suit it best.  Every program is a process of its own, so peak
memory is its own, too.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import page
from networks import NETWORKS, TITLES
from worker import Ratio, Worker, interleave

HERE = pathlib.Path(__file__).resolve().parent
ENGINE_NETWORKS = ("lenet5", "resnet8", "dscnn", "mobilenet")
MEGA = 1e6

GET = {
    "torch": "python3-torch is missing: apt-get install python3-torch, and run with Debian's /usr/bin/python3",
    "onnx": "python3-onnx is missing: apt-get install python3-onnx, and run with Debian's /usr/bin/python3",
    "onnxruntime-node": "onnxruntime-node is missing: npm install --ignore-scripts --prefix build/peers onnxruntime-node",
}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--networks", default=",".join(NETWORKS), help="of: " + ", ".join(NETWORKS))
    p.add_argument("--parts", default="train,engine", help="train (float and QAT steps), engine (int8 inference)")
    p.add_argument("--pairs", type=int, default=5, help="turns of each program (default 5)")
    p.add_argument("--seconds", type=float, default=1.5, help="of a turn (default 1.5)")
    p.add_argument("--trial", type=int, default=6, help="steps of each layout and number of threads before (default 6)")
    p.add_argument("--batch", type=int, default=128, help="of a training step (default 128)")
    p.add_argument("--threads", type=int, default=2, help="of a training step (default 2)")
    p.add_argument("--isa", help="BITFOLD_ISA for bitfold; the peers keep theirs")
    p.add_argument("--bitfold", default="./bitfold", help="the program")
    p.add_argument("--node-modules", default=os.environ.get("NODE_PATH", "build/peers/node_modules"),
                   help="folder that holds onnxruntime-node (default $NODE_PATH, else build/peers/node_modules)")
    p.add_argument("--markdown", help="keep the tables in this file, too (its section, if it has one)")
    o = p.parse_args()
    for key, known in (("networks", list(NETWORKS)), ("parts", ["train", "engine"])):
        for name in getattr(o, key).split(","):
            if name not in known:
                p.error(f"--{key}: \"{name}\"; must be of {', '.join(known)}")
    for key in ("pairs", "seconds", "trial", "batch", "threads"):
        if not getattr(o, key) > 0:
            p.error(f"--{key}: {getattr(o, key)}; must be above 0")
    if shutil.which(o.bitfold) is None:
        p.error(f"--bitfold: {o.bitfold} is no program; make builds ./bitfold")
    return o


def succeeds(*command, **more):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more).returncode == 0


def missing(o):
    """What cannot be measured here, with how to get it."""
    node = {**os.environ, "NODE_PATH": str(pathlib.Path(o.node_modules).resolve())}
    found = {
        "torch": succeeds(sys.executable, "-c", "import torch"),
        "onnx": succeeds(sys.executable, "-c", "import onnx"),
        "onnxruntime-node": shutil.which("node") is not None
        and succeeds("node", "-e", "require('onnxruntime-node')", env=node),
    }
    parts = o.parts.split(",")
    for name, there in found.items():
        if not there and ("train" if name == "torch" else "engine") in parts:
            print(GET[name], file=sys.stderr)
    if o.markdown and not all(found.values()):
        sys.exit(f"compare.py: a peer is missing; {o.markdown} is left as it was")
    if not found["torch"] and "train" in parts:
        parts.remove("train")
    if not (found["onnx"] and found["onnxruntime-node"]) and "engine" in parts:
        parts.remove("engine")
    return parts, node


def bitfold(o, network, mode, batch, threads):
    command = [o.bitfold, "bench", f"configs/{network.config}.json", "--mode", mode, "--batch", str(batch),
               "--threads", str(threads), "--interleave"]
    return Worker(f"bitfold {mode}", command, {"BITFOLD_ISA": o.isa} if o.isa else None)


def torch(o, name, mode):
    command = [sys.executable, str(HERE / "torch_worker.py"), name, mode, str(o.batch)]
    text = subprocess.run([*command, str(o.threads), "choose", str(o.trial)], check=True, stdout=subprocess.PIPE, text=True).stdout
    best = json.loads(text)
    label = f"PyTorch {mode}{'' if mode == 'float' else ' QAT'}, {best['layout'].upper()}, {best['threads']} threads"
    return Worker(label, [*command, str(best["threads"]), best["layout"]])


def check_counts(worker, network):
    parameters, macs = network.count()
    first = worker.turns[0]
    if (first["parameters"], first["macs"]) != (parameters, macs):
        raise SystemExit(f"{network.config}: bitfold has {first['parameters']} parameters and {first['macs']} MACs; "
                         f"must be {parameters} and {macs} as in the peers")


def of_worker(w, unit, key):
    least = min(w.series(key))
    return [w.label, f"{w.median('images_per_s'):,.0f}", f"{w.median(key):.2f} {unit} ({least:.2f} to {max(w.series(key)):.2f})",
            f"{w.median('peak_rss_bytes') / MEGA:.0f}", f"{max(w.foreign):.0f}"]


def train(o, name):
    network = NETWORKS[name]()
    peers = [torch(o, name, mode) for mode in ("float", "eager", "fx")]
    ours = [bitfold(o, network, mode, o.batch, o.threads) for mode in ("float", "qat")]
    interleave([ours[0], peers[0], ours[1], peers[1], peers[2]], o.pairs, o.seconds)
    check_counts(ours[0], network)
    qat = max(peers[1:], key=lambda w: w.median("images_per_s"))
    rss = [a.median("peak_rss_bytes") / b.median("peak_rss_bytes") for a, b in ((ours[0], peers[0]), (ours[1], qat))]
    memory = ours[1].median("step_bytes") / ours[0].median("step_bytes")
    cells = [of_worker(w, "ms", "ms_per_step") for w in (*ours, *peers)]
    figures = [Ratio(ours[0], peers[0]), Ratio(ours[1], qat), Ratio(ours[1], ours[0], "ms_per_step"),
               f"{memory:.2f} ({ours[1].median('step_bytes') / MEGA:.0f} / {ours[0].median('step_bytes') / MEGA:.0f} MB)",
               f"{rss[0]:.2f}", f"{rss[1]:.2f}"]
    return cells, [TITLES[name], *map(str, figures)]


def engine(o, name, folder, node):
    network = NETWORKS[name]()
    subprocess.run([sys.executable, str(HERE / "onnx_models.py"), folder, name], check=True)
    cells, figures = [], [TITLES[name]]
    for batch in (1, 64):
        ours = bitfold(o, network, "int8", batch, 1)
        peers = [Worker(f"ONNX Runtime {t}", ["node", str(HERE / "ort_worker.js"), f"{folder}/{name}_{t}.onnx", t,
                                              str(batch), "1", *map(str, network.image)], node) for t in ("u8", "s8")]
        interleave([ours, *peers], o.pairs, o.seconds)
        check_counts(ours, network)
        best = max(peers, key=lambda w: w.median("images_per_s"))
        for w in (ours, *peers):
            w.label += f", batch {batch}"
            cells.append(of_worker(w, "us", "us_per_run"))
        figures.append(str(Ratio(ours, best)))
    return cells, figures


def versions(o):
    text = ""
    torch = subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    if torch.returncode == 0:
        text += f"; PyTorch {torch.stdout.strip()}"
    package = pathlib.Path(o.node_modules, "onnxruntime-node", "package.json")
    if package.exists():
        text += f"; ONNX Runtime {json.loads(package.read_text())['version']}"
    return text


class Page:
    """Everything printed, and in the end a section of a Markdown file, too: a measurement broken off changes nothing."""

    def __init__(self, path, section):
        self.path, self.section, self.text = path, section, ""

    def say(self, text):
        print(text, flush=True)
        self.text += text + "\n"

    def keep(self):
        if self.path:
            page.replace(self.path, self.section, self.text)


def main():
    o = options()
    parts, node = missing(o)
    out = Page(o.markdown, "peers " + o.isa if o.isa else "peers")
    out.say(f"`{' '.join(['python3', os.path.relpath(__file__), *sys.argv[1:]])}`\n\n{page.stamp()}"
            f"{', BITFOLD_ISA=' + o.isa if o.isa else ''}{versions(o)}.\n")
    names = o.networks.split(",")
    for part, head in (("train", ["training step", "images/s", "a step", "peak RSS, MB", "foreign CPU, %"]),
                       ("engine", ["int8 engine, 1 thread", "images/s", "a run", "peak RSS, MB", "foreign CPU, %"])):
        if part not in parts:
            continue
        rows = []
        for name in names:
            if part == "engine" and name not in ENGINE_NETWORKS:
                continue
            with tempfile.TemporaryDirectory() as folder:
                cells, figures = train(o, name) if part == "train" else engine(o, name, folder, node)
            out.say(f"**{TITLES[name]}**\n\n{page.table(head, cells)}")
            rows.append(figures)
        heads = {"train": ["batch " + str(o.batch), "float / PyTorch float", "QAT / PyTorch QAT", "QAT step / float step",
                           "memory of a QAT step / float step", "peak RSS / PyTorch's, float", "QAT"],
                 "engine": ["int8 engine / ONNX Runtime", "batch 1", "batch 64"]}
        out.say(page.table(heads[part], rows))
    out.keep()


main()
