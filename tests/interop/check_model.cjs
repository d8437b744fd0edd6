// Is a model worth comparing?  node check_model.cjs DUMP [--codes 32]
// Fails unless every layer's codes take at least that many values on the dumped images and the answers at least 3
// classes: no runtime is wrong about a layer that is constant.
'use strict';
const {readDump, answer} = require('./compare.cjs');
const {options, fail} = require('./command.cjs');

const CLASSES_NEEDED = 3;

function main() {
    const {positional: [folder], opt} = options(process.argv.slice(2), {codes: '32'}, 1);
    const needed = Number(opt.codes);
    const {manifest, logits, classes} = readDump(folder);
    const poor = manifest.tensors.filter(t => t.codes_seen < needed);
    if (poor.length !== 0)
        throw new Error(`layer "${poor[0].name}": ${poor[0].codes_seen} codes seen; at least ${needed} required`);
    const answers = new Set();
    for (let i = 0; i < manifest.images; i++) answers.add(answer(logits, i, classes));
    if (answers.size < CLASSES_NEEDED) throw new Error(`${answers.size} answers; at least ${CLASSES_NEEDED} required`);
    const least = Math.min(...manifest.tensors.map(t => t.codes_seen));
    console.log(`${manifest.model}: ${manifest.images} images, at least ${least} codes a layer, ${answers.size} answers`);
}

try {
    main();
} catch (error) {
    fail(error);
}
