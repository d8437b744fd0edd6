"""8-bit ONNX models (quantize-dequantize form, batch norm folded, random weights) of the benchmarked networks.

    onnx_models.py FOLDER NETWORK      writes NETWORK_u8.onnx and NETWORK_s8.onnx

Images and logits are codes, so that no time goes into floats at the ends.  Weights are signed, one scale per output.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from networks import NETWORKS

SCALE = np.float32(0.05)


class Graph:
    """type: of the activations, np.uint8 or np.int8.  Every value is known by the name of its dequantized form."""

    def __init__(self, dtype):
        self.dtype, self.nodes, self.constants = dtype, [], []
        self.random = np.random.default_rng(1)

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind, inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{kind}_{name}", **attributes))
        return name

    def grid(self, positive):
        """Scale and zero point of an activation; after a ReLU all codes are used for values above 0."""
        low = np.iinfo(self.dtype).min
        return [self.constant(SCALE), self.constant(self.dtype(low if positive else low + 128))]

    def quantize(self, x, positive):
        return self.node("QuantizeLinear", [x, *self.grid(positive)])

    def dequantize(self, x, positive):
        return self.node("DequantizeLinear", [x, *self.grid(positive)])

    def weights(self, shape):
        """Weights and bias; scales that keep the size of the values."""
        outputs, fan_in = shape[0], int(np.prod(shape[1:]))
        scale = (self.random.uniform(1, 2, outputs) / (100 * fan_in ** 0.5)).astype(np.float32)
        codes = self.random.integers(-127, 128, shape).astype(np.int8)
        bias = self.random.integers(-1000, 1000, outputs).astype(np.int32)
        parts = ((codes, scale), (bias, scale * SCALE))
        return [self.node("DequantizeLinear", [self.constant(a) for a in (q, s, np.zeros(outputs, q.dtype))], axis=0)
                for q, s in parts]

    def op(self, network, op, inputs):
        channels, rows, columns = network.shape(op.inputs[0])
        if op.kind == "add":
            return self.node("Add", inputs)
        if op.kind == "maxpool":
            return self.node("MaxPool", inputs, kernel_shape=op.kernel, strides=[op.stride] * 2)
        if op.kind == "avgpool":
            return self.node("GlobalAveragePool", inputs)
        if op.kind == "dense":
            flat = self.node("Flatten", inputs, axis=1)
            flat = self.dequantize(self.quantize(flat, True), True)
            return self.node("Gemm", [flat, *self.weights((op.out[0], channels * rows * columns))], transB=1)
        groups = channels if op.kind == "dwconv" else 1
        w = self.weights((op.out[0], channels // groups, *op.kernel))
        return self.node("Conv", [*inputs, *w], kernel_shape=op.kernel, strides=[op.stride] * 2,
                         pads=[*op.pads, *op.pads], group=groups)


def build(network, dtype):
    g = Graph(dtype)
    values, positive = [g.dequantize("image", False)], [False]
    for op in network.ops:
        y = g.op(network, op, [values[i + 1] for i in op.inputs])
        above = op.relu or (op.kind in ("maxpool", "avgpool") and positive[op.inputs[0] + 1])
        codes = g.quantize(g.node("Relu", [y]) if op.relu else y, above)
        values.append(g.dequantize(codes, above))
        positive.append(above)
    g.nodes.pop()  # the logits stay codes
    g.nodes[-1].output[0] = "logits"
    used = {name for node in g.nodes for name in node.input}
    code = TensorProto.UINT8 if dtype is np.uint8 else TensorProto.INT8
    image = helper.make_tensor_value_info("image", code, ["N", *network.image])
    logits = helper.make_tensor_value_info("logits", code, ["N", network.ops[-1].out[0]])
    model = helper.make_model(helper.make_graph(g.nodes, "network", [image], [logits],
                                                [c for c in g.constants if c.name in used]),
                              opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def main():
    folder, name = sys.argv[1:]
    for suffix, dtype in (("u8", np.uint8), ("s8", np.int8)):
        onnx.save(build(NETWORKS[name](), dtype), f"{folder}/{name}_{suffix}.onnx")


main()
