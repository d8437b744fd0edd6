// Holds what a runtime answered to what bitfold's own engine did:
//     node compare.cjs DUMP OUTPUT --export WHAT --runtime WHERE --need NEED
// DUMP is a folder of `bitfold eval --dump`, OUTPUT the logits of its first images, codes or floats as there.  Prints a
// row of a Markdown table and exits with 1 when the need is not met:
//     identical   every value is the same
//     argmax      the answer is the same for 99.9 % of the images
//     within=X    no value is off by more than X
//     relative=X  no value is off by more than X times the largest
//     nothing     the row only reports: its last column is "-"
// --floats yes: OUTPUT holds the reals that the codes stand for; one that stands between two codes is different.
// Where several classes share the largest value the first is the answer, here as everywhere in bitfold.
'use strict';
const fs = require('fs');
const path = require('path');
const {options, fail} = require('./command.cjs');

const ANSWERS_NEEDED = 0.999;

function values(file, bytes) {
    if (file.endsWith('.i8')) return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    if (file.endsWith('.i16')) return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    if (bytes.length % 4 !== 0) throw new Error(`${bytes.length} bytes are no whole number of floats`);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

// The logits of a dump: their values, and how many belong to an image.
function readDump(folder) {
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'tensors.json'), 'utf8'));
    const entry = manifest.tensors.find(t => t.name === manifest.output);
    const all = values(entry.file, fs.readFileSync(path.join(folder, entry.file)));
    const classes = entry.shape.reduce((a, b) => a * b, 1);
    if (all.length !== manifest.images * classes) throw new Error(`${folder}: ${entry.file} and tensors.json disagree`);
    return {manifest, entry, classes, logits: all};
}

// The codes of reals on a grid; NaN for what is none of them, which no code equals.
function codesOf(reals, {scale, zero_point: zero}) {
    const ON_GRID = 1e-3;
    return Float64Array.from(reals, v => {
        const code = Math.round(v / scale), float32 = Math.abs(code) * 2 ** -22; // what rounding to it may take away
        return Math.abs(v / scale - code) <= ON_GRID + float32 ? code + zero : NaN;
    });
}

function answer(logits, image, classes) {
    let best = 0;
    for (let k = 1; k < classes; k++)
        if (logits[image * classes + k] > logits[image * classes + best]) best = k;
    return best;
}

function compare(expected, given, classes) {
    const result = {images: given.length / classes, values: given.length, different: 0, largest: 0, same: 0, most: 0};
    for (let i = 0; i < given.length; i++) {
        const off = Math.abs(given[i] - expected[i]);
        if (off !== 0) result.different++; // NaN differs, too
        if (!(off <= result.largest)) result.largest = off;
        result.most = Math.max(result.most, Math.abs(expected[i]));
    }
    for (let i = 0; i < result.images; i++)
        if (answer(expected, i, classes) === answer(given, i, classes)) result.same++;
    return result;
}

function meets(need, r) {
    if (need === 'nothing') return true;
    if (need === 'identical') return r.different === 0;
    if (need === 'argmax') return r.same >= ANSWERS_NEEDED * r.images;
    const [kind, number] = need.split('='), bound = Number(number);
    if (!['within', 'relative'].includes(kind) || !(bound > 0))
        throw new Error(`--need ${need}; must be identical, argmax, within=X, relative=X or nothing`);
    return r.largest <= bound * (kind === 'relative' ? r.most : 1);
}

function percent(part, whole) {
    const p = 100 * part / whole;
    return `${part === whole || p === 0 ? p : p.toFixed(p < 99.9 ? 2 : 3)} %`;
}

function row(opt, r, ok) {
    const met = opt.need === 'nothing' ? '-' : ok ? 'yes' : 'NO';
    const off = Number.isInteger(r.largest) ? r.largest : r.largest.toExponential(1);
    const different = r.different === 0 ? '0' : `${r.different} (${percent(r.different, r.values)})`;
    return `| ${[opt.model, opt.export, opt.runtime, r.images, r.values, different, off, percent(r.same, r.images),
        met].join(' | ')} |`;
}

function main() {
    const {positional: [folder, output], opt} = options(process.argv.slice(2),
        {model: '', export: '', runtime: '', need: 'identical', floats: 'no'}, 2);
    const dump = readDump(folder), bytes = fs.readFileSync(output);
    const given = opt.floats === 'yes' ? codesOf(values('.f32', bytes), dump.entry) : values(dump.entry.file, bytes);
    if (given.length === 0 || given.length % dump.classes !== 0 || given.length > dump.logits.length)
        throw new Error(`${output}: ${given.length} values; must be those of 1 to ${dump.manifest.images} images of ` +
            `${dump.classes}`);
    const result = compare(dump.logits, given, dump.classes), ok = meets(opt.need, result);
    console.log(row(opt, result, ok));
    process.exit(ok ? 0 : 1);
}

if (require.main === module) {
    try {
        main();
    } catch (error) {
        fail(error);
    }
}
module.exports = {values, codesOf, readDump, answer, percent};
