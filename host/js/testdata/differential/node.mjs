// node node.mjs FILE... prints what the scripts of the files print, as JSON: by file, by script, the lines.
import { pathToFileURL } from 'node:url';
import { all } from './run.mjs';

const out = {};
for (const file of process.argv.slice(2)) out[file] = await all((await import(pathToFileURL(file))).default);
process.stdout.write(JSON.stringify(out));
process.exit(0);
