package js_test

import "testing"

func TestURLPattern(t *testing.T) {
	dir := copyFiles(t, "testdata/urlpattern", "testdata/differential")
	differ(t, dir, "urlpattern.js", "testdata/urlpattern/urlpattern.golden", nil)
}
