package listener

import "net"

// An upgradedConn first reads what the client sent before it saw the 101.
type upgradedConn struct {
	net.Conn
	early []byte
}

// Read implements net.Conn.
func (c *upgradedConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	c.early = c.early[n:]
	return n, nil
}
