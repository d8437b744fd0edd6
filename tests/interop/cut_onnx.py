#!/usr/bin/python3
"""Cuts a quantized ONNX model into its operations:  cut_onnx.py MODEL.onnx DUMP FOLDER

DUMP is a folder of `bitfold eval --dump DIR --layers`.  For each node of its tensors.json a model of that operation
alone, from the codes it reads to the codes it writes, goes to FOLDER/NAME.onnx; FOLDER/ops.json lists them.  A reshape
computes nothing: it stays with the operation that reads it.
"""
import json
import pathlib
import sys

import onnx
from onnx import shape_inference, utils


def codes_named(graph):
    """The tensors that hold codes, by the name of the engine's tensor."""
    named = {i.name: i.name for i in graph.input}
    for node in graph.node:
        if node.output[0].endswith("/codes"):
            named[node.output[0].removesuffix("/codes")] = node.output[0]
    return named


def main():
    model_path, dump, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((dump / "tensors.json").read_text())
    model = shape_inference.infer_shapes(onnx.load(model_path))
    codes, extractor = codes_named(model.graph), utils.Extractor(model)
    source = {t["name"]: t["name"] for t in manifest["tensors"]}
    ops = []
    for node in manifest["nodes"]:
        inputs = [source[i] for i in node["inputs"]]
        if node["op"] == "reshape":
            source[node["name"]] = inputs[0]
            continue
        cut = extractor.extract_model([codes[i] for i in dict.fromkeys(inputs)], [codes[node["name"]]])
        onnx.save(cut, folder / (node["name"] + ".onnx"))
        ops.append({"op": node["op"], "name": node["name"], "inputs": list(dict.fromkeys(inputs))})
    (folder / "ops.json").write_text(json.dumps(ops, indent=1) + "\n")


main()
