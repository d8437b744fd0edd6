// The command lines of the programs here.
'use strict';

// Splits [--name value]... and `count` positional arguments; every option has a default.
function options(list, defaults, count) {
    const opt = {...defaults}, positional = [];
    for (let i = 0; i < list.length; i++) {
        if (!list[i].startsWith('--')) {
            positional.push(list[i]);
            continue;
        }
        const name = list[i].slice(2);
        if (!(name in defaults) || i + 1 === list.length)
            throw new Error(`${list[i]}: must be one of --${Object.keys(defaults).join(', --')}, with a value`);
        opt[name] = list[++i];
    }
    if (positional.length !== count) throw new Error(`${positional.length} arguments; must be ${count}`);
    return {positional, opt};
}

function fail(error) {
    console.error(`${process.argv[1]}: ${error && error.message || error}`);
    process.exit(1);
}

module.exports = {options, fail};
