package js_test

import "testing"

// Blob, File and FormData: what each expression gives in Node.js 20 and in browsers.
func TestForms(t *testing.T) {
	for code, want := range map[string]string{
		`(async () => { const b = new Blob(['aé', new Uint8Array([33, 34]).subarray(1), new Blob(['x'])], {type: 'Text/Plain'}); return [b.size, b.type, await b.text(), await b.slice(1, 3).text(), b.slice(-1, undefined, 'A/B').type] })()`:       `[5,"text/plain","aé\"x","é","a/b"]`,
		`(() => { const f = new File(['abc'], 'a.txt', {lastModified: 5}); return [f instanceof Blob, f.name, f.lastModified, f.size, String(f)] })()`:                                                                                               `[true,"a.txt",5,3,"[object File]"]`,
		`(() => { const f = new FormData(); f.append('a', '1'); f.append('a', 2); f.append('b', new Blob(['x'])); f.set('a', '3'); return [...f].map(([k, v]) => [k, typeof v === 'string' ? v : [v.name, v.size, v.type, v instanceof File]]) })()`: `[["a","3"],["b",["blob",1,"",true]]]`,
	} {
		same(t, eval(t, "return await ("+code+")", nil), want)
	}
}
