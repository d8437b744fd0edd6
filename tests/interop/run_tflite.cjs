// A TFLite model on LiteRT's WebAssembly build, in Node:
//     node run_tflite.cjs MODEL INPUT OUTPUT
// INPUT and OUTPUT are raw values in the model's own types, image after image.  The package's interface for JavaScript
// knows no int8 tensors, so its module is driven directly.
'use strict';
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const {options, fail} = require('./command.cjs');

// The build without relaxed SIMD, whose results may depend on the CPU.
const BUILD = 'litert_wasm_compat_internal';

// The package calls itself an ES module, its loader is none: it is run as what it is.
async function load() {
    const folder = path.dirname(require.resolve(`@litertjs/core/wasm/${BUILD}.wasm`));
    const file = path.join(folder, `${BUILD}.js`), module = {exports: {}};
    globalThis.self = globalThis;
    const wrapped = `(function (module, exports, require, __filename, __dirname) {${fs.readFileSync(file, 'utf8')}\n})`;
    vm.runInThisContext(wrapped, {filename: file})(module, module.exports, require, file, folder);
    const quiet = () => {};
    const wasm = await module.exports({
        wasmBinary: fs.readFileSync(path.join(folder, `${BUILD}.wasm`)),
        locateFile: name => path.join(folder, name), print: quiet, printErr: console.error});
    if (wasm.setupLogging) wasm.setupLogging();
    return wasm;
}

// The model in the runtime's memory, compiled for one thread of the CPU.
async function compile(wasm, bytes) {
    const environment = wasm.LiteRtEnvironment.create(null), at = wasm._malloc(bytes.length);
    wasm.HEAPU8.set(bytes, at);
    const model = wasm.loadModel(environment, at, bytes.length);
    const compiled = await wasm.compileModel(environment, model,
        {accelerator: 'wasm', cpuOptions: {numThreads: 1}, environment, gpuOptions: {}, webNNOptions: {}});
    return {environment, model, compiled};
}

async function run(wasm, {environment, model, compiled}, images) {
    const kind = model.getInputTensorType(0, 0), size = kind.bytes(), outSize = model.getOutputTensorType(0, 0).bytes();
    const {READ, WRITE} = wasm.LiteRtTensorBufferLockMode;
    if (images.length === 0 || images.length % size !== 0)
        throw new Error(`INPUT: ${images.length} bytes; must be a multiple of the ${size} of an image`);
    const input = wasm.LiteRtTensorBuffer.createManaged(environment, wasm.LiteRtTensorBufferType.HOST_MEMORY, kind, size);
    const n = images.length / size, results = Buffer.alloc(n * outSize);
    for (let i = 0; i < n; i++) {
        wasm.HEAPU8.set(images.subarray(i * size, (i + 1) * size), input.lock(WRITE));
        input.unlock();
        const outputs = await compiled.run(0, [input]);
        const at = outputs[0].lock(READ);
        results.set(wasm.HEAPU8.subarray(at, at + outSize), i * outSize);
        outputs[0].unlock();
        outputs.forEach(o => o.delete());
    }
    return results;
}

async function main() {
    const {positional: [file, input, output]} = options(process.argv.slice(2), {}, 3);
    const wasm = await load(), model = await compile(wasm, fs.readFileSync(file));
    fs.writeFileSync(output, await run(wasm, model, fs.readFileSync(input)));
}

if (require.main === module) main().catch(fail);
module.exports = {load, compile, run};
