package pipeline

import (
	"reflect"
	"testing"
	"time"

	"github.com/postern/postern/host"
)

func upstreamForKey() *host.Upstream {
	return &host.Upstream{
		Name: "u", Targets: []host.Target{{URL: "http://a", Weight: 1}}, HealthCheck: &host.HealthCheck{Path: "/"}, Ejection: &host.Ejection{},
		Retries: &host.Retries{On: []string{"connect"}}, Breaker: &host.Breaker{},
		TLS: host.UpstreamTLS{CA: []byte("a"), Cert: []byte("b"), Key: "c"},
	}
}

// Every field of an upstream makes another pool, but for the places where they stand.
func TestPoolKeyHasEveryField(t *testing.T) {
	base := poolKey(upstreamForKey())
	fields := 0
	var walk func(path string, at func(u *host.Upstream) reflect.Value)
	walk = func(path string, at func(u *host.Upstream) reflect.Value) {
		v := at(upstreamForKey())
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(path+"."+v.Type().Field(i).Name, func(u *host.Upstream) reflect.Value { return at(u).Field(i) })
			}
			return
		case reflect.Pointer:
			walk(path, func(u *host.Upstream) reflect.Value { return at(u).Elem() })
			return
		case reflect.Slice:
			if v.Type().Elem().Kind() != reflect.Uint8 {
				walk(path, func(u *host.Upstream) reflect.Value { return at(u).Index(0) })
				return
			}
		}
		u := upstreamForKey()
		position := at(u).Type() == reflect.TypeFor[host.Position]() || len(path) > 4 && (path[len(path)-5:] == ".File" || path[len(path)-5:] == ".Line") || len(path) > 6 && path[len(path)-7:] == ".Column"
		switch f := at(u); f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + int64(time.Second))
		case reflect.Slice:
			f.SetBytes([]byte("x"))
		default:
			t.Fatalf("%s is a %s, which this test cannot change", path, f.Kind())
		}
		fields++
		if same := poolKey(u) == base; same != position {
			t.Errorf("%s: same pool %v", path, same)
		}
	}
	walk("", func(u *host.Upstream) reflect.Value { return reflect.ValueOf(u).Elem() })
	if fields < 40 {
		t.Errorf("only %d fields were tried", fields)
	}
}
