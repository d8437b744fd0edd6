// Runs one ONNX model in ONNX Runtime.  Takes turns: "ready" first, then for each line "K" on standard input K runs and a
// line of JSON.
//     node ort_worker.js MODEL.onnx u8|s8 BATCH THREADS CHANNELS ROWS COLUMNS
// On an x86 CPU without VNNI its products of uint8 by int8 would saturate; there the session has the option against that.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');
const readline = require('readline');

const [model, type, ...numbers] = process.argv.slice(2);
const [batch, threads, ...image] = numbers.map(Number);

function productsSaturate() {
    return process.arch === 'x64' && !/\bavx(512)?_vnni\b/.test(fs.readFileSync('/proc/cpuinfo', 'utf8'));
}

async function main() {
    const session = await ort.InferenceSession.create(model, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        freeDimensionOverrides: {N: batch},
        ...(productsSaturate() ? {extra: {session: {x64quantprecision: '1'}}} : {}),
    });
    const count = image.reduce((a, b) => a * b, batch);
    const codes = type === 'u8' ? new Uint8Array(count) : new Int8Array(count);
    for (let i = 0; i < count; i++) codes[i] = (i * 2654435761) >>> 24;
    const feeds = {image: new ort.Tensor(type === 'u8' ? 'uint8' : 'int8', codes, [batch, ...image])};
    const turn = async (runs) => {
        const taken = new Float64Array(runs);
        for (let i = 0; i < runs; i++) {
            const start = process.hrtime.bigint();
            await session.run(feeds);
            taken[i] = Number(process.hrtime.bigint() - start) / 1e3;
        }
        return taken.sort();
    };
    await turn(batch === 1 ? 300 : 10);
    console.log('ready');
    for await (const line of readline.createInterface({input: process.stdin})) {
        const taken = await turn(Number(line)), median = taken[taken.length >> 1];
        console.log(JSON.stringify({
            images_per_s: 1e6 * batch / median, us_per_run: median, us_min: taken[0],
            peak_rss_bytes: 1024 * process.resourceUsage().maxRSS,
        }));
    }
}
main();
