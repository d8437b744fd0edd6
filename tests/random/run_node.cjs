// The networks of random_nets on LiteRT and ONNX Runtime:  node run_node.cjs FOLDER
// Prints a line for each runtime; exits with 1 when LiteRT gives another integer, for networks with layers in floats,
// whose codes may lie next to a tie, more than FEW of them, or where there was nothing to run.
'use strict';
const fs = require('fs');
const path = require('path');
const litert = require('../interop/run_tflite.cjs');
const onnx = require('../interop/run_onnx.cjs');

const FEW = 0.02;

function floats(bytes) {
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

// By how many steps each is off.
function count(tally, steps) {
    tally.nets++;
    for (const step of steps) {
        const off = Math.abs(Math.round(step));
        tally.values++;
        if (off !== 0) tally.different++; // NaN differs, too
        if (!(off <= tally.largest)) tally.largest = off;
    }
}

async function main() {
    const folder = process.argv[2], wasm = await litert.load();
    const tallies = {};
    const tally = name => tallies[name] = tallies[name] || {nets: 0, values: 0, different: 0, largest: 0};
    for (const file of fs.readdirSync(folder).filter(f => /\.(tflite|onnx)$/.test(f))) {
        const model = path.join(folder, file), input = fs.readFileSync(`${model}.in`);
        const [images, scale, zero, ...want] = floats(fs.readFileSync(`${model}.out`));
        if (file.endsWith('.tflite')) {
            const compiled = await litert.compile(wasm, fs.readFileSync(model));
            const got = new Int8Array(await litert.run(wasm, compiled, input));
            count(tally(file.endsWith('.floats.tflite') ? 'LiteRT, floats' : 'LiteRT'), want.map((w, i) => got[i] - w));
        } else {
            const got = floats(await onnx.run(model, 'all', [{bytes: input, hwc: null}], images, null));
            count(tally(`ONNX Runtime, ${file.split('.')[1]}`), want.map((w, i) => got[i] / scale + zero - w));
        }
    }
    const mixed = tally('LiteRT, floats');
    const failed = !tallies.LiteRT || tallies.LiteRT.different !== 0 || mixed.different > FEW * mixed.values;
    for (const [name, t] of Object.entries(tallies).sort())
        console.log(`${name.padEnd(20)} ${String(t.nets).padStart(5)} run, ${t.values} logits compared, ` +
            `${t.different} different, by at most ${t.largest}`);
    process.exit(failed ? 1 : 0);
}

main().catch(error => {
    console.error(`run_node: ${error && error.message || error}`);
    process.exit(1);
});
