package main

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// The costs of bcrypt that are taken: what is below is no protection, and what is above takes seconds in WebAssembly.
const (
	minCost = 5
	maxCost = 12
)

// decoy is the rest of a hash that fits no password: it is compared where there is no user, for the time that it takes.
const decoy = "abcdefghijklmnopqrstuu" + "0000000000000000000000000000000"

// Users are hashes by name.
type users struct {
	hashes map[string][]byte
	cost   int // the highest of theirs
}

// parseUsers reads the format of htpasswd: a line name:hash for each, empty lines, and lines that begin with #. No error holds a hash.
func parseUsers(text string) (*users, error) {
	u := &users{hashes: map[string][]byte{}, cost: minCost}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is not name:hash", n)
		}
		if _, twice := u.hashes[name]; twice {
			return nil, fmt.Errorf("line %d has a user that an earlier line has", n)
		}
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil || len(hash) != 60 {
			return nil, fmt.Errorf("line %d has no hash of bcrypt, which begins with $2y$; write it by: htpasswd -nB -C 10 NAME", n)
		}
		if cost < minCost || cost > maxCost {
			return nil, fmt.Errorf("line %d has the cost %d; it must be from %d to %d", n, cost, minCost, maxCost)
		}
		u.hashes[name] = []byte(hash)
		u.cost = max(u.cost, cost)
	}
	if len(u.hashes) == 0 {
		return nil, fmt.Errorf("it has no users")
	}
	return u, nil
}

// check reports whether a user has a password. It works as long for every name, known or not, and whatever the cost of its hash: 2^cost
// rounds of the costliest.
func (u *users) check(name, password string) bool {
	hash, known := u.hashes[name]
	if !known {
		hash = decoyOf(u.cost)
	}
	matches := bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil
	cost, _ := bcrypt.Cost(hash) // parseUsers has looked
	for ; cost < u.cost; cost++ {
		_ = bcrypt.CompareHashAndPassword(decoyOf(cost), []byte(password)) // 2^c and 2^c is 2^(c+1)
	}
	return matches && known
}

func decoyOf(cost int) []byte { return fmt.Appendf(nil, "$2y$%02d$%s", cost, decoy) }
