#!/usr/bin/python3
"""Writes the ONNX files of this folder and, beside each, what it computes: NAME.onnx and NAME.f32, the outputs for two
images as raw float32.  Pixel i of the images, counted through [image][row][column][channel], is
(7 i^2 + 31 i) % 251 and enters the network as pixel / 255.

    NODE_MODULES=.../node_modules /usr/bin/python3 tests/onnx/make_models.py

Made with Debian 12's python3-torch 1.13 (its exporter wrote the files torch_*, torch computed their outputs) and
python3-onnx 1.12 (it wrote the others node by node, as other programs lay their networks out; onnxruntime-node computed
their outputs, without optimisation).  Weights are random, from fixed seeds."""
import os
import subprocess
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = 2
RUN = """
const ort = require(process.env.NODE_MODULES + '/onnxruntime-node'), fs = require('fs');
const types = {float32: Float32Array, int8: Int8Array, uint8: Uint8Array};
(async () => {
  const [model, type, dims, input, output] = process.argv.slice(1);
  const s = await ort.InferenceSession.create(model, {graphOptimizationLevel: 'disabled', logSeverityLevel: 3});
  const b = fs.readFileSync(input), x = new types[type](b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
  const y = (await s.run({[s.inputNames[0]]: new ort.Tensor(type, x, dims.split(',').map(Number))}))[s.outputNames[0]];
  fs.writeFileSync(output, Buffer.from(Float32Array.from(y.data).buffer));
})().catch(e => { console.error(model, e.message); process.exit(1); });
"""


def path(name):
    return os.path.join(HERE, name)


def pixels(h, w, c):
    i = np.arange(IMAGES * h * w * c, dtype=np.int64)
    return ((7 * i * i + 31 * i) % 251).astype(np.uint8).reshape(IMAGES, h, w, c)


def numbers(h, w, c):
    return pixels(h, w, c).astype(np.float32) / np.float32(255)


# ---- written by torch's exporter ---------------------------------------------------------------------------------


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 5, padding=2)
        self.conv2 = nn.Conv2d(3, 4, (3, 2), stride=(1, 2))
        self.fc1 = nn.Linear(4 * 4 * 3, 12)
        self.fc2 = nn.Linear(12, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        x = torch.flatten(x, 1)
        return self.fc2(F.relu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.short = nn.Sequential() if i == o else nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.short(x))


class Resnet(nn.Module):
    """Seen through x.view(x.size(0), -1): a Reshape whose shape is computed from x's."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.layer1 = Block(4, 4, 1)
        self.layer2 = Block(4, 6, 2)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = self.layer2(self.layer1(F.relu(self.bn(self.stem(x)))))
        x = F.adaptive_avg_pool2d(x, 1)
        return self.fc(x.view(x.size(0), -1))


class Mobilenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU6(),
            nn.Conv2d(4, 8, 3, 1, 1, groups=4, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
            nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6, momentum=0.03), nn.ReLU(), nn.Dropout(0.2))
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(self.net(x).mean([2, 3]))


class Pools(nn.Module):
    """Every way torch counts padding, in branches that are put side by side."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.fc = nn.Linear(18, 4)

    def forward(self, x):
        x = F.relu(self.conv(x))  # 9 x 9
        branches = [F.avg_pool2d(x, 3, 2),
                    F.avg_pool2d(x, 4, 3, 1, ceil_mode=True, count_include_pad=False),
                    F.avg_pool2d(x, 4, 2, ceil_mode=True),
                    F.max_pool2d(x, 2, 2, ceil_mode=True),
                    F.avg_pool2d(x, (5, 3), 3, (2, 1)),
                    F.max_pool2d(F.pad(x, (1, 0, 2, 1)), 4, 2)]
        branches = [F.adaptive_avg_pool2d(y, 1) for y in branches]
        return self.fc(torch.cat(branches, 1).flatten(1))


class Pads(nn.Module):
    def __init__(self):
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 2, 0))
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, dilation=(2, 1))
        self.conv2 = nn.Conv2d(4, 6, 3, padding=(1, 2), groups=2, bias=False)
        self.conv3 = nn.Conv2d(6, 4, 1)
        self.fc = nn.Linear(4 * 3 * 4, 3)

    def forward(self, x):
        x = self.conv3(self.conv2(self.conv1(self.pad(x))))
        below = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)
        above = F.max_pool2d(F.pad(F.relu(x), (1, 0, 0, 1)), 2, 2)
        return self.fc((below + above).flatten(1))


class Order(nn.Module):
    """Flattened as rows, columns, channels; batch norm and constants where no convolution can take them."""

    def __init__(self):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(2)
        self.conv = nn.Conv2d(2, 3, 2)
        self.bn1 = nn.BatchNorm2d(3)
        self.fc1 = nn.Linear(3 * 3 * 2, 6, bias=False)
        self.bn2 = nn.BatchNorm1d(6)
        self.w = nn.Parameter(torch.randn(6, 4))
        self.b = nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.randn(3, 1, 1))

    def forward(self, x):
        x = self.bn1(F.max_pool2d(self.conv(self.bn0(x)), 2)) + self.shift
        x = x.permute(0, 2, 3, 1).reshape(x.shape[0], 18)
        x = F.relu(self.bn2(self.fc1(x)))
        return torch.softmax(torch.matmul(x, self.w) + self.b, 1)


class Row(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2 * 4 * 3, 3)

    def forward(self, x):
        x = self.conv(x.view(-1, 1, 6, 5))
        return self.fc(F.hardtanh(x, 0.0, 6.0).view(-1, 24))


def torch_model(name, model, h, w, c, row=False, **options):
    torch.manual_seed(len(name))
    model = model()
    for m in model.modules():  # what training would have left
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.running_mean.normal_(0, 0.3)
            m.running_var.uniform_(0.3, 1.5)
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.normal_(0, 0.3)
    model.eval()
    x = torch.from_numpy(numbers(h, w, c).transpose(0, 3, 1, 2).copy())
    x = x.reshape(IMAGES, -1) if row else x
    with torch.no_grad():
        y = model(x)
        y = torch.log(y) if name == "torch_order" else y  # the softmax is left out; logits up to a constant
    torch.onnx.export(model, x[:1], path(name + ".onnx"), input_names=["image"], output_names=["logits"], **options)
    y.numpy().astype("<f4").tofile(path(name + ".f32"))


def torch_models():
    batch = {"dynamic_axes": {"image": {0: "batch"}, "logits": {0: "batch"}}}
    kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    torch_model("torch_lenet", Lenet, 12, 12, 1)
    torch_model("torch_resnet", Resnet, 8, 8, 3, **batch)
    torch_model("torch_resnet_bn", Resnet, 8, 8, 3, opset_version=9, **kept)
    torch_model("torch_mobilenet", Mobilenet, 10, 10, 3, **kept, **batch)
    torch_model("torch_mobilenet_folded", Mobilenet, 10, 10, 3, opset_version=16)
    torch_model("torch_pools", Pools, 11, 11, 1)
    torch_model("torch_pads", Pads, 13, 12, 2, **batch)
    torch_model("torch_order", Order, 7, 5, 2)
    torch_model("torch_row", Row, 6, 5, 1, row=True, **batch)


if __name__ == "__main__":
    torch_models()
