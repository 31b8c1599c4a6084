package listener

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/postern/postern/host"
)

// An exchange is one request on its way through the Handler, and what the two halves share.
type exchange struct {
	l    *Listener
	conn *conn
	w    http.ResponseWriter
	r    *http.Request
	req  host.Request
	body body

	release func() // of the context
	wrote   bool   // the status line is out of our hands
	refused bool   // an answer of the listener's own stands for the Handler's
}

var errPanicked = errors.New("a panic cut the response off")

// serve is net/http's door to the Handler.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(*conn)
	c.serving.Store(true)
	c.fresh.Store(false)
	l.running.Add(1)
	x := &exchange{l: l, conn: c, w: w, r: r}
	defer x.finish()
	if status, reason, detail := x.convert(); status != 0 {
		x.refuse(status, reason, detail)
		return
	}
	resp := l.cfg.Handler(x.context(), &x.req)
	if resp == nil {
		panic("the handler returned no response")
	}
	x.answer(resp)
}

// refuse answers what the Handler shall not see.
func (x *exchange) refuse(status int, reason Reason, detail string) {
	x.refused = true
	x.l.refuse(Refusal{Remote: x.conn.remote, Reason: reason, Detail: detail, Status: status})
	x.writePlain(status)
}

func (x *exchange) writePlain(status int) {
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if x.r.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close")
	}
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
	x.l.refuse(Refusal{Remote: x.conn.remote, Reason: ReasonPanic, Detail: fmt.Sprint(p), Status: status})
	if x.wrote {
		panic(http.ErrAbortHandler)
	}
	clear(x.w.Header())
	x.writePlain(status)
}
