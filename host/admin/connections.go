package admin

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/postern/postern/host/access"
)

// Of connections there may be so many. Those by loopback count as of no address.
const (
	maxConnections     = 1024
	maxConnectionsEach = 256 // of one address
)

// connections bounds those of a server. When there are too many, the oldest one that has not logged in makes room, or else one that has and
// asks for nothing; only when all of them are at work is the new one closed. So nobody without a token keeps others out by holding
// connections, and a health probe always gets through.
type connections struct {
	mu         sync.Mutex
	open       map[net.Conn]*connection
	opened     uint64 // so far
	most, each int
}

// A connection is what is known of one. Its server's lock guards it.
type connection struct {
	server *connections
	from   netip.Prefix // the zero prefix for loopback
	number uint64
	idle   bool // between two requests
	known  bool // its last request that needed a credential had one
}

func newConnections() *connections {
	return &connections{open: map[net.Conn]*connection{}, most: maxConnections, each: maxConnectionsEach}
}

// bound makes a server have no more connections than that.
func (n *connections) bound(s *http.Server) {
	s.ConnContext, s.ConnState = n.began, n.changed
}

type connectionKey struct{}

// began is an http.Server's ConnContext: it counts a new connection, and makes room for it.
func (n *connections) began(ctx context.Context, conn net.Conn) context.Context {
	from, _ := netip.ParseAddrPort(conn.RemoteAddr().String()) // the zero address for what is not a network's
	c := &connection{server: n}
	if addr := from.Addr(); addr.IsValid() && !addr.Unmap().IsLoopback() {
		c.from = access.Client(addr)
	}
	n.mu.Lock()
	oldest, room := n.room(c.from)
	if room {
		n.opened++
		c.number = n.opened
		delete(n.open, oldest)
		n.open[conn] = c
	} else {
		oldest = conn
	}
	n.mu.Unlock()
	if oldest != nil {
		abandon(oldest)
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

// room finds the connection that makes room for one more from an address; nil when there is room, and false when none may be closed.
func (n *connections) room(from netip.Prefix) (oldest net.Conn, found bool) {
	same := 0
	for _, c := range n.open {
		if from.IsValid() && c.from == from {
			same++
		}
	}
	crowded := same >= n.each
	if !crowded && len(n.open) < n.most {
		return nil, true
	}
	var first *connection
	for conn, c := range n.open {
		if c.known && !c.idle || crowded && c.from != from {
			continue
		}
		if first == nil || first.known && !c.known || first.known == c.known && c.number < first.number {
			oldest, first = conn, c
		}
	}
	return oldest, first != nil
}

// abandon closes a connection without the farewell of TLS, which waits for the other side to take it.
func abandon(conn net.Conn) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	_ = conn.Close() // nothing more is wanted of it
}

// changed is an http.Server's ConnState.
func (n *connections) changed(conn net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, counted := n.open[conn]
	switch {
	case !counted:
	case state == http.StateClosed || state == http.StateHijacked:
		delete(n.open, conn)
	default:
		c.idle = state == http.StateIdle
	}
}

// login notes whether the request at work on its connection has shown a credential.
func login(r *http.Request, known bool) {
	if c, counted := r.Context().Value(connectionKey{}).(*connection); counted {
		c.server.mu.Lock()
		c.known = known
		c.server.mu.Unlock()
	}
}
