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


class MobilenetV3(nn.Module):
    """An inverted residual with squeeze and excitation, as torchvision's, and every other curve."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.Hardswish())
        self.expand = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.fc1 = nn.Conv2d(8, 3, 1)
        self.fc2 = nn.Conv2d(3, 8, 1)
        self.project = nn.Sequential(nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.fc = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Sigmoid(), nn.Linear(6, 5))

    def forward(self, x):
        x = self.stem(x)
        y = self.depthwise(self.expand(x))
        scale = F.hardsigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(y, 1)))))
        x = x + self.project(scale * y)
        return self.fc(F.adaptive_avg_pool2d(F.silu(x) * x, 1).flatten(1))


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
    torch_model("torch_mobilenetv3", MobilenetV3, 10, 10, 3, **batch)
    torch_model("torch_mobilenetv3_13", MobilenetV3, 10, 10, 3, opset_version=13)
    torch_model("torch_pools", Pools, 11, 11, 1)
    torch_model("torch_pads", Pads, 13, 12, 2, **batch)
    torch_model("torch_order", Order, 7, 5, 2)
    torch_model("torch_row", Row, 6, 5, 1, row=True, **batch)


# ---- written node by node ----------------------------------------------------------------------------------------


class Net:
    """Nodes in order; each call of node() gives the name of its output."""

    def __init__(self, seed, opset=13):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.opset = [], [], opset

    def constant(self, value, name=None, **options):
        name = name or "c%d" % len(self.constants)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        for key, v in options.items():
            setattr(self.constants[-1], key, v)
        return name

    def random(self, *shape, name=None):
        return self.constant((self.rng.standard_normal(shape) * 0.5).astype(np.float32), name)

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def node(self, op, *inputs, name=None, outputs=1, **attributes):
        name = name if name is not None else "%s_%d" % (op, len(self.nodes))
        out = [name + ":%d" % i for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), out, name=name, **attributes))
        return out[0]

    def model(self, output, dims, classes, type=TensorProto.FLOAT, output_type=TensorProto.FLOAT):
        self.nodes.append(helper.make_node("Identity", [output], ["y"]))
        graph = helper.make_graph(self.nodes, "net", [helper.make_tensor_value_info("x", type, ["n"] + dims)],
                                  [helper.make_tensor_value_info("y", output_type, ["n", classes])], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7,
                                 producer_name="by hand")


def save(name, model, x, logits=None):
    """logits: the value to compute where softmax comes last, which import leaves out."""
    onnx.save(model, path(name + ".onnx"))
    x.tofile(path("input"))
    run = path(name + ".onnx")
    if logits:
        model.graph.node[-1].input[0] = logits
        run = path("logits.onnx")
        onnx.save(model, run)
    type = {"f": "float32", "i": "int8", "u": "uint8"}[x.dtype.kind]
    subprocess.run(["node", "-e", RUN, run, type, ",".join(map(str, x.shape)), path("input"), path(name + ".f32")],
                   check=True)
    for f in ("input", "logits.onnx"):
        if os.path.exists(path(f)):
            os.remove(path(f))


def nchw(h, w, c):
    return np.ascontiguousarray(numbers(h, w, c).transpose(0, 3, 1, 2))


def keras_cnn():
    """As tf2onnx writes a Keras CNN: NHWC, a Transpose at both ends, SAME, MatMul + Add, Softmax."""
    n = Net(1)
    x = n.node("Transpose", "x", perm=[0, 3, 1, 2])
    x = n.node("Conv", x, n.random(4, 3, 3, 3), n.random(4), auto_pad="SAME_UPPER", strides=[2, 2])
    x = n.node("Relu", x)
    x = n.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    x = n.node("Transpose", x, perm=[0, 2, 3, 1])
    x = n.node("Reshape", x, n.ints(-1, 36))
    x = n.node("Add", n.node("MatMul", x, n.random(36, 8)), n.random(8))
    x = n.node("Clip", x, n.constant(np.float32(0)), n.constant(np.float32(6)))
    logits = n.node("Add", n.random(5), n.node("MatMul", x, n.random(8, 5)))
    y = n.node("Softmax", logits, axis=-1)
    save("keras_cnn", n.model(y, [10, 12, 3], 5), numbers(10, 12, 3), logits)


def keras_mobile():
    """Rescaling of the image, ZeroPadding2D, BatchNormalization apart, the mean over NHWC rows and columns."""
    n = Net(2, 12)
    x = n.node("Mul", "x", n.constant(np.float32(2)))
    x = n.node("Sub", x, n.constant(np.float32(1)))
    x = n.node("Pad", x, n.ints(0, 0, 0, 0, 0, 1, 1, 0), n.constant(np.float32(0)))
    x = n.node("Transpose", x, perm=[0, 3, 1, 2])
    x = n.node("Conv", x, n.random(4, 3, 3, 3), strides=[2, 2], auto_pad="VALID")
    x = norm(n, x, 4)
    x = n.node("Clip", n.node("Relu", x), "", n.constant(np.float32(6)))
    x = n.node("Conv", x, n.random(4, 1, 3, 3), group=4, auto_pad="SAME_LOWER", strides=[2, 2])
    x = norm(n, x, 4, epsilon=1e-3)
    x = n.node("Clip", x, n.constant(np.float32(0)), n.constant(np.float32(6)))
    x = n.node("Transpose", x, perm=[0, 2, 3, 1])
    x = n.node("Add", n.node("MatMul", x, n.random(4, 6)), n.random(6))  # a dense layer on each cell
    x = n.node("ReduceMean", x, axes=[1, 2], keepdims=0)
    y = n.node("MatMul", x, n.random(6, 4))
    save("keras_mobile", n.model(y, [11, 13, 3], 4), numbers(11, 13, 3))


def norm(n, x, c, **options):
    return n.node("BatchNormalization", x, n.constant((n.rng.random(c) + 0.5).astype(np.float32)), n.random(c), n.random(c),
                  n.constant((n.rng.random(c) + 0.3).astype(np.float32)), **options)


def keras_concat():
    """Maps put side by side and added as NHWC; a row of pixels that becomes an image."""
    n = Net(3)
    x = n.node("Reshape", "x", n.ints(-1, 6, 7, 2))
    x = n.node("Transpose", x, perm=[0, 3, 1, 2])
    a = n.node("Conv", x, n.random(3, 2, 3, 3), n.random(3), pads=[1, 1, 1, 1])
    b = n.node("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    c = n.node("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    a, b, c = (n.node("Transpose", v, perm=[0, 2, 3, 1]) for v in (a, b, c))
    s = n.node("Relu", n.node("Add", b, c))
    y = n.node("Concat", a, s, b, axis=3)
    y = n.node("Flatten", y)
    y = n.node("Gemm", y, n.random(294, 3), n.random(1, 3), alpha=0.5, beta=2.0)
    x = numbers(6, 7, 2)
    save("keras_concat", n.model(y, [84], 3), x.reshape(IMAGES, -1))


def old_style():
    """Operator set 7: Clip, Pad, Reshape, Squeeze, Dropout and ReduceMean with attributes, constants as nodes."""
    n = Net(4, 7)
    w = n.node("Constant", value=numpy_helper.from_array((n.rng.standard_normal((4, 2, 2, 2)) * 0.5).astype(np.float32)))
    x = n.node("Pad", "x", mode="constant", pads=[0, 0, 1, 0, 0, 0, 0, 2], value=0.0)
    x = n.node("Conv", x, w, kernel_shape=[2, 2])
    x = n.node("Clip", x, min=0.0, max=6.0)
    x = n.node("Dropout", x, ratio=0.5)
    x = n.node("MaxPool", x, kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1])
    x = n.node("ReduceMean", x, axes=[2, 3], keepdims=1)
    x = n.node("Squeeze", x, axes=[2, 3])
    x = n.node("Gemm", x, n.random(6, 4), n.random(6), transB=1)
    x = n.node("Unsqueeze", x, axes=[2, 3])
    x = n.node("Relu", norm(n, x, 6))
    x = n.node("Conv", x, n.random(5, 6, 1, 1), n.random(5))
    y = n.node("Reshape", x, n.ints(0, -1))
    save("old_style", n.model(y, [2, 5, 6], 5), nchw(5, 6, 2))


def new_style():
    """Operator set 18: axes and padding as inputs; shapes computed in the graph; half and double constants."""
    n = Net(5, 18)
    x = n.node("Pad", "x", n.ints(1, 2, 0, 1), "", n.ints(-2, 3))
    half = n.node("Cast", n.constant((n.rng.standard_normal((4, 3, 3, 3)) * 0.5).astype(np.float16)), to=1)
    x = n.node("Conv", x, half, n.random(4))
    x = n.node("Relu", x)
    x = n.node("GlobalMaxPool", n.node("AveragePool", x, kernel_shape=[2, 2], ceil_mode=1, strides=[2, 2]))
    x = n.node("Squeeze", x, n.ints(2, 3))
    x = n.node("Unsqueeze", x, n.ints(1))
    x = n.node("Flatten", x)
    shape = n.node("Concat", n.node("Slice", n.node("Shape", "x"), n.ints(0), n.ints(1)), n.ints(4), axis=0)
    x = n.node("Reshape", x, shape)
    w = n.node("Transpose", n.random(3, 4), perm=[1, 0])
    x = n.node("Div", n.node("MatMul", x, w), n.constant(np.array([2, 4, 0.5], np.float32)))
    y = n.node("LogSoftmax", x)
    save("new_style", n.model(y, [3, 7, 6], 3), nchw(7, 6, 3), x)


def external():
    """Weights in a file beside the model."""
    n = Net(6)
    x = n.node("Conv", "x", n.random(4, 1, 3, 3, name="w1"), n.random(4))
    x = n.node("GlobalAveragePool", n.node("Relu", x))
    y = n.node("Gemm", n.node("Flatten", x), n.random(4, 3, name="w2"), n.random(3))
    model = n.model(y, [1, 6, 6], 3)
    x = nchw(6, 6, 1)
    save("external", model, x)
    if os.path.exists(path("external.bin")):
        os.remove(path("external.bin"))
    onnx.save(model, path("external.onnx"), save_as_external_data=True, location="external.bin", size_threshold=20)


def channel_shuffle(n, x, groups, channels, *size):
    """As torch writes ShuffleNet's: the shape from Shape, Gather, Div and Concat."""
    length = n.node("Gather", n.node("Shape", x), n.constant(np.array(1, np.int64)))
    inside = n.node("Div", length, n.constant(np.array(groups, np.int64)))
    inside = n.node("Unsqueeze", n.node("Squeeze", inside, n.ints(0)), n.ints(0))
    parts = [n.ints(-1), n.ints(groups), inside, n.ints(*size)]
    x = n.node("Reshape", x, n.node("Concat", *parts, axis=0))
    x = n.node("Transpose", x, perm=[0, 2, 1, 3, 4])
    return n.node("Reshape", x, n.ints(-1, channels, *size))


def half_of(n, x):
    """As torch writes x.chunk(2, 1)[0] where it does not know the length."""
    length = n.node("Gather", n.node("Shape", x), n.ints(1), axis=0)
    sum = n.node("Add", length, n.ints(1))
    part = n.node("Mul", n.node("Sub", n.node("Div", sum, n.ints(2)), n.ints(0)), n.ints(1))
    return n.node("Slice", x, n.ints(0), part, n.ints(1))


def shuffle():
    """A unit of ShuffleNet v2 with the shuffle of v1: channels in groups, split, sliced, put together from 20 parts."""
    n = Net(7)
    x = n.node("Relu", n.node("Conv", "x", n.random(12, 1, 3, 3), n.random(12), group=3, pads=[1, 1, 1, 1]))
    x = channel_shuffle(n, x, 3, 12, 6, 5)
    parts = n.node("Split", x, n.ints(5, 7), outputs=2, axis=1)
    b = n.node("Conv", parts[:-1] + "1", n.random(7, 7, 1, 1), n.random(7))
    x = n.node("Concat", parts, b, half_of(n, x), axis=1)
    s = n.node("Cast", n.node("Floor", n.node("Div", n.constant(np.float32(13)), n.constant(np.float32(3)))), to=7)
    x = n.node("Slice", x, n.ints(1), n.ints(2**31), n.ints(1), n.node("Reshape", s, n.ints(1)))
    x = n.node("Concat", *[n.node("Conv", x, n.random(2, 5, 1, 1)) for _ in range(20)], axis=1)
    x = n.node("Flatten", n.node("GlobalAveragePool", x))
    y = n.node("Gemm", x, n.random(40, 6), n.random(6))
    save("shuffle", n.model(y, [3, 6, 5], 6), nchw(6, 5, 3))


def float_models():
    for make in (keras_cnn, keras_mobile, keras_concat, old_style, new_style, external, shuffle):
        make()


# ---- quantized ---------------------------------------------------------------------------------------------------


class Quantized(Net):
    """QuantizeLinear and DequantizeLinear around each operation, as ONNX Runtime's quantizer and others put them."""

    def __init__(self, seed, type=np.uint8):
        super().__init__(seed)
        self.type = type

    def grid(self, scale, zero):
        return self.constant(np.float32(scale)), self.constant(np.array(zero, self.type))

    def pair(self, x, scale, zero):
        s, z = self.grid(scale, zero)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, s, z), s, z)

    def weight(self, *shape, axis=0, channels=True, unsigned=False):
        """Codes behind DequantizeLinear, with a scale for each output or one; gives the value and its scales."""
        n = shape[axis]
        codes = self.rng.integers(-127, 128, shape)
        scale = (self.rng.random(n) * 0.004 + 0.001 if channels else np.array(0.003)).astype(np.float32)
        zero = np.full(scale.shape, 128 if unsigned else 0, np.uint8 if unsigned else np.int8)
        codes = (codes + 128).astype(np.uint8) if unsigned else codes.astype(np.int8)
        options = {"axis": axis} if channels else {}
        inputs = self.constant(codes), self.constant(scale), self.constant(zero)
        return self.node("DequantizeLinear", *inputs, **options), scale

    def bias(self, n, input_scale, weight_scale):
        scale = (np.float32(input_scale) * weight_scale).astype(np.float32)
        codes = self.rng.integers(-3000, 3000, n).astype(np.int32)
        inputs = self.constant(codes), self.constant(scale), self.constant(np.zeros(scale.shape, np.int32))
        return self.node("DequantizeLinear", *inputs, **({"axis": 0} if scale.shape else {}))


def qdq_uint8():
    """As ONNX Runtime's static quantizer writes: uint8, a pair behind everything, means on a grid of their own."""
    n = Quantized(11)
    x = n.pair("x", 1 / 255, 0)
    w, s = n.weight(6, 2, 3, 3)
    x = n.node("Conv", x, w, n.bias(6, 1 / 255, s), pads=[1, 1, 1, 1])
    a = n.pair(n.node("Relu", x), 0.012, 0)
    w, s = n.weight(6, 1, 3, 3)
    b = n.node("Conv", a, w, n.bias(6, 0.012, s), pads=[1, 1, 1, 1], group=6)
    b = n.pair(b, 0.011, 131)
    x = n.pair(n.node("Relu", n.node("Add", b, a)), 0.015, 0)
    x = n.pair(n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 0.015, 0)
    w, s = n.weight(8, 6, 2, 2, channels=False, unsigned=True)
    x = n.node("Conv", x, w, strides=[1, 2])
    x = n.pair(n.node("Clip", x, n.constant(np.float32(0)), n.constant(np.float32(6))), 0.03, 0)
    x = n.pair(n.node("AveragePool", x, kernel_shape=[2, 1]), 0.025, 0)
    x = n.pair(n.node("GlobalAveragePool", x), 0.016, 0)
    x = n.pair(n.node("Flatten", x), 0.016, 0)
    w, s = n.weight(24, 8)
    x = n.node("Gemm", x, w, n.bias(24, 0.016, s), transB=1)
    y = n.pair(x, 0.012, 120)
    save("qdq_uint8", n.model(y, [2, 9, 8], 24), nchw(9, 8, 2))


def qdq_int8():
    """int8: Concat of two grids, padding, MatMul + Add, float weights behind QuantizeLinear, 4 bits behind Clip."""
    n = Quantized(12, np.int8)
    x = n.pair("x", 1 / 255, -128)
    w, s = n.weight(4, 3, 3, 3)
    x = n.node("Conv", x, w, n.bias(4, 1 / 255, s))
    s4, z4 = n.grid(0.2, 2)
    a = n.node("QuantizeLinear", x, s4, z4)
    a = n.node("Clip", a, n.constant(np.int8(-8)), n.constant(np.int8(7)))
    a = n.node("DequantizeLinear", a, s4, z4)
    s, z = n.constant(np.full(5, 0.004, np.float32)), n.constant(np.zeros(5, np.int8))
    w = n.node("QuantizeLinear", n.constant((n.rng.standard_normal((5, 4, 1, 1)) * 0.2).astype(np.float32)), s, z, axis=0)
    w = n.node("DequantizeLinear", w, s, z, axis=0)
    b = n.pair(n.node("Relu", n.node("Conv", a, w)), 0.008, -128)
    c = n.pair(n.node("Concat", a, b, axis=1), 0.013, -20)
    p = n.pair(n.node("Pad", c, n.ints(0, 0, 0, 1, 0, 0, 1, 0)), 0.013, -20)
    p = n.pair(n.node("AveragePool", p, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]), 0.01, -25)
    t = n.pair(n.node("Transpose", p, perm=[0, 2, 3, 1]), 0.01, -25)
    r = n.pair(n.node("Reshape", t, n.ints(-1, 81)), 0.01, -25)
    w, s = n.weight(81, 20, axis=1)
    x = n.node("Add", n.node("MatMul", r, w), n.bias(20, 0.01, s))
    y = n.pair(x, 0.02, 5)
    save("qdq_int8", n.model(y, [3, 7, 7], 20), nchw(7, 7, 3))


def qdq_codes():
    """Codes in and out, uint8; a softmax with a pair of its own behind the logits."""
    n = Quantized(13)
    s, z = n.grid(0.02, 100)
    x = n.node("DequantizeLinear", "x", s, z)
    w, ws = n.weight(5, 2, 3, 3)
    x = n.pair(n.node("Conv", x, w, n.bias(5, 0.02, ws), pads=[2, 0, 0, 1]), 0.05, 128)
    x = n.pair(n.node("Relu", x), 0.03, 0)
    x = n.pair(n.node("ReduceMean", x, axes=[2, 3], keepdims=0), 0.02, 0)
    w, ws = n.weight(20, 5, channels=False)
    x = n.node("Gemm", x, w, n.bias(20, 0.02, np.broadcast_to(ws, 20)), transB=1)
    logits = n.pair(x, 0.01, 100)
    y = n.pair(n.node("Softmax", logits), 1 / 256, 0)
    save("qdq_codes", n.model(y, [2, 6, 5], 20, TensorProto.UINT8), np.ascontiguousarray(pixels(6, 5, 2).transpose(0, 3, 1, 2)),
         logits)


def qdq_constants():
    """As tf2onnx keeps models of the TFLite converter: a channel without weights has a bias of about 2^30 steps, on a
    grid fine enough for it."""
    n = Quantized(14, np.int8)

    def layer(shape, input_scale, constants):
        """Weights, and biases of which some are constants: {channel: (steps, real value)}."""
        outputs = shape[0]
        codes = n.rng.integers(-127, 128, shape).astype(np.int8)
        scale = (n.rng.random(outputs) * 0.004 + 0.001).astype(np.float32)
        bias = n.rng.integers(-3000, 3000, outputs).astype(np.int32)
        for channel, (steps, value) in constants.items():
            codes[channel], bias[channel] = 0, steps
            scale[channel] = value / steps / input_scale
        w = n.node("DequantizeLinear", n.constant(codes), n.constant(scale), n.constant(np.zeros(outputs, np.int8)), axis=0)
        sums = n.constant((np.float32(input_scale) * scale).astype(np.float32))
        b = n.node("DequantizeLinear", n.constant(bias), sums, n.constant(np.zeros(outputs, np.int32)), axis=0)
        return w, b

    half = 1 << 30
    x = n.pair("x", 1 / 255, -128)
    x = n.node("Conv", x, *layer((6, 3, 3, 3), 1 / 255, {1: (half, 0.31), 4: (-half - 128, -0.2)}), pads=[1, 1, 1, 1])
    x = n.pair(x, 0.012, -7)
    x = n.node("Conv", x, *layer((6, 1, 3, 3), 0.012, {0: (half + 128, 0.7), 5: (half, 1e-3)}), group=6)
    x = n.pair(n.node("Relu", x), 0.011, -128)
    x = n.pair(n.node("Reshape", x, n.ints(-1, 6 * 5 * 6)), 0.011, -128)
    w, b = layer((20, 6 * 5 * 6), 0.011, {3: (-half, -0.4), 19: (half + 128, 0.9)})
    y = n.pair(n.node("Gemm", x, w, b, transB=1), 0.02, 5)
    save("qdq_constants", n.model(y, [3, 7, 8], 20), nchw(7, 8, 3))


def qdq_shuffle():
    """Channels that change places between a pair and the next, in codes."""
    n = Quantized(15, np.int8)
    x = n.pair("x", 1 / 255, -128)
    w, s = n.weight(8, 3, 3, 3)
    x = n.pair(n.node("Conv", x, w, n.bias(8, 1 / 255, s), pads=[1, 1, 1, 1]), 0.012, -7)
    x = n.pair(channel_shuffle(n, x, 2, 8, 6, 5), 0.012, -7)
    a = n.node("Split", x, n.ints(3, 5), outputs=2, axis=1)
    b = n.pair(n.node("Slice", a[:-1] + "1", n.ints(-4), n.ints(5), n.ints(1), n.ints(2)), 0.012, -7)
    x = n.pair(n.node("Concat", n.pair(a, 0.012, -7), b, axis=1), 0.012, -7)
    x = n.pair(n.node("Reshape", x, n.ints(-1, 150)), 0.012, -7)
    w, s = n.weight(20, 150)
    y = n.pair(n.node("Gemm", x, w, n.bias(20, 0.012, s), transB=1), 0.02, 5)
    save("qdq_shuffle", n.model(y, [3, 6, 5], 20), nchw(6, 5, 3))


def quantized_models():
    for make in (qdq_uint8, qdq_int8, qdq_codes, qdq_constants, qdq_shuffle):
        make()


if __name__ == "__main__":
    torch_models()
    float_models()
    quantized_models()
