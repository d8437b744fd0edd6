"""The benchmarked networks, as lists of operations: what the PyTorch modules and the ONNX graphs are built from.

Each is the network of a file in configs/; `count` says how many parameters and multiplications it must have there.
"""
from collections import namedtuple

# kind: conv, dwconv, dense, add, maxpool, avgpool (global).  inputs: indices of operations, -1 is the image.
# conv, dwconv and dense bring weights; a convolution has batch norm instead of a bias.  out: (channels, rows, columns).
Op = namedtuple("Op", "kind inputs out kernel stride pads relu")


class Network:
    """Written down in the order of execution; every method returns the index of what it added."""

    def __init__(self, config, rows, columns, channels):
        self.config, self.image, self.ops = config, (channels, rows, columns), []

    def shape(self, index):
        return self.image if index < 0 else self.ops[index].out

    def _add(self, kind, inputs, out, kernel=(1, 1), stride=1, pads=(0, 0), relu=False):
        self.ops.append(Op(kind, inputs, out, kernel, stride, pads, relu))
        return len(self.ops) - 1

    def conv(self, filters, kernel, stride=1, pads=None, relu=True, x=None, kind="conv"):
        x = len(self.ops) - 1 if x is None else x
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        pads = (kernel[0] // 2, kernel[1] // 2) if pads is None else pads
        _, rows, columns = self.shape(x)
        size = [(n + 2 * p - k) // stride + 1 for n, p, k in zip((rows, columns), pads, kernel)]
        return self._add(kind, [x], (filters, *size), kernel, stride, pads, relu)

    def dwconv(self, stride=1):
        return self.conv(self.ops[-1].out[0], 3, stride, kind="dwconv")

    def add(self, a, b):
        return self._add("add", [a, b], self.shape(a), relu=True)

    def maxpool(self):
        channels, rows, columns = self.ops[-1].out
        return self._add("maxpool", [len(self.ops) - 1], (channels, rows // 2, columns // 2), (2, 2), 2)

    def avgpool(self):
        channels, rows, columns = self.ops[-1].out
        return self._add("avgpool", [len(self.ops) - 1], (channels, 1, 1), (rows, columns))

    def dense(self, units, relu=False):
        return self._add("dense", [len(self.ops) - 1], (units, 1, 1), relu=relu)

    def fan_in(self, op):
        """Weights per output of an operation that has them."""
        channels, rows, columns = self.shape(op.inputs[0])
        if op.kind == "dense":
            return channels * rows * columns
        return op.kernel[0] * op.kernel[1] * (channels if op.kind == "conv" else 1)

    def count(self):
        """Parameters (weights, biases, batch norm's two) and multiplications of an image."""
        parameters = macs = 0
        for op in self.ops:
            if op.kind in ("conv", "dwconv", "dense"):
                outputs, rows, columns = op.out
                parameters += outputs * (self.fan_in(op) + (1 if op.kind == "dense" else 2))
                macs += outputs * rows * columns * self.fan_in(op)
        return parameters, macs


def lenet5():
    n = Network("mnist_lenet", 28, 28, 1)
    n.conv(6, 5)
    n.maxpool()
    n.conv(16, 5, pads=(0, 0))
    n.maxpool()
    n.dense(120, relu=True)
    n.dense(84, relu=True)
    n.dense(10)
    return n


def residual(config, blocks):
    n = Network(config, 32, 32, 3)
    x = n.conv(16, 3)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        for step in [stride] + [1] * (blocks - 1):
            n.conv(filters, 3, step, x=x)
            y = n.conv(filters, 3, relu=False)
            if filters != n.shape(x)[0]:
                x = n.conv(filters, 1, step, relu=False, x=x)
            x = n.add(y, x)
    n.avgpool()
    n.dense(10)
    return n


def dscnn():
    n = Network("kws_dscnn", 49, 10, 1)
    n.conv(64, (10, 4), 2, pads=(5, 1))
    for _ in range(4):
        n.dwconv()
        n.conv(64, 1)
    n.avgpool()
    n.dense(12)
    return n


def mobilenet():
    n = Network("vww_mobilenetv1_025", 96, 96, 3)
    n.conv(8, 3, 2)
    for filters, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        n.dwconv(stride)
        n.conv(filters, 1)
    n.avgpool()
    n.dense(2)
    return n


NETWORKS = {
    "lenet5": lenet5,
    "resnet8": lambda: residual("cifar10_resnet8", 1),
    "resnet20": lambda: residual("cifar10_resnet20", 3),
    "dscnn": dscnn,
    "mobilenet": mobilenet,
}
TITLES = {
    "lenet5": "LeNet-5, 28x28x1",
    "resnet8": "ResNet-8, 32x32x3",
    "resnet20": "ResNet-20, 32x32x3",
    "dscnn": "DS-CNN, 49x10x1",
    "mobilenet": "MobileNetV1-0.25, 96x96x3",
}
