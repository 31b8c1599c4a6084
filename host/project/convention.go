package project

import (
	"io/fs"
	"path"
)

// functionsFolder is where the code of functions lies that a document names and no definition describes.
const functionsFolder = "functions"

// codeEndings are those of code in one file, in the order in which they are looked for.
var codeEndings = []string{".ts", ".js", ".mjs", ".wasm"}

// ConventionalCode returns the reference to the code of a function by convention: ./functions/NAME.ts, .js, .mjs or .wasm, or the folder
// ./functions/NAME. It is "" where nothing is there.
func ConventionalCode(fsys fs.FS, name string) string {
	at := path.Join(functionsFolder, name)
	for _, ending := range codeEndings {
		if info, err := fs.Stat(fsys, at+ending); err == nil && info.Mode().IsRegular() {
			return "./" + at + ending
		}
	}
	if info, err := fs.Stat(fsys, at); err == nil && info.IsDir() {
		return "./" + at
	}
	return ""
}
