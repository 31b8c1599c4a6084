package listener

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"

	"github.com/postern/postern/host"
)

// An exchange is one request on its way through the Handler, and what the two halves share.
type exchange struct {
	l             *Listener
	conn          *conn // of HTTP/1 and 2
	remote, local netip.AddrPort
	w             http.ResponseWriter
	r             *http.Request
	fault         string // of the header, that the request does not show
	req           host.Request
	body          body

	release func() // of the context
	left    func() // ends the context as a client's leaving does; of HTTP/3, where a write may tell it first; else nil
	tunnel  bool   // an extended CONNECT asks
	wrote   bool   // the status line is out of our hands
	refused bool   // an answer of the listener's own stands for the Handler's

	head    sync.Mutex // held while a 100 (Continue) is written
	started bool       // the final header has begun, and no 100 may follow; guarded by head
}

var errPanicked = errors.New("a panic cut the response off")

// serve is net/http's door to the Handler.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(*conn)
	c.serving.Store(true)
	c.fresh.Store(false)
	if r.ProtoMajor == 2 {
		c.frames.request()
	}
	if c.tls != nil {
		r.TLS = c.tls
	}
	x := &exchange{l: l, conn: c, remote: c.remote, local: c.local, w: w, r: r}
	x.run()
}

// run takes the request through the Handler.
func (x *exchange) run() {
	x.l.running.Add(1)
	defer x.finish()
	if status, reason, detail := x.convert(); status != 0 {
		x.refuse(status, reason, detail)
		return
	}
	resp := x.l.cfg.Handler(x.context(), &x.req)
	if resp == nil {
		panic("the handler returned no response")
	}
	x.answer(resp)
}

// start says that the final header comes next.
func (x *exchange) start() {
	x.head.Lock()
	defer x.head.Unlock()
	x.started = true
}

// refuse answers what the Handler shall not see.
func (x *exchange) refuse(status int, reason Reason, detail string) {
	x.refused = true
	x.l.refuse(Refusal{Remote: x.remote, Reason: reason, Detail: detail, Status: status})
	x.writePlain(status)
}

func (x *exchange) writePlain(status int) {
	x.start()
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if x.r.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close")
		x.conn.cut.Store(true) // it lingers, so that the answer is not lost
	}
	x.armWrite() // the engine sends it when the exchange is over
	x.w.WriteHeader(status)
	_, _ = fmt.Fprintln(x.w, status, http.StatusText(status))
}

// finish runs last, after answers and panics alike.
func (x *exchange) finish() {
	p := recover()
	if x.req.Body != nil {
		x.body.end()
	}
	if x.release != nil {
		x.release()
	}
	x.l.running.Add(-1)
	x.resetEnds()
	switch p {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(p)
	}
	status := http.StatusInternalServerError
	if x.wrote {
		status = 0
	}
	x.l.log.Error("handler panicked", "panic", fmt.Sprint(p), "method", x.r.Method, "target", x.r.RequestURI, "stack", string(debug.Stack()))
	x.l.refuse(Refusal{Remote: x.remote, Reason: ReasonPanic, Detail: fmt.Sprint(p), Status: status})
	if x.wrote {
		panic(http.ErrAbortHandler)
	}
	clear(x.w.Header())
	x.writePlain(status)
}
