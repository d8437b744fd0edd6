// An ONNX model on ONNX Runtime:
//     node run_onnx.cjs MODEL INPUT OUTPUT [--opt all|disabled] [--session default|precise] [--batch N]
// A precise session has the option session.x64quantprecision: on x86 CPUs without VNNI, too, products of uint8 by int8 do
// not saturate.
// INPUT and OUTPUT are raw values, image after image: float32, or codes as bitfold writes them (int8).  A model with
// uint8 tensors gets and gives those with 128 added, which is undone here; one that wants [N,C,H,W] gets the images,
// which files hold as [N,H,W,C], transposed.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');
const {options, fail} = require('./command.cjs');

const BATCH = 100;
const VALUES = {float32: Float32Array, int8: Int8Array, uint8: Uint8Array};
const product = list => list.reduce((a, b) => a * b, 1);

const SESSIONS = {default: {}, precise: {extra: {session: {x64quantprecision: '1'}}}};

// One thread: sums of floats are then the same on every machine.
function open(model, level, session = 'default') {
    if (!(session in SESSIONS)) throw new Error(`--session ${session}; must be one of ${Object.keys(SESSIONS).join(', ')}`);
    return ort.InferenceSession.create(model, {
        graphOptimizationLevel: level, intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3,
        ...SESSIONS[session],
    });
}

// [a][b] -> [b][a] for each of n images.
function transpose(values, n, a, b) {
    const turned = new values.constructor(values.length);
    for (let i = 0; i < n; i++)
        for (let x = 0; x < a; x++)
            for (let y = 0; y < b; y++) turned[(i * b + y) * a + x] = values[(i * a + x) * b + y];
    return turned;
}

function flipTopBits(values) {
    for (let i = 0; i < values.length; i++) values[i] ^= 0x80;
    return values;
}

// The bytes of n images as a tensor of what `meta` describes.  hwc: the shape the file has them in, or null.
function tensor(meta, bytes, n, hwc) {
    const type = VALUES[meta.type];
    if (!type) throw new Error(`${meta.name}: ${meta.type}; must be float32, int8 or uint8`);
    const inner = meta.shape.slice(1).map(d => typeof d === 'number' && d > 0 ? d : 1);
    let values = new type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    if (values.length !== n * product(inner))
        throw new Error(`${meta.name}: ${values.length} values for ${n} images of ${inner.join(' x ')}`);
    if (meta.type === 'uint8') values = flipTopBits(values);
    if (hwc && inner.length === 3 && hwc[2] === inner[0] && hwc[0] === inner[1] && hwc[1] === inner[2])
        values = transpose(values, n, inner[1] * inner[2], inner[0]);
    return new ort.Tensor(meta.type, values, [n, ...inner]);
}

// The same back: a tensor's bytes as a file holds them.
function bytesOf(tensorOut, hwc) {
    let values = tensorOut.data;
    const n = tensorOut.dims[0], inner = tensorOut.dims.slice(1);
    if (tensorOut.type === 'uint8') values = flipTopBits(values);
    if (hwc && inner.length === 3 && hwc[2] === inner[0] && hwc[0] === inner[1] && hwc[1] === inner[2])
        values = transpose(values, n, inner[0], inner[1] * inner[2]);
    return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

// inputs: [{bytes, hwc}] in the order of the model's inputs; n images; the bytes of the first output.
async function run(model, level, inputs, n, hwcOut, batch = BATCH, kind = 'default') {
    const session = await open(model, level, kind);
    const metas = session.inputMetadata, out = [];
    if (metas.length !== inputs.length) throw new Error(`${metas.length} inputs; ${inputs.length} given`);
    const fixed = metas[0].shape[0], step = typeof fixed === 'number' && fixed > 0 ? fixed : batch;
    for (let first = 0; first < n; first += step) {
        const count = Math.min(step, n - first), feeds = {};
        metas.forEach((meta, i) => {
            const size = inputs[i].bytes.length / n;
            const part = inputs[i].bytes.subarray(first * size, (first + count) * size);
            feeds[meta.name] = tensor(meta, part, count, inputs[i].hwc);
        });
        const result = await session.run(feeds);
        out.push(bytesOf(result[session.outputNames[0]], hwcOut));
    }
    await session.release();
    return Buffer.concat(out);
}

// How many images a file holds, and their [H,W,C] from the model's own input.
async function geometry(model, bytes) {
    const session = await open(model, 'disabled'), meta = session.inputMetadata[0];
    await session.release();
    const inner = meta.shape.slice(1), size = product(inner) * VALUES[meta.type].BYTES_PER_ELEMENT;
    if (bytes.length === 0 || bytes.length % size !== 0)
        throw new Error(`INPUT: ${bytes.length} bytes; must be a multiple of the ${size} of an image`);
    return {n: bytes.length / size, hwc: [inner[1], inner[2], inner[0]]};
}

async function main() {
    const {positional, opt} = options(process.argv.slice(2),
        {opt: 'all', session: 'default', batch: `${BATCH}`, layout: 'nchw'}, 3);
    const [model, input, output] = positional, bytes = fs.readFileSync(input);
    const {n, hwc} = await geometry(model, bytes);
    const given = opt.layout === 'nchw' ? hwc : null;
    fs.writeFileSync(output,
        await run(model, opt.opt, [{bytes, hwc: given}], n, null, Number(opt.batch), opt.session));
}

if (require.main === module) main().catch(fail);
module.exports = {run, geometry};
