//go:build wasip1

package postern

import (
	"io"
	"unsafe"
)

// The host functions of spec/abi.md. Pointers are into this plugin's memory.

//go:wasmexport postern_abi_1
func abi() {}

//go:wasmimport postern meta_read
func hostMetaRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern body_read
func hostBodyRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern meta_write
func hostMetaWrite(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern body_write
func hostBodyWrite(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern body_flush
func hostBodyFlush() int32

//go:wasmimport postern error
func hostError6(kind unsafe.Pointer, kindLen uint32, text unsafe.Pointer, textLen uint32, stack unsafe.Pointer, stackLen uint32) int32

//go:wasmimport postern config_read
func hostConfigRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern secret_read
func hostSecretRead(name unsafe.Pointer, nameLen uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern traceparent_read
func hostTraceparentRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern reason_read
func hostReasonRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern log
func hostLog(level int32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern fetch
func hostFetch(meta unsafe.Pointer, metaLen uint32, body unsafe.Pointer, bodyLen uint32) int32

//go:wasmimport postern fetch_meta_read
func hostFetchMetaRead(handle int32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern fetch_body_read
func hostFetchBodyRead(handle int32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern fetch_close
func hostFetchClose(handle int32) int32

//go:wasmimport postern span_start
func hostSpanStart(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern span_end
func hostSpanEnd(id int32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern context_read
func hostContextRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport postern kv_get
func hostKVGet(key unsafe.Pointer, keyLen uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern kv_revision
func hostKVRevision() int64

//go:wasmimport postern kv_put
func hostKVPut(key unsafe.Pointer, keyLen uint32, p unsafe.Pointer, n uint32, ttl, revision int64) int32

//go:wasmimport postern kv_delete
func hostKVDelete(key unsafe.Pointer, keyLen uint32, revision int64) int32

//go:wasmimport postern kv_keys
func hostKVKeys(prefix unsafe.Pointer, prefixLen uint32, after unsafe.Pointer, afterLen uint32, p unsafe.Pointer, n uint32) int32

//go:wasmimport postern metric
func hostMetric(kind int32, name unsafe.Pointer, nameLen uint32, value float64) int32

func at(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}
func atText(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

// value reads what a host function of the form (ptr, cap) -> length gives. The first try has room for most.
func value(read func(p unsafe.Pointer, n uint32) int32) ([]byte, int32) {
	buf := make([]byte, 1024)
	for {
		n := read(at(buf))
		switch {
		case n < 0:
			return nil, n
		case int(n) <= len(buf):
			return buf[:n], n
		}
		buf = make([]byte, n)
	}
}

// failure turns a negative result into an error, with the host's reason.
func failure(result int32) error {
	if result >= 0 {
		return nil
	}
	reason, _ := value(hostReasonRead)
	e := &hostError{reason: string(reason)}
	switch result {
	case -1:
		e.kind = ErrClosed
	case -2:
		e.kind = ErrNotFound
	case -3:
		e.kind = ErrTooLarge
	case -5:
		e.kind = ErrDenied
	case -7:
		e.kind = ErrTimeout
	case -8:
		e.kind = ErrInvalid
	case -9:
		e.kind = ErrBusy
	case -10:
		e.kind = ErrConflict
	}
	return e
}

func meta() []byte {
	b, _ := value(hostMetaRead)
	return b
}

func config() []byte {
	b, _ := value(hostConfigRead)
	return b
}

func traceParent() string {
	b, _ := value(hostTraceparentRead)
	return string(b)
}

func secret(name string) (string, error) {
	b, n := value(func(p unsafe.Pointer, n uint32) int32 {
		np, nn := atText(name)
		return hostSecretRead(np, nn, p, n)
	})
	if n == -2 {
		return "", &hostError{ErrNotFound, "the plugin declares no secret " + name}
	}
	return string(b), failure(n)
}

func readBody(p []byte) (int, error) { return read(hostBodyRead(at(p))) }

func read(n int32) (int, error) {
	if n == 0 {
		return 0, io.EOF
	}
	return int(max(n, 0)), failure(n)
}

func writeMeta(b []byte) error { return failure(hostMetaWrite(at(b))) }
func writeBody(b []byte) error { return failure(hostBodyWrite(at(b))) }
func flushBody() error         { return failure(hostBodyFlush()) }

func report(kind, text, stack string) {
	kp, kn := atText(kind)
	tp, tn := atText(text)
	sp, sn := atText(stack)
	hostError6(kp, kn, tp, tn, sp, sn)
}

func logLine(level int32, message string) {
	p, n := atText(message)
	hostLog(level, p, n)
}

func startSpan(name string) int32 { return hostSpanStart(atText(name)) }

func endSpan(id int32, text string) {
	p, n := atText(text)
	hostSpanEnd(id, p, n)
}

func fetch(meta, body []byte) (handle int32, head []byte, err error) {
	mp, mn := at(meta)
	bp, bn := at(body)
	handle = hostFetch(mp, mn, bp, bn)
	if handle < 0 {
		return 0, nil, failure(handle)
	}
	head, n := value(func(p unsafe.Pointer, n uint32) int32 { return hostFetchMetaRead(handle, p, n) })
	return handle, head, failure(n)
}

func readFetch(handle int32, p []byte) (int, error) {
	bp, bn := at(p)
	return read(hostFetchBodyRead(handle, bp, bn))
}

func closeFetch(handle int32) { hostFetchClose(handle) }

func callContext() ([]byte, error) {
	b, n := value(hostContextRead)
	return b, failure(n)
}

func kvGet(key string) (entry []byte, revision int64, err error) {
	kp, kn := atText(key)
	entry, n := value(func(p unsafe.Pointer, n uint32) int32 { return hostKVGet(kp, kn, p, n) })
	if n < 0 {
		return nil, 0, failure(n)
	}
	return entry, hostKVRevision(), nil
}

func kvPut(key string, value []byte, ttl, revision int64) (int64, error) {
	kp, kn := atText(key)
	vp, vn := at(value)
	if n := hostKVPut(kp, kn, vp, vn, ttl, revision); n < 0 {
		return 0, failure(n)
	}
	return hostKVRevision(), nil
}

func kvDelete(key string, revision int64) error {
	kp, kn := atText(key)
	return failure(hostKVDelete(kp, kn, revision))
}

func kvKeys(prefix, after string) ([]byte, error) {
	pp, pn := atText(prefix)
	ap, an := atText(after)
	list, n := value(func(p unsafe.Pointer, n uint32) int32 { return hostKVKeys(pp, pn, ap, an, p, n) })
	return list, failure(n)
}

func metric(kind int32, name string, value float64) error {
	p, n := atText(name)
	return failure(hostMetric(kind, p, n, value))
}

// A hostError is what a host function said of its failure.
type hostError struct {
	kind   error
	reason string
}

func (e *hostError) Error() string { return e.reason }
func (e *hostError) Unwrap() error { return e.kind }
