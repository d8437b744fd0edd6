"""Training steps of one network in PyTorch.  Takes turns: `ready` first, then for each line "K" on standard input K steps
and a line of JSON.

    torch_worker.py NETWORK float|eager|fx BATCH THREADS nchw|nhwc
    torch_worker.py NETWORK MODE BATCH THREADS choose K   the faster layout and number of threads, from K steps of each
"""
import json
import resource
import statistics
import sys
import time
import warnings

warnings.filterwarnings("ignore")

import torch
import torch.ao.quantization as aoq
from torch import nn

from networks import NETWORKS


class Sum(nn.Module):
    """Addition and ReLU in one operation that eager quantization observes."""

    def __init__(self):
        super().__init__()
        self.op = nn.quantized.FloatFunctional()

    def forward(self, a, b):
        return self.op.add_relu(a, b)


class PlainSum(nn.Module):
    """The same for symbolic tracing, which finds the pattern by itself."""

    def forward(self, a, b):
        return torch.relu(a + b)


class Model(nn.Module):
    def __init__(self, network, traced):
        super().__init__()
        self.quant, self.dequant = (nn.Identity(), nn.Identity()) if traced else (aoq.QuantStub(), aoq.DeQuantStub())
        self.steps, self.fusible = [], []
        for i, op in enumerate(network.ops):
            name = f"op{i}"
            self.add_module(name, self.unit(network, op, name, traced))
            self.steps.append((name, op.inputs))

    def unit(self, network, op, name, traced):
        channels = network.shape(op.inputs[0])[0]
        if op.kind == "add":
            return PlainSum() if traced else Sum()
        if op.kind == "maxpool":
            return nn.MaxPool2d(op.kernel)
        if op.kind == "avgpool":
            return nn.AvgPool2d(op.kernel)
        if op.kind == "dense":
            parts = [nn.Flatten(), nn.Linear(network.fan_in(op), op.out[0])]
        else:
            groups = channels if op.kind == "dwconv" else 1
            conv = nn.Conv2d(channels, op.out[0], op.kernel, op.stride, op.pads, groups=groups, bias=False)
            parts = [conv, nn.BatchNorm2d(op.out[0])]
        if op.relu:
            parts.append(nn.ReLU())
        first = 1 if op.kind == "dense" else 0
        if len(parts) - first > 1:
            self.fusible.append([f"{name}.{k}" for k in range(first, len(parts))])
        return nn.Sequential(*parts)

    def forward(self, x):
        values = [self.quant(x)]
        for name, inputs in self.steps:
            values.append(getattr(self, name)(*[values[i + 1] for i in inputs]))
        return self.dequant(values[-1])


def build(network, mode):
    torch.manual_seed(0)
    model = Model(network, mode == "fx").train()
    channels, rows, columns = network.image
    if mode == "eager":
        aoq.fuse_modules_qat(model, model.fusible, inplace=True)
        model.qconfig = aoq.get_default_qat_qconfig("fbgemm")
        aoq.prepare_qat(model, inplace=True)
    if mode == "fx":
        from torch.ao.quantization.quantize_fx import prepare_qat_fx

        mapping = aoq.get_default_qat_qconfig_mapping("fbgemm")
        model = prepare_qat_fx(model, mapping, (torch.randn(2, channels, rows, columns),)).train()
    return model


def check_counts(network, model):
    """Parameters, and multiplications as a forward pass does them, against the description."""
    macs = 0

    def seen(module, inputs, output):
        nonlocal macs
        macs += output[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(seen) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model.eval()(torch.randn(1, *network.image))
    for h in hooks:
        h.remove()
    model.train()
    found = sum(p.numel() for p in model.parameters()), macs
    assert found == network.count(), f"PyTorch has {found} parameters and MACs, the description {network.count()}"


class Trainer:
    def __init__(self, network, mode, batch, layout):
        self.model, self.batch = build(network, mode), batch
        self.x = torch.randn(batch, *network.image)
        self.labels = torch.randint(0, network.ops[-1].out[0], (batch,))
        if layout == "nhwc":
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.model(self.x), self.labels).backward()
        self.optimizer.step()

    def seconds(self, steps):
        taken = []
        for _ in range(steps):
            start = time.perf_counter()
            self.step()
            taken.append(time.perf_counter() - start)
        return taken


def choose(network, mode, batch, threads, steps):
    best = None
    for layout in ("nchw", "nhwc"):
        trainer = Trainer(network, mode, batch, layout)
        for count in sorted({1, threads}, reverse=True):
            torch.set_num_threads(count)
            trainer.seconds(2)
            least = min(trainer.seconds(steps))
            if best is None or least < best[0]:
                best = (least, layout, count)
    print(json.dumps({"layout": best[1], "threads": best[2]}), flush=True)


def main():
    name, mode, batch, threads, layout = sys.argv[1:6]
    batch, threads, network = int(batch), int(threads), NETWORKS[name]()
    torch.set_num_threads(threads)
    if layout == "choose":
        check_counts(network, build(network, "float"))
        return choose(network, mode, batch, threads, int(sys.argv[6]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer = Trainer(network, mode, batch, layout)
    trainer.seconds(3)
    print("ready", flush=True)
    for line in sys.stdin:
        taken = sorted(trainer.seconds(int(line)))
        print(json.dumps({
            "images_per_s": batch / statistics.median(taken), "ms_per_step": 1e3 * statistics.median(taken),
            "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "rss_of_library_bytes": 1024 * before}), flush=True)


main()
