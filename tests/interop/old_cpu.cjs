// ONNX models one after another in one process, which starts slowly when its CPU is emulated:
//     node old_cpu.cjs INPUT IMAGES [MODEL SESSION OUTPUT]...
// INPUT, OUTPUT and SESSION are those of run_onnx.cjs; of INPUT the first IMAGES are taken, one at a time.
'use strict';
const fs = require('fs');
const {run, geometry} = require('./run_onnx.cjs');
const {fail} = require('./command.cjs');

async function main() {
    const [input, images, ...jobs] = process.argv.slice(2), all = fs.readFileSync(input), count = Number(images);
    if (!(count > 0) || jobs.length === 0 || jobs.length % 3 !== 0)
        throw new Error('INPUT, IMAGES and MODEL SESSION OUTPUT are required');
    for (let i = 0; i < jobs.length; i += 3) {
        const [model, session, output] = jobs.slice(i, i + 3), {n, hwc} = await geometry(model, all);
        const bytes = all.subarray(0, all.length / n * count);
        fs.writeFileSync(output, await run(model, 'all', [{bytes, hwc}], count, null, 1, session));
    }
}

main().catch(fail);
