// node flip.cjs FROM TO: a copy with the lowest bit of the byte in its middle flipped.
'use strict';
const fs = require('fs');
const bytes = fs.readFileSync(process.argv[2]);
bytes[bytes.length >> 1] ^= 1;
fs.writeFileSync(process.argv[3], bytes);
