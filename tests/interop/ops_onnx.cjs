// Each operation of a model alone, on the codes that bitfold's engine gave it:
//     node ops_onnx.cjs FOLDER DUMP --activations int8|uint8
// FOLDER is what cut_onnx.py wrote, DUMP the folder it was given.  Prints a line for each operation and level of
// optimisation: activations level op name values different largest, separated by tabs.
'use strict';
const fs = require('fs');
const path = require('path');
const {run} = require('./run_onnx.cjs');
const {options, fail} = require('./command.cjs');

async function main() {
    const {positional: [folder, dump], opt} = options(process.argv.slice(2), {activations: 'int8'}, 2);
    const manifest = JSON.parse(fs.readFileSync(path.join(dump, 'tensors.json'), 'utf8'));
    const entries = Object.fromEntries(manifest.tensors.map(t => [t.name, t]));
    const codes = name => ({bytes: fs.readFileSync(path.join(dump, entries[name].file)), hwc: entries[name].shape});
    for (const op of JSON.parse(fs.readFileSync(path.join(folder, 'ops.json'), 'utf8'))) {
        const model = path.join(folder, `${op.name}.onnx`), inputs = op.inputs.map(codes), expected = codes(op.name);
        for (const level of ['all', 'disabled']) {
            const given = await run(model, level, inputs, manifest.images, expected.hwc);
            if (given.length !== expected.bytes.length)
                throw new Error(`${op.name}: ${given.length} values; must be ${expected.bytes.length}`);
            let different = 0, largest = 0;
            for (let i = 0; i < given.length; i++) {
                const off = Math.abs((given[i] << 24 >> 24) - (expected.bytes[i] << 24 >> 24));
                if (off !== 0) different++;
                if (off > largest) largest = off;
            }
            console.log([opt.activations, level, op.op, op.name, given.length, different, largest].join('\t'));
        }
    }
}

main().catch(fail);
