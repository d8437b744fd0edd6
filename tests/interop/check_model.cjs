// Is a model worth comparing?  node check_model.cjs DUMP
// Fails unless every layer's codes take at least 32 values on the dumped images and the answers at least 3 classes: a
// runtime cannot be wrong about a layer that is constant.
'use strict';
const {readDump, answer} = require('./compare.cjs');
const {options, fail} = require('./command.cjs');

const CODES_NEEDED = 32, CLASSES_NEEDED = 3;

function main() {
    const {positional: [folder]} = options(process.argv.slice(2), {}, 1);
    const {manifest, logits, classes} = readDump(folder);
    const poor = manifest.tensors.filter(t => t.codes_seen < CODES_NEEDED);
    if (poor.length !== 0)
        throw new Error(`layer "${poor[0].name}": ${poor[0].codes_seen} codes seen; at least ${CODES_NEEDED} required`);
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
