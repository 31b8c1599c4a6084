package access

import (
	"fmt"

	"github.com/postern/postern/host"
)

// A Role is what a principal may do. Each may do all that the ones below it may.
type Role uint8

// The roles. The zero value is none.
const (
	Viewer   Role = iota + 1 // read
	Deployer                 // and change what runs
	Admin                    // and say who may
)

var roleNames = [...]string{"", "viewer", "deployer", "admin"}

// String returns the role's name.
func (r Role) String() string {
	if r == 0 || int(r) >= len(roleNames) {
		return "none"
	}
	return roleNames[r]
}

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	for i := Viewer; i <= Admin; i++ {
		if roleNames[i] == name {
			return i, nil
		}
	}
	return 0, &host.Error{Op: "role", Kind: host.Invalid, Err: fmt.Errorf("there is no role %.20q: viewer, deployer or admin", name)}
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role's name.
func (r *Role) UnmarshalText(name []byte) (err error) {
	*r, err = ParseRole(string(name))
	return err
}

// An Action is what an operation does, in what matters for who may do it.
type Action uint8

// The actions, each with the lowest role that may do it.
const (
	Read       Action = iota // viewer: status, definitions, lists, logs; the names of secrets
	Contents                 // deployer: code and other blobs
	Change                   // deployer: apply; functions, APIs, stages; secrets
	Invoke                   // deployer: functions by name
	Administer               // admin: tokens, access keys, the audit log, backup and restore
)

var needs = [...]Role{Read: Viewer, Contents: Deployer, Change: Deployer, Invoke: Deployer, Administer: Admin}

// Allow returns an error of Kind Forbidden when a principal's role is too low for an action.
func Allow(p Principal, action Action) error {
	if int(action) < len(needs) && p.Role >= needs[action] {
		return nil
	}
	need := Admin
	if int(action) < len(needs) {
		need = needs[action]
	}
	return &host.Error{Op: "access", Kind: host.Forbidden, Err: fmt.Errorf("this needs the role %s, and %s has %s", need, p.By(), p.Role)}
}
