// The networks of tests/test_curve_exports.c, each a curve alone, on all 256 codes:  node curves.cjs FOLDER
// Prints a row for each curve and runtime; exits with 1 where a code is not the engine's, a runtime had nothing to run, or
// one bit that is wrong would not be seen.
'use strict';
const fs = require('fs');
const path = require('path');
const litert = require('./run_tflite.cjs');
const onnx = require('./run_onnx.cjs');
const {values, codesOf} = require('./compare.cjs');
const {fail} = require('./command.cjs');

const CODES = 256;
const every = Buffer.from(Int8Array.from({length: CODES}, (_, i) => i - 128).buffer);

function differences(want, got) {
    let different = 0;
    for (let i = 0; i < CODES; i++) if (want[i] !== got[i]) different++; // NaN and what is missing differ, too
    return different;
}

async function main() {
    const folder = process.argv[2], rows = {}, file = name => path.join(folder, name), wasm = await litert.load();
    const int8 = bytes => new Int8Array(bytes);
    let passed = 0, failed = 0, noticed = 0, networks = 0;
    const count = (curve, runtime, want, got) => {
        const row = rows[`${curve} | ${runtime}`] = rows[`${curve} | ${runtime}`] || {networks: 0, different: 0};
        row.networks++;
        row.different += differences(want, got);
    };
    for (const name of fs.readdirSync(folder).filter(f => f.endsWith('.json')).map(f => f.slice(0, -5))) {
        const want = int8(fs.readFileSync(file(`${name}.i8`))), curve = name.replace(/(_\d+){2}$/, '');
        const grid = JSON.parse(fs.readFileSync(file(`${name}.json`), 'utf8'));
        const compiled = await litert.compile(wasm, fs.readFileSync(file(`${name}.tflite`)));
        const got = int8(await litert.run(wasm, compiled, every));
        count(curve, 'TFLite, LiteRT', want, got);
        for (const form of ['int8', 'uint8'])
            for (const level of ['all', 'disabled']) {
                const answer = await onnx.run(file(`${name}.${form}.onnx`), level, [{bytes: every, hwc: null}], 1, null);
                count(curve, `ONNX ${form}, ONNX Runtime, ${level}`, want, codesOf(values('.f32', answer), grid));
            }
        count(curve, 'C, gcc', want, int8(fs.readFileSync(file(`${name}.c.i8`))));
        networks++;
        got[networks % CODES] ^= 1;
        noticed += differences(want, got) === 1;
    }
    console.log('| curve | runtime | networks | codes | different | met |');
    console.log('|---|---|---|---|---|---|');
    for (const [key, row] of Object.entries(rows)) {
        const met = row.different === 0;
        if (met) passed++;
        else failed++;
        console.log(`| ${key} | ${row.networks} | ${row.networks * CODES} | ${row.different} | ${met ? 'yes' : 'NO'} |`);
    }
    if (networks === 0 || noticed !== networks) failed++;
    console.log(`tests: ${passed} passed, ${failed} failed, every code of ${networks} curves`);
    process.exit(failed === 0 ? 0 : 1);
}

main().catch(fail);
