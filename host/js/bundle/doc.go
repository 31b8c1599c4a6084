// Package bundle turns a script and all that it imports into one CommonJS script with a source map, which
// host/js can run. TypeScript, ES modules, CommonJS, JSON and packages from node_modules go in; nothing is
// installed or downloaded, and nothing outside of the project's folder is read.
//
// The output holds no absolute path, so the same sources give the same bytes, and the same digest, on every
// machine. The settings are those that ran every package tried on goja: ES2022, with async generators, for
// await and class fields rewritten, because goja lacks the first two and misparses fields called get or set.
package bundle
