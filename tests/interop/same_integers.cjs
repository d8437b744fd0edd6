// Do two int8 .safetensors files compute the same?  node same_integers.cjs A B --model NAME --export WHAT --runtime HOW
// Every weight, bias and scale, each tensor's scale and zero point, and the wiring must be equal.  What changes no value
// may differ: reshapes, in how many bits a weight is stored, the stride of a window that stands in one place.  Prints a
// row.
'use strict';
const assert = require('assert');
const fs = require('fs');
const {options, fail} = require('./command.cjs');

function read(file) {
    const bytes = fs.readFileSync(file), head = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + head).toString());
    const graph = JSON.parse(header.__metadata__.graph), data = {};
    for (const [name, entry] of Object.entries(header))
        if (name !== '__metadata__')
            data[name] = bytes.subarray(8 + head + entry.data_offsets[0], 8 + head + entry.data_offsets[1]);
    return {graph, data, dialect: header.__metadata__.dialect};
}

// The parts of a file by name, as bytes: parameters, grids of tensors, nodes.
function parts({graph, data, dialect}) {
    const source = {}, all = new Map([['dialect', Buffer.from(dialect)]]);
    const shape = Object.fromEntries(graph.tensors.map(t => [t.name, t.shape]));
    const through = name => source[name] || name;
    for (const node of graph.nodes) {
        const {weight_bits: bits, weight_shift: shift, ...rest} = node, [h, w] = shape[node.name];
        if (h * w === 1) delete rest.stride;
        rest.inputs = node.inputs.map(through);
        if (node.op === 'reshape') source[node.name] = rest.inputs[0];
        else all.set(`node ${node.name}`, Buffer.from(JSON.stringify(rest)));
    }
    const item = (list, i) => {
        const size = list.length / graph.tensors.length;
        return list.subarray(i * size, (i + 1) * size).toString('hex');
    };
    graph.tensors.forEach((t, i) => {
        const grid = [t.shape, item(data['tensor.scale'], i), item(data['tensor.zero_point'], i)];
        if (!source[t.name]) all.set(`grid ${t.name}`, Buffer.from(JSON.stringify(grid)));
    });
    for (const [name, bytes] of Object.entries(data)) if (!/^(tensor|input)\./.test(name)) all.set(name, bytes);
    return all;
}

function main() {
    const {positional, opt} = options(process.argv.slice(2), {model: '', export: '', runtime: ''}, 2);
    const [a, b] = positional.map(file => parts(read(file)));
    assert.deepStrictEqual([...b.keys()].sort(), [...a.keys()].sort(), 'other parts');
    let values = 0, different = 0;
    for (const [name, bytes] of a) {
        const other = b.get(name);
        values += bytes.length;
        if (bytes.equals(other)) continue;
        console.error(`${name} differs`);
        different++;
    }
    const met = different === 0 ? 'yes' : 'NO';
    console.log(`| ${opt.model} | ${opt.export} | ${opt.runtime} | | ${values} | ${different} | | | ${met} |`);
    process.exit(different === 0 ? 0 : 1);
}

try {
    main();
} catch (error) {
    fail(error);
}
